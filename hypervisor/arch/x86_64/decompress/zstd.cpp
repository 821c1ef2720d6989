// SPDX-License-Identifier: MIT
// zstd through libzstd; the frame's checksum is verified by the library.
#include <arch/x86_64/decompress/codecs.hpp>
#include <lib/log.hpp>

#include <zstd.h>

namespace hv
{

Result<void> unpack_zstd(CodecInput in, CodecOutput out)
{
    ZSTD_DCtx* const context = ZSTD_createDCtx();
    if (context == nullptr)
    {
        log_error("Kernel image, zstd: not enough memory");
        return Errno::NoMem;
    }
    std::size_t const code = ZSTD_decompressDCtx(context, out.data(), out.size(), in.data(), in.size());
    if (ZSTD_isError(code) == 0 && code == out.size())
        return {};
    log_error("Kernel image, zstd: {}", ZSTD_isError(code) != 0 ? ZSTD_getErrorName(code) : "wrong size");
    return Errno::Inval;
}

} // namespace hv
