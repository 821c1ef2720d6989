// SPDX-License-Identifier: MIT
// gzip through zlib; CRC and length are verified by the library.
#include <arch/x86_64/decompress/codecs.hpp>
#include <lib/log.hpp>

#include <zlib.h>

namespace hv
{

Result<void> unpack_gzip(CodecInput in, CodecOutput out)
{
    constexpr int kGzipWindow = 15 + 16; // largest window, gzip header and trailer
    z_stream stream{};
    // zlib's interface wants a mutable pointer but does not write through it.
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<Bytef const*>(in.data()));
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    if (inflateInit2(&stream, kGzipWindow) != Z_OK)
    {
        log_error("Kernel image, gzip: not enough memory");
        return Errno::NoMem;
    }
    int const code = inflate(&stream, Z_FINISH);
    if (code == Z_STREAM_END && stream.avail_out == 0)
        return {};
    log_error("Kernel image, gzip: {} ({} of {} bytes unpacked)",
              stream.msg != nullptr ? stream.msg : "cut off or longer than its size says", stream.total_out,
              out.size());
    return Errno::Inval;
}

} // namespace hv
