// SPDX-License-Identifier: MIT
// The benchmark guest: the initial domain of whichever hypervisor booted it. Prints one line per row and ends.
#include <tests/bench/hypervisor/guest/bench.hpp>

namespace bench
{

std::uint64_t empty_cost = 0;

namespace
{

void print_decimal(std::uint64_t value)
{
    char digits[21];
    unsigned at = 20;
    digits[at] = '\0';
    do
        digits[--at] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    guest::print(digits + at);
}

} // namespace

void report(char const* key, std::uint64_t instructions, std::uint64_t operations)
{
    guest::print("BENCH ");
    guest::print(key);
    guest::print(" ");
    print_decimal(instructions);
    guest::print(" ");
    print_decimal(operations);
    guest::print("\n");
}

void require(bool good, char const* what, long got)
{
    if (good)
        return;
    guest::print(what);
    guest::print_number(": unexpected result ", static_cast<std::uint64_t>(got));
    guest::print("RESULT: fail\n");
    guest::shut_down(SHUTDOWN_poweroff);
}

} // namespace bench

void run()
{
    std::uint64_t const started = bench::ticks();
    bench::empty_cost = bench::least([](unsigned) {});
    guest::install_shared();
    guest::install_traps();
    guest::shared().vcpu_info[0].evtchn_upcall_mask = 1;
    bench::report("boot", started);
    bench::measure_entry();
    bench::measure_reflection();
    bench::measure_user_mode();
    bench::measure_mmu();
    bench::measure_events();
    bench::measure_switching();
    bench::measure_grants();
    bench::measure_domains();
    guest::print("RESULT: pass\n");
    guest::shut_down(SHUTDOWN_poweroff);
}
