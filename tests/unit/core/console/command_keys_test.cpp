// SPDX-License-Identifier: MIT
// The operator's keys: what they print at any log level, and that two of them end the machine.
#include <core/console/command_keys.hpp>
#include <core/trace/last_hypercalls.hpp>

#include <machine_test.hpp>

namespace hv
{
namespace
{

class CommandKeys : public host::MachineTest
{
protected:
    static std::string press(char key)
    {
        (void)host::take_log();
        command_key(key);
        return host::take_log();
    }
};

TEST_F(CommandKeys, HelpNamesEveryKey)
{
    std::string const text = press('h');
    for (char const* key : {"  h  ", "  d  ", "  m  ", "  q  ", "  r  ", "  C  ", "  R  "})
        EXPECT_NE(text.find(key), std::string::npos) << key;
}

TEST_F(CommandKeys, UnknownKeysSaySoWithoutPrintingWhatCannotBePrinted)
{
    EXPECT_NE(press('z').find("No command key 'z'"), std::string::npos);
    EXPECT_NE(press('\x1b').find("No command key '.'"), std::string::npos);
}

TEST_F(CommandKeys, ListsDomainsWithTheirLastCalls)
{
    Domain& guest = running_domain(2);
    guest.vcpu(1)->last_hypercalls.note(__HYPERVISOR_sched_op, SCHEDOP_block);
    guest.vcpu(1)->last_hypercalls.note(63, 0);
    std::string const text = press('q');
    std::string const name = "Domain " + std::to_string(guest.id().raw()) + ":";
    ASSERT_NE(text.find(name), std::string::npos) << text;
    EXPECT_NE(text.find("2 vCPUs", text.find(name)), std::string::npos);
    EXPECT_NE(text.find("last hypercalls: sched_op(1) unknown(0)"), std::string::npos) << text;
}

TEST_F(CommandKeys, ListsDomainsThatAreGoneButForAPageThatIsMapped)
{
    // The vcpu_info of such a domain's vCPUs is gone, too, and was looked at.
    Domain& guest = running_domain(1);
    std::string const name = "Domain " + std::to_string(guest.id().raw()) + ":";
    Mfn const page = host::guest_page(guest);
    ASSERT_TRUE(get_frame(page, guest.id()));
    Budget budget = Budget::unlimited();
    ASSERT_TRUE(destroy_domain(guest, budget));
    EXPECT_NE(press('q').find(name), std::string::npos);
    put_frame(page);
}

TEST_F(CommandKeys, ReportsMemoryAndRunQueues)
{
    EXPECT_NE(press('m').find(std::to_string(free_frames()) + " of "), std::string::npos);
    EXPECT_NE(press('r').find("CPU 0: 0 runnable"), std::string::npos);
}

TEST_F(CommandKeys, RebootAndFailureEndTheMachine)
{
    EXPECT_THROW(command_key('R'), host::MachineShutdown);
    EXPECT_DEATH(command_key('C'), "asked for by a command key");
}

TEST_F(CommandKeys, OnlyTheLastCallsAreKept)
{
    Vcpu& vcpu = *domain().vcpu(0);
    for (std::uint32_t operation = 0; operation < 40; ++operation)
        vcpu.last_hypercalls.note(__HYPERVISOR_event_channel_op, operation);
    (void)host::take_log();
    log_last_hypercalls(vcpu);
    std::string const text = host::take_log();
    EXPECT_EQ(text.find("event_channel_op(1b)"), std::string::npos);
    EXPECT_NE(text.find("event_channel_op(1c) event_channel_op(1d)"), std::string::npos) << text;
    EXPECT_NE(text.find("event_channel_op(27)"), std::string::npos);
}

} // namespace
} // namespace hv
