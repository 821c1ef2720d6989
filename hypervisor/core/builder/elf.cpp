// SPDX-License-Identifier: MIT
// ELF64 (System V ABI, AMD64 supplement) as far as kernels use it.
#include <core/builder/elf.hpp>

#include <hypercalls/abi/xen.hpp>

namespace hv::builder
{
namespace
{

struct ElfHeader
{
    std::uint8_t ident[16];
    std::uint16_t type, machine;
    std::uint32_t version;
    std::uint64_t entry, program_offset, section_offset;
    std::uint32_t flags;
    std::uint16_t header_size, program_entry_size, program_count, section_entry_size, section_count, names;
};
static_assert(sizeof(ElfHeader) == 64);

struct ProgramHeader
{
    std::uint32_t type, flags;
    std::uint64_t offset, virtual_address, physical_address, file_size, memory_size, alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

struct NoteHeader
{
    std::uint32_t name_size, description_size, type;
};

constexpr std::uint32_t kLoad = 1;
constexpr std::uint32_t kNote = 4;
constexpr std::uint16_t kMachineAmd64 = 62;

template<typename T>
bool read_at(Bytes file, std::uint64_t offset, T& out)
{
    if (offset > file.size() || file.size() - offset < sizeof(T))
        return false;
    __builtin_memcpy(&out, file.data() + offset, sizeof(T));
    return true;
}

bool inside(Bytes file, std::uint64_t offset, std::uint64_t size)
{
    return offset <= file.size() && size <= file.size() - offset;
}

std::uint64_t number(Bytes description)
{
    std::uint64_t value = 0;
    std::size_t const size = description.size() < 8 ? description.size() : 8;
    __builtin_memcpy(&value, description.data(), size == 8 ? 8 : (size >= 4 ? 4 : size));
    return value;
}

void text(Bytes description, char (&out)[16])
{
    std::size_t const size = description.size() < sizeof(out) - 1 ? description.size() : sizeof(out) - 1;
    __builtin_memcpy(out, description.data(), size);
    out[size] = '\0';
}

void take_note(KernelNotes& notes, std::uint32_t type, Bytes description)
{
    notes.found = true;
    switch (type)
    {
    case XEN_ELFNOTE_ENTRY:
        notes.entry = number(description);
        notes.has_entry = true;
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        notes.hypercall_page = number(description);
        notes.has_hypercall_page = true;
        break;
    case XEN_ELFNOTE_VIRT_BASE: notes.virtual_base = number(description); break;
    case XEN_ELFNOTE_PADDR_OFFSET: notes.address_offset = number(description); break;
    case XEN_ELFNOTE_INIT_P2M:
        notes.initial_p2m = number(description);
        notes.has_initial_p2m = true;
        break;
    case XEN_ELFNOTE_MOD_START_PFN: notes.module_start_is_frame = number(description) != 0; break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        notes.supported_features = number(description);
        notes.has_supported_features = true;
        break;
    case XEN_ELFNOTE_LOADER: text(description, notes.loader); break;
    case XEN_ELFNOTE_GUEST_OS: text(description, notes.guest_os); break;
    case XEN_ELFNOTE_XEN_VERSION: text(description, notes.xen_version); break;
    default: break;
    }
}

void read_notes(Bytes section, KernelNotes& notes)
{
    std::uint64_t offset = 0;
    NoteHeader header;
    while (read_at(section, offset, header))
    {
        std::uint64_t const name = offset + sizeof(header);
        std::uint64_t const description = name + ((std::uint64_t{header.name_size} + 3) & ~3ull);
        if (!inside(section, description, header.description_size))
            return;
        bool const ours = header.name_size == 4 && __builtin_memcmp(section.data() + name, "Xen", 4) == 0;
        if (ours)
            take_note(notes, header.type, section.subspan(description, header.description_size));
        offset = description + ((std::uint64_t{header.description_size} + 3) & ~3ull);
    }
}

bool starts_with(char const* text, char const* prefix)
{
    for (; *prefix != '\0'; ++text, ++prefix)
        if (*text != *prefix)
            return false;
    return true;
}

Result<void> fail(char const*& why, char const* reason)
{
    why = reason;
    return Errno::Inval;
}

Result<void> add_segment(KernelImage& image, ProgramHeader const& header, char const*& why)
{
    if (!inside(image.file, header.offset, header.file_size) || header.file_size > header.memory_size)
        return fail(why, "a segment lies outside the file");
    if (header.physical_address + header.memory_size < header.physical_address)
        return fail(why, "a segment's address wraps");
    if (image.segment_count == KernelImage::kMaxSegments)
        return fail(why, "too many segments");
    image.segments[image.segment_count++] = {header.physical_address, header.offset, header.file_size,
                                             header.memory_size};
    std::uint64_t const end = header.physical_address + header.memory_size;
    if (header.physical_address < image.physical_start)
        image.physical_start = header.physical_address;
    if (end > image.physical_end)
        image.physical_end = end;
    return {};
}

} // namespace

Result<void> parse_kernel(Bytes file, KernelImage& image, char const*& why)
{
    image = KernelImage{};
    image.file = file;
    image.physical_start = ~0ull;
    ElfHeader header;
    if (!read_at(file, 0, header) ||
        __builtin_memcmp(header.ident,
                         "\x7f"
                         "ELF\2\1",
                         6) != 0 ||
        header.machine != kMachineAmd64 || header.program_entry_size != sizeof(ProgramHeader))
        return fail(why, "not a 64-bit x86 ELF file");
    image.entry = header.entry;
    for (unsigned i = 0; i < header.program_count; ++i)
    {
        ProgramHeader program;
        if (!read_at(file, header.program_offset + i * sizeof(ProgramHeader), program))
            return fail(why, "the program headers lie outside the file");
        if (program.type == kLoad && program.memory_size != 0)
            HV_TRY_VOID(add_segment(image, program, why));
        if (program.type == kNote && inside(file, program.offset, program.file_size))
            read_notes(file.subspan(program.offset, program.file_size), image.notes);
    }
    if (image.segment_count == 0)
        return fail(why, "nothing to load");
    if (!image.notes.found)
        return fail(why, "no Xen notes: not a paravirtual kernel");
    if (!starts_with(image.notes.loader, "generic") && !starts_with(image.notes.guest_os, "linux"))
        return fail(why, "its loader type is unknown");
    if (!starts_with(image.notes.xen_version, "xen-3.0"))
        return fail(why, "it was built for another hypervisor interface");
    return {};
}

} // namespace hv::builder
