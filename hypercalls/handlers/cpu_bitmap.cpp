// SPDX-License-Identifier: MIT
// Sets of CPUs from and to the tools.
#include <hypercalls/handlers/cpu_bitmap.hpp>

namespace hv::handlers
{

CpuMask online_cpus()
{
    std::uint32_t const count = port::online_cpus();
    return CpuMask{count >= 64 ? ~0ull : (1ull << count) - 1};
}

Result<CpuMask> read_cpu_bitmap(abi::xenctl_bitmap const& bitmap)
{
    std::uint64_t bits = 0;
    std::size_t const bytes = bitmap.nr_bits >= 64 ? 8 : (bitmap.nr_bits + 7) / 8;
    if (!port::copy_from_guest(&bits, GuestVirtual{reinterpret_cast<std::uint64_t>(bitmap.bitmap.p)}, bytes))
        return Errno::Fault;
    if (bitmap.nr_bits < 64)
        bits &= (1ull << bitmap.nr_bits) - 1;
    return CpuMask{bits};
}

Result<void> write_cpu_bitmap(abi::xenctl_bitmap const& bitmap, CpuMask cpus)
{
    constexpr std::uint32_t kLongest = 8192 / 8; // Linux' largest NR_CPUS
    std::uint8_t bytes[kLongest] = {};
    std::uint32_t const length = (bitmap.nr_bits + 7) / 8 < kLongest ? (bitmap.nr_bits + 7) / 8 : kLongest;
    std::uint64_t bits = cpus.bits();
    if (bitmap.nr_bits < 64)
        bits &= (1ull << bitmap.nr_bits) - 1;
    __builtin_memcpy(bytes, &bits, sizeof(bits));
    if (!port::copy_to_guest(GuestVirtual{reinterpret_cast<std::uint64_t>(bitmap.bitmap.p)}, bytes, length))
        return Errno::Fault;
    return {};
}

} // namespace hv::handlers
