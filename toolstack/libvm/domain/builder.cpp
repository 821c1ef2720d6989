// SPDX-License-Identifier: MIT
// Drives libxenguest step by step, so that an error says which step failed and what it means.
#include "domain/builder.hpp"

#include "base/unique_fd.hpp"
#include "hypervisor/xen_libraries.hpp"

#include <cstring>
#include <elf.h>
#include <sys/stat.h>

namespace vm
{
namespace
{

void check_file(std::string const& what, std::string const& path)
{
    UniqueFd const fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    if (!fd || ::fstat(fd.get(), &status) != 0)
    {
        throw named_file_error("cannot open the " + what + " '" + path + "'", errno);
    }
    if (!S_ISREG(status.st_mode))
    {
        throw Error(ExitCode::Usage, "the " + what + " '" + path + "' is not a file");
    }
    if (status.st_size == 0)
    {
        throw Error(ExitCode::Usage, "the " + what + " '" + path + "' is empty");
    }
}

} // namespace

/// Failing is no error: the memory then comes page by page.
PopulatedMemory::PopulatedMemory()
{
    ::mlockall(MCL_FUTURE);
}

PopulatedMemory::~PopulatedMemory()
{
    ::munlockall();
}

void check_images(GuestConfig const& guest)
{
    check_file("kernel", guest.kernel);
    if (!guest.ramdisk.empty())
    {
        check_file("ramdisk", guest.ramdisk);
    }
}

void GuestImage::Release::operator()(xc_dom_image* image) const
{
    xc_dom_release(image);
}

/// A step of libxenguest returned an error: tell which, with what the library said.
void GuestImage::require(int result, std::string const& what, ExitCode code, std::string const& hint) const
{
    if (result != 0)
    {
        std::string const said = hypervisor_.take_library_errors();
        throw Error(code, what + (said.empty() ? " failed" : ": " + said), hint);
    }
}

GuestImage::GuestImage(Hypervisor const& hypervisor, GuestConfig const& guest, KernelCache const& kernels)
    : hypervisor_(hypervisor), guest_(guest), kernels_(kernels), kernel_place_(kernels.place_of(guest.kernel))
{
    check_images(guest);
    if (kernel_place_ && KernelCache::has(*kernel_place_))
    {
        try
        {
            read(*kernel_place_);
            from_kept_ = true;
            return;
        }
        catch (Error const&)
        {
            KernelCache::forget(*kernel_place_); // whatever is wrong, the kernel's own file tells it better
        }
    }
    read(guest.kernel);
    if (kernels_.place_of(guest.kernel) != kernel_place_)
    {
        kernel_place_.reset(); // it was replaced meanwhile
    }
}

/// The kernel from its file, or from what was kept of it.
void GuestImage::read(std::string const& kernel)
{
    image_.reset(xc_dom_allocate(hypervisor_.handle(), guest_.command_line.c_str(), nullptr));
    xc_dom_image* const image = image_.get();
    if (!image)
    {
        throw Error(ExitCode::NoResources, "no memory for the domain builder");
    }
    image->max_vcpus = guest_.max_vcpus;
    image->container_type = xc_dom_image::XC_DOM_PV_CONTAINER;
    image->claim_enabled = 1; // memory that is not there is noticed before anything is filled
    require(xc_dom_kernel_file(image, kernel.c_str()), "cannot read the kernel '" + guest_.kernel + "'",
            ExitCode::Usage, "");
    if (!guest_.ramdisk.empty())
    {
        require(xc_dom_module_file(image, guest_.ramdisk.c_str(), nullptr),
                "cannot read the ramdisk '" + guest_.ramdisk + "'", ExitCode::Usage, "");
    }
    require(xc_dom_boot_xen_init(image, hypervisor_.handle(), DOMID_INVALID), "cannot ask what the hypervisor offers",
            ExitCode::Failed, "");
    require(xc_dom_parse_image(image), "the kernel '" + guest_.kernel + "' cannot be booted", ExitCode::Usage,
            "give an undamaged x86-64 Linux kernel (bzImage or ELF) with paravirtual Xen support");
}

void GuestImage::keep_kernel() const
{
    if (!kernel_place_)
    {
        return;
    }
    if (from_kept_)
    {
        KernelCache::renew(*kernel_place_);
        return;
    }
    // After parsing the library holds the ELF file that was packed, or the file itself where nothing was.
    std::span const unpacked(static_cast<std::byte const*>(image_->kernel_blob), image_->kernel_size);
    struct stat file = {};
    bool const was_packed =
        ::stat(guest_.kernel.c_str(), &file) == 0 && static_cast<std::size_t>(file.st_size) != unpacked.size();
    if (was_packed && unpacked.size() > SELFMAG && std::memcmp(unpacked.data(), ELFMAG, SELFMAG) == 0)
    {
        kernels_.keep(*kernel_place_, unpacked);
    }
}

void GuestImage::build(DomainId domain, GuestRings& rings)
{
    xc_dom_image* const image = image_.get();
    image->guest_domid = domain;
    image->console_evtchn = rings.console_port;
    image->xenstore_evtchn = rings.store_port;
    image->console_domid = kControlDomain;
    image->xenstore_domid = kControlDomain;
    std::string const size = std::to_string(guest_.memory_mib) + " MiB";
    require(xc_dom_mem_init(image, static_cast<unsigned>(guest_.memory_mib)), "cannot plan " + size + " of memory",
            ExitCode::Failed, "");
    require(xc_dom_boot_mem_init(image), "cannot allocate " + size + " of memory", ExitCode::NoResources,
            "destroy guests or give this one less memory");
    require(xc_dom_build_image(image), "cannot load kernel and ramdisk into " + size, ExitCode::NoResources,
            "is the memory large enough for the unpacked kernel and the ramdisk?");
    require(xc_dom_boot_image(image), "cannot set up the first vCPU", ExitCode::Failed, "");
    require(xc_dom_gnttab_init(image), "cannot grant the rings to the control domain", ExitCode::Failed, "");
    rings.console_frame = xc_dom_p2m(image, image->console_pfn);
    rings.store_frame = xc_dom_p2m(image, image->xenstore_pfn);
}

} // namespace vm
