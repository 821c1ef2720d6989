// SPDX-License-Identifier: MIT
// handlers.S as C++ sees it.
#pragma once

#include <cstdint>

extern "C"
{
    void bench_int3();
    void bench_page_fault();
    void bench_touch(void const* address);
    void bench_upcall();
    void bench_system_call();
    void bench_run_user(void (*program)(), void* stack);
    void bench_user_program();
    void bench_second_entry();
    [[noreturn]] void bench_second_vcpu();
    extern std::uint64_t bench_user_best, bench_upcalls;
    extern void* bench_upcall_pending;
    extern void* bench_pending_selector;
    extern void* bench_pending_word;
}
