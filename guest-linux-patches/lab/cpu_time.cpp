// SPDX-License-Identifier: MIT
// Prints how many nanoseconds a domain has run: under QEMU's -icount these are the instructions that were executed for it.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C"
{
#include <xenctrl.h>
}

int main(int count, char** words)
{
    if (count != 2)
    {
        std::fprintf(stderr, "usage: cpu_time DOMAIN\n");
        return 2;
    }
    auto const domain = static_cast<std::uint32_t>(std::strtoul(words[1], nullptr, 10));
    xc_interface* const hypervisor = xc_interface_open(nullptr, nullptr, 0);
    xc_dominfo_t facts = {};
    if (hypervisor == nullptr || xc_domain_getinfo(hypervisor, domain, 1, &facts) != 1 || facts.domid != domain)
    {
        std::fprintf(stderr, "cpu_time: error: domain %u cannot be asked\n", domain);
        return 1;
    }
    std::printf("%llu\n", static_cast<unsigned long long>(facts.cpu_time));
    xc_interface_close(hypervisor);
    return 0;
}
