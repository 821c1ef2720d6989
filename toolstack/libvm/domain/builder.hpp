// SPDX-License-Identifier: MIT
// Fills a new domain with its kernel, ramdisk, page tables and rings.
#pragma once

#include "base/error.hpp"
#include "config/guest_config.hpp"
#include "domain/kernel_cache.hpp"
#include "hypervisor/hypervisor.hpp"
#include "store/layout.hpp"

#include <memory>
#include <optional>
#include <string>

struct xc_dom_image;

namespace vm
{

/// Checks that kernel and ramdisk are readable files that are not empty. Throws Error; changes nothing.
void check_images(GuestConfig const& guest);

/// While it lives, memory that the process maps comes at once instead of by one page fault a page. A fault costs a
/// paravirtual control domain several trips to the hypervisor, and an unpacked kernel has some 16 000 pages.
class PopulatedMemory
{
public:
    PopulatedMemory();
    ~PopulatedMemory();
    PopulatedMemory(PopulatedMemory const&) = delete;
    PopulatedMemory& operator=(PopulatedMemory const&) = delete;
};

/// A guest's kernel and ramdisk in our memory, ready to be put into a domain.
class GuestImage
{
public:
    /// Reads, unpacks and checks kernel and ramdisk; needs no domain yet. What it is given outlives the image.
    GuestImage(Hypervisor const& hypervisor, GuestConfig const& guest, KernelCache const& kernels);

    /// Leaves the unpacked kernel for the creations to come.
    void keep_kernel() const;

    /// Allocates the domain's memory, loads the images and sets up vCPU 0; the domain stays paused.
    /// `rings` has the ports and gets the frames. On an error the domain is left for the caller to destroy.
    void build(DomainId domain, GuestRings& rings);

private:
    struct Release
    {
        void operator()(xc_dom_image* image) const;
    };

    void read(std::string const& kernel);
    void require(int result, std::string const& what, ExitCode code, std::string const& hint) const;

    Hypervisor const& hypervisor_;
    GuestConfig const& guest_;
    KernelCache const& kernels_;
    std::optional<std::string> kernel_place_; // of its entry; nothing when it is not to be kept
    bool from_kept_ = false;
    PopulatedMemory populated_; // before the image, so that the image's memory goes first
    std::unique_ptr<xc_dom_image, Release> image_;
};

} // namespace vm
