// SPDX-License-Identifier: MIT
// Rows of a toolstack's work: making, filling, listing and ending domains; and the memory each of them takes.
#include <tests/bench/hypervisor/guest/bench.hpp>

namespace bench
{
namespace
{

constexpr unsigned kDomains = 32;
constexpr unsigned kPages = 64; // of the domain that is filled

std::uint16_t ids[kDomains];
abi::xen_domctl control;
abi::xen_sysctl system;

long domctl(std::uint32_t command, std::uint16_t domain)
{
    control.cmd = command;
    control.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    control.domain = domain;
    return call(__HYPERVISOR_domctl, guest::address(&control));
}

void create(unsigned index)
{
    control.u.createdomain = {};
    control.u.createdomain.max_vcpus = 1;
    control.u.createdomain.max_evtchn_port = 1023;
    control.u.createdomain.max_grant_frames = 4;
    control.u.createdomain.max_maptrack_frames = 4;
    control.u.createdomain.grant_opts = 2;
    BENCH_REQUIRE(domctl(XEN_DOMCTL_createdomain, 0), 0);
    ids[index] = control.domain;
    control.u.max_vcpus.max = 1;
    BENCH_REQUIRE(domctl(XEN_DOMCTL_max_vcpus, ids[index]), 0);
}

std::uint64_t free_pages()
{
    system.cmd = XEN_SYSCTL_physinfo;
    system.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    BENCH_REQUIRE(call(__HYPERVISOR_sysctl, guest::address(&system)), 0);
    return system.u.physinfo.free_pages;
}

void measure_creation()
{
    std::uint64_t const before = free_pages();
    std::uint64_t cost[kDomains];
    for (unsigned i = 0; i < kDomains; ++i)
        cost[i] = least([](unsigned) {}, [&](unsigned) { create(i); }, 1);
    std::uint64_t first = ~0ull, last = ~0ull; // the least of the first four and of the last four
    for (unsigned i = 0; i < 4; ++i)
    {
        first = cost[i] < first ? cost[i] : first;
        last = cost[kDomains - 1 - i] < last ? cost[kDomains - 1 - i] : last;
    }
    report("create_first", cost[0]);
    report("create_early", first);
    report("create_per_existing", last > first ? last - first : 0, kDomains - 4);
    report("memory_per_domain", (before - free_pages()) * 4096, kDomains);
}

void measure_listing()
{
    static abi::xen_domctl_getdomaininfo list[kDomains + 1];
    auto const run = [&](unsigned count) {
        system.cmd = XEN_SYSCTL_getdomaininfolist;
        system.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        system.u.getdomaininfolist.first_domain = 0;
        system.u.getdomaininfolist.max_domains = count;
        system.u.getdomaininfolist.buffer.p = list;
        return call(__HYPERVISOR_sysctl, guest::address(&system));
    };
    BENCH_REQUIRE(run(kDomains + 1), 0);
    BENCH_REQUIRE(system.u.getdomaininfolist.num_domains, kDomains + 1);
    std::uint64_t const one = least([&](unsigned) { run(1); });
    std::uint64_t const all = least([&](unsigned) { run(kDomains + 1); });
    report("list_per_domain", all - one, kDomains);
}

void measure_ports()
{
    abi::evtchn_alloc_unbound unbound{};
    unbound.dom = ids[0];
    unbound.remote_dom = 0;
    report("alloc_unbound", least([&](unsigned) {
               call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, guest::address(&unbound));
           }));
    BENCH_REQUIRE(unbound.port >= kRounds, 1);
}

// The frames are given back to the domain's account only when it ends: each round takes new ones.
void measure_filling()
{
    control.u.max_mem.max_memkb = kPages * 4;
    BENCH_REQUIRE(domctl(XEN_DOMCTL_max_mem, ids[1]), 0);
    static std::uint64_t frames[kPages];
    abi::xen_memory_reservation reservation{};
    reservation.domid = ids[1];
    reservation.nr_extents = kPages / 4;
    std::uint64_t best = ~0ull;
    for (unsigned part = 0; part < 4; ++part)
    {
        for (unsigned i = 0; i < kPages / 4; ++i)
            frames[part * kPages / 4 + i] = part * kPages / 4 + i;
        reservation.extent_start.p = frames + part * kPages / 4;
        std::uint64_t const cost =
            least([](unsigned) {},
                  [&](unsigned) {
                      BENCH_REQUIRE(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, guest::address(&reservation)),
                                    kPages / 4);
                  },
                  1);
        best = cost < best ? cost : best;
    }
    report("populate_per_page", best, kPages / 4);
}

std::uint64_t destroy(unsigned index)
{
    return least([](unsigned) {},
                 [&](unsigned) {
                     long result;
                     do
                         result = domctl(XEN_DOMCTL_destroydomain, ids[index]);
                     while (result == -85 || result == -11);
                     BENCH_REQUIRE(result, 0);
                 },
                 1);
}

} // namespace

void measure_domains()
{
    measure_creation();
    measure_listing();
    measure_ports();
    measure_filling();
    report("destroy_64_pages", destroy(1));
    report("destroy_empty", destroy(2));
}

} // namespace bench
