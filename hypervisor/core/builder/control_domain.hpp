// SPDX-License-Identifier: MIT
// Builds the control domain from a kernel and a ramdisk that boot has found.
#pragma once

#include <core/builder/elf.hpp>
#include <core/domain/domain.hpp>

namespace hv::builder
{

struct ControlDomainPlan
{
    Bytes kernel;            // an ELF file in memory of ours; not needed afterwards
    MachineAddress initrd{}; // page-aligned frames of ours that become the domain's; size 0: none
    std::uint64_t initrd_bytes = 0;
    char const* command_line = "";
    std::uint64_t frames = 0;     // memory to give
    std::uint64_t max_frames = 0; // what it may grow to
    std::uint32_t vcpus = 1;
    bool pin_vcpus = false;
    abi::dom0_vga_console_info video{};
    std::uint32_t video_bytes = 0; // 0: no video information
};

// The domain is complete and still paused. `why` explains an error in English; nothing is left behind then but log lines.
Result<Domain*> build_control_domain(ControlDomainPlan const& plan, char const*& why);

} // namespace hv::builder
