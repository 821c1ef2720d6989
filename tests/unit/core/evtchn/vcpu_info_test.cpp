// SPDX-License-Identifier: MIT
// vcpu_info moves once, whoever asks how often, and senders may use the old place a little longer.
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>
#include <core/mm/frame.hpp>

#include <atomic>
#include <thread>

namespace hv
{
namespace
{

constexpr std::uint32_t kBeyondSharedInfo = 33; // a vCPU whose first vcpu_info is a private one of ours

class VcpuInfo : public host::MachineTest
{
};

TEST_F(VcpuInfo, ThePrivatePageOutlivesTheMove)
{
    // Another CPU may have read the old pointer and be about to set a bit there: freeing it would let the guest write into
    // somebody else's memory.
    Domain& guest = domain(kBeyondSharedInfo + 1);
    Vcpu& vcpu = *guest.vcpus[kBeyondSharedInfo];
    abi::vcpu_info* const old = vcpu.info;
    ASSERT_EQ(old, vcpu.private_info);
    Mfn const frame = host::guest_page(guest);
    ASSERT_TRUE(register_vcpu_info(vcpu, GuestFrame{frame.raw()}, 64));
    EXPECT_NE(vcpu.info, old);
    EXPECT_EQ(vcpu.private_info, old);
    void* const fresh = heap_allocate(sizeof(abi::vcpu_info));
    EXPECT_NE(fresh, old) << "given to somebody else";
    heap_free(fresh, sizeof(abi::vcpu_info));
}

TEST_F(VcpuInfo, MayOverlapTheOldPlace)
{
    // Found by the fuzzer: a guest that names a place in its shared_info a little behind the old one.
    Domain& guest = domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    std::uint32_t const offset = 16; // copied upwards, the first word would replace the third before that is read
    for (unsigned word = 0; word < 8; ++word)
        reinterpret_cast<std::uint64_t*>(vcpu.info)[word] = 0x100 + word;
    vcpu.info->evtchn_upcall_pending = 1;
    ASSERT_TRUE(register_vcpu_info(vcpu, GuestFrame{guest.shared_info_frame.raw()}, offset));
    ASSERT_EQ(reinterpret_cast<std::byte*>(vcpu.info), reinterpret_cast<std::byte*>(guest.shared_info) + offset);
    EXPECT_EQ(reinterpret_cast<std::uint64_t*>(vcpu.info)[2], 0x102u) << "cr2, as it was in the old place";
}

TEST_F(VcpuInfo, OfTwoRegistrationsAtOnceOneCounts)
{
    // Two vCPUs of a guest register the same third one: both once succeeded, and one frame kept a reference for ever.
    for (unsigned round = 0; round < 300; ++round)
    {
        Domain& guest = host::make_domain(3);
        Mfn const frames[2] = {host::guest_page(guest), host::guest_page(guest)};
        std::atomic<int> ready = 0;
        std::atomic<int> succeeded = 0;
        auto const attempt = [&](unsigned which) {
            host::use_cpu(which);
            ++ready;
            while (ready != 2)
            {
            }
            if (register_vcpu_info(*guest.vcpus[2], GuestFrame{frames[which].raw()}, 0))
                ++succeeded;
        };
        std::thread other(attempt, 1);
        attempt(0);
        other.join();
        host::use_cpu(host::kToolCpu);
        EXPECT_EQ(succeeded, 1);
        EXPECT_EQ(frame_info(frames[0])->type_count() + frame_info(frames[1])->type_count(), 1u);
        host::destroy(guest);
    }
}

} // namespace
} // namespace hv
