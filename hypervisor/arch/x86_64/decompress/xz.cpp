// SPDX-License-Identifier: MIT
// XZ through liblzma; the checksum of the stream is verified by the library.
#include <arch/x86_64/decompress/codecs.hpp>
#include <lib/log.hpp>

#include <lzma.h>

namespace hv
{
namespace
{

std::uint8_t const* bytes(std::byte const* data)
{
    return reinterpret_cast<std::uint8_t const*>(data);
}

char const* cause(lzma_ret code)
{
    switch (code)
    {
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR: return "not enough memory";
    case LZMA_FORMAT_ERROR: return "not an XZ stream";
    case LZMA_OPTIONS_ERROR: return "unsupported filter";
    case LZMA_DATA_ERROR: return "damaged data or wrong checksum";
    case LZMA_BUF_ERROR: return "the stream is cut off or longer than its size says";
    default: return "internal error of the library";
    }
}

} // namespace

Result<void> unpack_xz(CodecInput in, CodecOutput out)
{
    std::uint64_t limit = UINT64_MAX;
    std::size_t read = 0;
    std::size_t written = 0;
    lzma_ret const code = lzma_stream_buffer_decode(&limit, 0, nullptr, bytes(in.data()), &read, in.size(),
                                                    reinterpret_cast<std::uint8_t*>(out.data()), &written, out.size());
    if (code == LZMA_OK && written == out.size())
        return {};
    log_error("Kernel image, XZ: {} ({} of {} bytes unpacked)", code == LZMA_OK ? "wrong size" : cause(code), written,
              out.size());
    return code == LZMA_MEM_ERROR ? Errno::NoMem : Errno::Inval;
}

Result<std::size_t> xz_working_bytes(CodecInput in)
{
    // With a limit of one byte the library reads only the headers and says what it would have needed.
    std::uint64_t limit = 1;
    std::size_t read = 0;
    std::size_t written = 0;
    std::uint8_t nowhere = 0;
    lzma_ret const code =
        lzma_stream_buffer_decode(&limit, 0, nullptr, bytes(in.data()), &read, in.size(), &nowhere, &written, 1);
    if (code == LZMA_MEMLIMIT_ERROR)
        return static_cast<std::size_t>(limit);
    log_error("Kernel image, XZ: {}", cause(code));
    return Errno::Inval;
}

} // namespace hv
