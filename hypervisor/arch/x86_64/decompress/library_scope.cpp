// SPDX-License-Identifier: MIT
// The few functions of the C library that the decompressors call.
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/decompress/library_scope.hpp>
#include <lib/bug.hpp>

using Constructor = void (*)();
extern "C" Constructor const library_constructors_start[], library_constructors_end[];

namespace hv
{
namespace
{

BootArena* current_arena;
bool constructed;

// Code compiled with a stack protector reads its canary at %fs:0x28 (x86-64 ABI of GNU/Linux).
struct ThreadArea
{
    std::uint64_t unused[5];
    std::uint64_t canary;
    std::uint64_t more[10];
};
ThreadArea thread_area;

} // namespace

LibraryScope::LibraryScope(BootArena& arena) : arena_(arena), mark_(arena.used()), fs_base_(read_msr(msr::kFsBase))
{
    HV_ASSERT(current_arena == nullptr);
    current_arena = &arena;
    thread_area.canary = read_tsc() << 8; // the lowest byte is 0, so that strings do not reveal it
    write_msr(msr::kFsBase, reinterpret_cast<std::uint64_t>(&thread_area));
    if (!constructed)
        for (Constructor const* each = library_constructors_start; each != library_constructors_end; ++each)
            (*each)();
    constructed = true;
}

LibraryScope::~LibraryScope()
{
    write_msr(msr::kFsBase, fs_base_);
    arena_.release_to(mark_);
    current_arena = nullptr;
}

} // namespace hv

extern "C"
{

    void* malloc(std::size_t bytes)
    {
        return hv::current_arena != nullptr ? hv::current_arena->allocate(bytes) : nullptr;
    }

    void* calloc(std::size_t count, std::size_t bytes)
    {
        std::size_t total = 0;
        if (__builtin_mul_overflow(count, bytes, &total))
            return nullptr;
        void* const memory = malloc(total);
        return memory != nullptr ? __builtin_memset(memory, 0, total) : nullptr;
    }

    // The scope takes everything back at its end.
    void free(void*) {}

    [[noreturn]] void __stack_chk_fail()
    {
        HV_BUG("a decompression library overran its stack");
    }

    // Optional hooks of libzstd, undefined weak symbols that do not reach this far down from the high addresses: no tracing.
    unsigned long long ZSTD_trace_decompress_begin(void const*)
    {
        return 0;
    }

    void ZSTD_trace_decompress_end(unsigned long long, void const*) {}

} // extern "C"
