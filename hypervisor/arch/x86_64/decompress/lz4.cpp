// SPDX-License-Identifier: MIT
// The legacy LZ4 container that kernels use (lz4 frame format 1.6.1, "Legacy frame"), blocks through liblz4.
#include <arch/x86_64/decompress/codecs.hpp>
#include <lib/log.hpp>

#include <lz4.h>

namespace hv
{
namespace
{

constexpr std::uint32_t kMagic = 0x184c2102;
constexpr std::size_t kBlockBytes = 8u << 20; // every block but the last unpacks to this

std::uint32_t take_word(CodecInput& in)
{
    std::uint32_t word;
    __builtin_memcpy(&word, in.data(), sizeof(word));
    in = in.subspan(sizeof(word));
    return word;
}

Result<void> fail(char const* cause)
{
    log_error("Kernel image, LZ4: {}", cause);
    return Errno::Inval;
}

} // namespace

// The format has no checksum: sizes are all there is to verify.
Result<void> unpack_lz4(CodecInput in, CodecOutput out)
{
    while (in.size() >= sizeof(std::uint32_t))
    {
        std::uint32_t const size = take_word(in);
        if (size == kMagic)
            continue; // start of this frame or of one appended to it
        if (size == 0 || size > in.size())
            return fail("a block reaches beyond the end of the data");
        std::size_t const room = out.size() < kBlockBytes ? out.size() : kBlockBytes;
        int const written =
            LZ4_decompress_safe(reinterpret_cast<char const*>(in.data()), reinterpret_cast<char*>(out.data()),
                                static_cast<int>(size), static_cast<int>(room));
        if (written < 0)
            return fail("damaged block");
        in = in.subspan(size);
        out = out.subspan(static_cast<std::size_t>(written));
    }
    if (!out.empty() || !in.empty())
        return fail("the data is cut off or its size is wrong");
    return {};
}

} // namespace hv
