// SPDX-License-Identifier: MIT
// Building the control domain: memory, contents, page tables, start_info, first vCPU.
//
// Until its tables are pinned the domain has no page table at all, so its frames are written through the direct map.
#include <core/builder/control_domain.hpp>

#include <core/builder/layout.hpp>
#include <core/builder/tables.hpp>
#include <core/domain/context.hpp>
#include <core/domain/hypercall_page.hpp>
#include <core/domain/lifecycle.hpp>
#include <core/mm/allocator.hpp>
#include <core/sched/scheduler.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

#include <bit>

namespace hv::builder
{
namespace
{

class Builder
{
public:
    Builder(ControlDomainPlan const& plan, Domain& domain, KernelImage const& image, Layout const& layout)
        : plan_(plan), domain_(domain), image_(image), layout_(layout)
    {
    }

    Result<void> run(char const*& why)
    {
        why = "out of memory";
        HV_TRY_VOID(allocate_memory());
        load_kernel();
        load_initrd();
        write_p2m();
        write_start_info();
        HV_TRY_VOID(build_tables());
        why = "its page tables are not valid";
        HV_TRY_VOID(pin_root());
        why = "out of memory for vCPUs";
        HV_TRY_VOID(create_vcpus());
        why = "its first vCPU's state is not valid";
        return start_first_vcpu();
    }

    ~Builder() { heap_free(p2m_, layout_.frames * sizeof(std::uint64_t)); }

private:
    [[nodiscard]] Mfn frame(std::uint64_t pfn) const { return Mfn{p2m_[pfn]}; }
    [[nodiscard]] std::byte* data(std::uint64_t pfn) const { return port::frame_data(frame(pfn)); }
    [[nodiscard]] bool from_module(std::uint64_t pfn) const
    {
        return layout_.initrd_start == 0 && pfn >= layout_.initrd_frame &&
               pfn < layout_.initrd_frame + layout_.initrd_frames;
    }

    void give(std::uint64_t pfn, Mfn mfn)
    {
        p2m_[pfn] = mfn.raw();
        port::m2p()[mfn.raw()] = pfn;
    }

    // Frames in the largest blocks to be had; the initrd's own frames are taken over as they are.
    Result<void> allocate_memory()
    {
        p2m_ = static_cast<std::uint64_t*>(heap_allocate(layout_.frames * sizeof(std::uint64_t)));
        HV_REQUIRE(p2m_ != nullptr, Errno::NoMem);
        std::uint64_t pfn = 0;
        while (pfn < layout_.frames)
        {
            if (from_module(pfn))
            {
                Mfn const mfn = to_mfn(plan_.initrd) + (pfn - layout_.initrd_frame);
                HV_TRY_VOID(adopt_domain_frame(domain_, mfn));
                give(pfn++, mfn);
                continue;
            }
            std::uint64_t const limit =
                pfn < layout_.initrd_frame && layout_.initrd_start == 0 ? layout_.initrd_frame : layout_.frames;
            HV_TRY_VOID(allocate_block(pfn, limit - pfn));
        }
        return {};
    }

    Result<void> allocate_block(std::uint64_t& pfn, std::uint64_t wanted)
    {
        auto order = static_cast<unsigned>(std::bit_width(wanted)) - 1;
        for (order = order < kLargestBlock ? order : kLargestBlock;; --order)
        {
            auto const block = allocate_domain_frames(domain_, order);
            if (!block && order == 0)
                return block.error();
            if (!block)
                continue;
            for (std::uint64_t i = 0; i < (1ull << order); ++i)
                give(pfn++, block.value() + i);
            return {};
        }
    }

    void copy_in(std::uint64_t address, Bytes bytes)
    {
        while (!bytes.empty())
        {
            std::uint64_t const offset = address & (kPageSize - 1);
            std::size_t const part = bytes.size() < kPageSize - offset ? bytes.size() : kPageSize - offset;
            __builtin_memcpy(data(layout_.frame_of(address)) + offset, bytes.data(), part);
            bytes = bytes.subspan(part);
            address += part;
        }
    }

