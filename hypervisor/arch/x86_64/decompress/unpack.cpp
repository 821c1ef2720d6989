// SPDX-License-Identifier: MIT
// Finds the payload of a bzImage (Linux x86 boot protocol, fields from 0x1f1 on) and hands it to its codec.
#include <arch/x86_64/decompress/codecs.hpp>
#include <arch/x86_64/decompress/library_scope.hpp>
#include <arch/x86_64/decompress/unpack.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

using Bytes = std::span<std::byte const>;

enum class Format : std::uint8_t
{
    Unknown,
    Elf,
    Xz,
    Gzip,
    Lz4,
    Zstd,
};

constexpr std::size_t kLargestImage = 1u << 30;
constexpr std::size_t kSmallestImage = 4096;
constexpr std::size_t kCodecWorkingBytes = 1u << 20; // zstd's context and gzip's window stay well below

template<typename T>
T field(Bytes data, std::size_t offset)
{
    T value{};
    if (offset <= data.size() && data.size() - offset >= sizeof(T))
        __builtin_memcpy(&value, data.data() + offset, sizeof(T));
    return value;
}

Format format_of(Bytes data)
{
    auto const word = field<std::uint32_t>(data, 0);
    if (word == 0x464c457f)
        return Format::Elf;
    if (word == 0x587a37fd && field<std::uint16_t>(data, 4) == 0x005a)
        return Format::Xz;
    if ((word & 0xffff) == 0x8b1f)
        return Format::Gzip;
    if (word == 0x184c2102)
        return Format::Lz4;
    if (word == 0xfd2fb528)
        return Format::Zstd;
    return Format::Unknown;
}

struct Payload
{
    Format format;
    Bytes data;       // without the size word
    std::size_t size; // unpacked
};

Result<Bytes> find_payload(Bytes module)
{
    constexpr std::uint32_t kHeaderMagic = 0x53726448; // "HdrS"
    constexpr std::uint16_t kFirstVersionWithPayload = 0x0208;
    if (field<std::uint16_t>(module, 0x1fe) != 0xaa55 || field<std::uint32_t>(module, 0x202) != kHeaderMagic)
    {
        log_error("The kernel module is neither a bzImage nor an ELF file");
        return Errno::Inval;
    }
    if (field<std::uint16_t>(module, 0x206) < kFirstVersionWithPayload)
    {
        log_error("The kernel's boot protocol is older than 2.08 and does not say where its payload is");
        return Errno::Inval;
    }
    auto const sectors = field<std::uint8_t>(module, 0x1f1);
    std::uint64_t const start =
        (std::uint64_t{sectors == 0 ? 4u : sectors} + 1) * 512 + field<std::uint32_t>(module, 0x248);
    std::uint64_t const length = field<std::uint32_t>(module, 0x24c);
    if (length < 8 || start > module.size() || module.size() - start < length)
    {
        log_error("The kernel image is cut off: payload {}+{} of {} bytes", start, length, module.size());
        return Errno::Inval;
    }
    return module.subspan(start, length);
}

// Every compressed payload ends in its unpacked size: gzip by its own format, the others by the kernel's build.
Result<Payload> open_payload(Bytes module)
{
    if (format_of(module) == Format::Elf)
        return Payload{Format::Elf, module, module.size()};
    Bytes const data = HV_TRY(find_payload(module));
    Payload payload{format_of(data), data, data.size()};
    if (payload.format == Format::Elf)
        return payload;
    if (payload.format == Format::Unknown)
    {
        log_error("The kernel is compressed in a way that is not supported (XZ, gzip, LZ4 and zstd are); it begins {x}",
                  field<std::uint32_t>(data, 0));
        return Errno::NoSys;
    }
    payload.size = field<std::uint32_t>(data, data.size() - 4);
    if (payload.size < kSmallestImage || payload.size > kLargestImage)
    {
        log_error("The kernel image is damaged: it claims to unpack to {} bytes", payload.size);
        return Errno::Inval;
    }
    if (payload.format != Format::Gzip)
        payload.data = data.first(data.size() - 4);
    return payload;
}

Result<void> run_codec(Payload const& payload, std::span<std::byte> out)
{
    switch (payload.format)
    {
    case Format::Xz: return unpack_xz(payload.data, out);
    case Format::Gzip: return unpack_gzip(payload.data, out);
    case Format::Lz4: return unpack_lz4(payload.data, out);
    case Format::Zstd: return unpack_zstd(payload.data, out);
    default: return Errno::NoSys;
    }
}

// For asking liblzma how much memory it wants: its own small structures only.
alignas(16) std::byte question_memory[32768];

} // namespace

Result<std::size_t> unpack_arena_bytes(std::span<std::byte const> module)
{
    Payload const payload = HV_TRY(open_payload(module));
    if (payload.format == Format::Elf)
        return std::size_t{0};
    std::size_t working = 0;
    if (payload.format == Format::Xz)
    {
        BootArena arena(question_memory);
        LibraryScope scope(arena);
        working = HV_TRY(xz_working_bytes(payload.data));
    }
    return payload.size + working + kCodecWorkingBytes;
}

Result<std::span<std::byte const>> unpack_kernel(std::span<std::byte const> module, BootArena& arena)
{
    Payload const payload = HV_TRY(open_payload(module));
    if (payload.format == Format::Elf)
        return payload.data;
    std::byte* const memory = arena.allocate(payload.size, 4096);
    if (memory == nullptr)
    {
        log_error("Unpacking the kernel needs {} bytes", payload.size);
        return Errno::NoMem;
    }
    std::span<std::byte> const out(memory, payload.size);
    {
        LibraryScope scope(arena);
        HV_TRY_VOID(run_codec(payload, out));
    }
    if (format_of(out) != Format::Elf)
    {
        log_error("The kernel image does not unpack to an ELF file");
        return Errno::Inval;
    }
    return Bytes(out);
}

} // namespace hv
