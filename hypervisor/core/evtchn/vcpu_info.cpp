// SPDX-License-Identifier: MIT
// Where a vCPU's vcpu_info lives: in shared_info, on a private page, or in a frame that the guest chose.
#include <core/evtchn/event_channels.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/frame.hpp>
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

static_assert(sizeof(abi::vcpu_info) == 64);

inline constexpr std::uint32_t kInSharedInfo = 32; // XEN_LEGACY_MAX_VCPUS

} // namespace

Result<void> vcpu_info_create(Vcpu& vcpu)
{
    if (vcpu.id().raw() < kInSharedInfo)
    {
        vcpu.info = &vcpu.domain().shared_info->vcpu_info[vcpu.id().raw()];
        return {};
    }
    vcpu.private_info = static_cast<abi::vcpu_info*>(heap_allocate(sizeof(abi::vcpu_info)));
    HV_REQUIRE(vcpu.private_info != nullptr, Errno::NoMem);
    vcpu.info = vcpu.private_info;
    vcpu.info->evtchn_upcall_mask = 1;
    return {};
}

namespace
{

// What remains of those of vCPUs that are gone, for whoever still looks.
constinit abi::vcpu_info gone{};

} // namespace

void vcpu_info_destroy(Vcpu& vcpu)
{
    store_release(vcpu.info, &gone);
    if (vcpu.info_frame != kInvalidMfn)
        put_writable(vcpu.info_frame);
    if (vcpu.private_info != nullptr)
        heap_free(vcpu.private_info, sizeof(abi::vcpu_info));
    vcpu.info_frame = kInvalidMfn;
    vcpu.private_info = nullptr;
}

Result<void> register_vcpu_info(Vcpu& vcpu, GuestFrame frame, std::uint32_t offset)
{
    HV_REQUIRE(offset <= kPageSize - sizeof(abi::vcpu_info) && offset % alignof(abi::vcpu_info) == 0, Errno::NxIo);
    Guard const guard(vcpu.domain().context_lock); // two vCPUs of the guest may register the same third one
    HV_REQUIRE(vcpu.info_frame == kInvalidMfn, Errno::Inval);
    Mfn const target = vcpu.domain().resolve(frame);
    HV_REQUIRE(get_writable(target, vcpu.domain().id()), Errno::Inval);

    abi::vcpu_info* const old = vcpu.info;
    auto* const fresh = reinterpret_cast<abi::vcpu_info*>(port::frame_data(target) + offset);
    // The two overlap where a guest names a place in its shared_info that lies a little behind the old one.
    __builtin_memmove(fresh, old, sizeof(*fresh));
    vcpu.info_frame = target;
    store_release(vcpu.info, fresh);
    full_barrier();
    // Events that were noted in the old place meanwhile are found by looking at everything once. Whoever notes one may
    // have read the old pointer, so a private page stays until the vCPU is gone.
    store_relaxed(fresh->evtchn_pending_sel, ~0ull);
    mark_event_pending(vcpu);
    update_vcpu_time_info(vcpu);
    return {};
}

} // namespace hv