    void load_kernel()
    {
        for (std::uint32_t i = 0; i < image_.segment_count; ++i)
        {
            Segment const& segment = image_.segments[i]; // what lies beyond file_size is zero already
            copy_in(image_.address_of(segment.physical), image_.file.subspan(segment.file_offset, segment.file_size));
        }
        if (image_.notes.has_hypercall_page)
            fill_hypercall_page(data(layout_.frame_of(image_.notes.hypercall_page)));
    }

    void load_initrd()
    {
        if (layout_.initrd_frames == 0)
            return;
        auto const* source = port::frame_data(to_mfn(plan_.initrd));
        if (layout_.initrd_start != 0)
            copy_in(layout_.initrd_start, {source, plan_.initrd_bytes});
        else if (std::uint64_t const rest = plan_.initrd_bytes % kPageSize; rest != 0)
            __builtin_memset(data(layout_.initrd_frame + layout_.initrd_frames - 1) + rest, 0, kPageSize - rest);
    }

    void write_p2m()
    {
        std::uint64_t const first =
            layout_.p2m_outside ? layout_.p2m_frame + layout_.p2m_table_frames : layout_.frame_of(layout_.p2m_start);
        for (std::uint64_t page = 0; page < layout_.p2m_data_frames; ++page)
        {
            auto* entries = reinterpret_cast<std::uint64_t*>(data(first + page));
            for (std::uint64_t i = 0; i < 512; ++i)
            {
                std::uint64_t const pfn = page * 512 + i;
                entries[i] = pfn < layout_.frames ? p2m_[pfn] : ~0ull;
            }
        }
    }

    void write_start_info()
    {
        auto* page = data(layout_.frame_of(layout_.start_info));
        auto& info = *reinterpret_cast<abi::start_info*>(page);
        __builtin_memcpy(info.magic, "xen-3.0-x86_64p", 16);
        info.nr_pages = layout_.frames;
        info.shared_info = to_address(domain_.shared_info_frame).raw();
        info.flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
        info.pt_base = layout_.tables_start;
        info.nr_pt_frames = layout_.table_count;
        info.mfn_list = layout_.p2m_start;
        if (layout_.p2m_outside)
        {
            info.first_p2m_pfn = layout_.p2m_frame;
            info.nr_p2m_frames = layout_.p2m_table_frames + layout_.p2m_data_frames;
        }
        if (layout_.initrd_frames != 0)
        {
            info.mod_len = plan_.initrd_bytes;
            info.mod_start = layout_.initrd_start != 0 ? layout_.initrd_start : layout_.initrd_frame;
            info.flags |= layout_.initrd_start != 0 ? 0 : SIF_MOD_START_PFN;
        }
        std::size_t length = __builtin_strlen(plan_.command_line);
        length = length < sizeof(info.cmd_line) - 1 ? length : sizeof(info.cmd_line) - 1;
        __builtin_memcpy(info.cmd_line, plan_.command_line, length);
        if (plan_.video_bytes != 0)
        {
            __builtin_memcpy(page + sizeof(info), &plan_.video, sizeof(plan_.video));
            info.console.dom0.info_off = sizeof(info);
            info.console.dom0.info_size = plan_.video_bytes;
        }
    }

    Result<void> build_tables()
    {
        std::uint64_t const first = layout_.frame_of(layout_.tables_start);
        TableBuilder tables(p2m_, first, layout_.table_count);
        for (std::uint64_t page = 0; page < layout_.run_frames; ++page)
        {
            bool const is_table = page >= first && page < first + layout_.table_count;
            HV_TRY_VOID(tables.map(layout_.virtual_base + (page << kPageShift), frame(page), !is_table));
        }
        if (!layout_.p2m_outside)
            return {};
        tables.add_tables(layout_.p2m_frame, layout_.p2m_table_frames);
        std::uint64_t const data_first = layout_.p2m_frame + layout_.p2m_table_frames;
        for (std::uint64_t page = 0; page < layout_.p2m_data_frames; ++page)
            HV_TRY_VOID(tables.map(layout_.p2m_start + (page << kPageShift), frame(data_first + page), true));
        return {};
    }

    Result<void> pin_root()
    {
        Mfn const root = frame(layout_.frame_of(layout_.tables_start));
        Budget budget = Budget::unlimited();
        Guard guard(domain_.mmu_lock);
        HV_TRY_VOID(get_table(domain_, root, FrameType::L4, budget));
        fetch_or(frame_info(root)->usage, FrameInfo::kPinned);
        return {};
    }

    Result<void> create_vcpus()
    {
        for (std::uint32_t id = 0; id < plan_.vcpus; ++id)
        {
            Vcpu* const vcpu = HV_TRY(create_vcpu(domain_));
            CpuMask const own = CpuMask::of(CpuId{id % port::online_cpus()});
            if (plan_.pin_vcpus)
                HV_TRY_VOID(sched_set_affinity(*vcpu, &own, nullptr));
        }
        return {};
    }

    Result<void> start_first_vcpu()
    {
        auto* context = heap_new<abi::vcpu_guest_context>();
        HV_REQUIRE(context != nullptr, Errno::NoMem);
        context->flags = VGCF_in_kernel | VGCF_online;
        context->user_regs.rip = image_.notes.has_entry ? image_.notes.entry : image_.entry;
        context->user_regs.rsp = layout_.stack + kPageSize;
        context->user_regs.rsi = layout_.start_info;
        context->user_regs.rflags = 0x202;
        context->user_regs.cs = FLAT_KERNEL_CS;
        context->user_regs.ss = FLAT_KERNEL_SS;
        context->kernel_ss = FLAT_KERNEL_SS;
        context->kernel_sp = context->user_regs.rsp;
        context->ctrlreg[3] = to_address(frame(layout_.frame_of(layout_.tables_start))).raw();
        Budget budget = Budget::unlimited();
        auto const set = set_vcpu_context(*domain_.vcpu(0), *context, budget);
        heap_delete(context);
        if (set)
            vcpu_up(*domain_.vcpu(0));
        return set;
    }

    static constexpr unsigned kLargestBlock = 16; // 256 MiB

    ControlDomainPlan const& plan_;
    Domain& domain_;
    KernelImage const& image_;
    Layout const& layout_;
    std::uint64_t* p2m_ = nullptr; // machine frame by pseudo-physical frame
};

} // namespace

Result<Domain*> build_control_domain(ControlDomainPlan const& plan, char const*& why)
{
    static KernelImage image; // boot only, one CPU: too large for the stack
    static Layout layout;
    HV_TRY_VOID(parse_kernel(plan.kernel, image, why));
    HV_TRY_VOID(compute_layout(image, plan.frames, plan.initrd_bytes, layout, why));
    constexpr std::uint64_t kCanBeControl = 1ull << XENFEAT_dom0;
    why = "it does not support being the control domain";
    HV_REQUIRE(!image.notes.has_supported_features || (image.notes.supported_features & kCanBeControl) != 0,
               Errno::Inval);
    DomainSettings settings;
    settings.control = true;
    settings.max_vcpus = plan.vcpus;
    settings.max_event_port = 131071;
    settings.max_maptrack_frames = 1024; // its backends map every guest's rings and pages
    why = "out of memory for its record";
    Domain* const domain = HV_TRY(create_domain(0, settings));
    domain->max_pages = plan.max_frames;
    Builder builder(plan, *domain, image, layout);
    HV_TRY_VOID(builder.run(why));
    log_info("control domain: {} MiB, {} vCPUs, kernel {x}..{x}, entry {x}", plan.frames >> 8, plan.vcpus,
             image.address_of(image.physical_start), layout.kernel_end,
             image.notes.has_entry ? image.notes.entry : image.entry);
    return domain;
}

} // namespace hv::builder
