// SPDX-License-Identifier: MIT
// Delivery, masking and the end-of-interrupt protocol of one line.
#include <core/irq/line.hpp>

#include <core/evtchn/event_channels.hpp>
#include <core/irq/msi.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constinit DeviceMachine* the_machine = nullptr;

void let_off(void* context);

bool any_bound(Line const& line)
{
    for (Pirq const* user = line.users; user != nullptr; user = user->next)
        if (user->port.raw() != 0)
            return true;
    return false;
}

void set_mask(Line& line, bool unmasked) HV_REQUIRES(line.lock)
{
    line.unmasked = unmasked;
    if (line.kind == Line::Kind::Message)
        msi_set_mask(line.source, !unmasked);
    else if (unmasked)
        device_machine().unmask_gsi(line.gsi);
    else
        device_machine().mask_gsi(line.gsi);
}

void update_mask(Line& line) HV_REQUIRES(line.lock)
{
    bool const wanted = line.owed == 0 && any_bound(line);
    if (wanted != line.unmasked)
        set_mask(line, wanted);
}

void settle_debt(Line& line, Pirq& user) HV_REQUIRES(line.lock)
{
    if (!user.awaiting)
        return;
    user.awaiting = false;
    if (--line.owed == 0)
        timer_cancel(line.timer);
}

// Runs when users kept a level line waiting: they are let off, and the line speaks again if it is still asserted.
void let_off(void* context)
{
    Line& line = *static_cast<Line*>(context);
    Guard guard(line.lock);
    if (line.owed == 0)
        return;
    if (port::now() < line.limit)
    {
        timer_set(line.timer, line.limit);
        return;
    }
    for (Pirq* user = line.users; user != nullptr; user = user->next)
        user->awaiting = false;
    line.owed = 0;
    update_mask(line);
}

} // namespace

void set_device_machine(DeviceMachine* machine)
{
    the_machine = machine;
}

DeviceMachine& device_machine()
{
    HV_ASSERT(the_machine != nullptr);
    return *the_machine;
}

Line::Line(Irq gsi_, LineMode mode_) : kind(Kind::Gsi), mode(mode_), gsi(gsi_), timer(let_off, this) {}

Line::Line(MsiSource const& source_) : kind(Kind::Message), source(source_), timer(let_off, this) {}

void line_interrupt(Line& line)
{
    Guard guard(line.lock);
    ++line.count;
    bool const level = line.mode.trigger == Trigger::Level;
    if (level)
        set_mask(line, false);
    for (Pirq* user = line.users; user != nullptr; user = user->next)
    {
        if (user->port.raw() == 0)
            continue;
        if (level && !user->awaiting)
        {
            user->awaiting = true;
            ++line.owed;
        }
        send_pirq(user->domain, user->port);
    }
    if (line.owed == 0)
        return;
    line.limit = port::now() + kEndOfInterruptLimit;
    timer_set(line.timer, line.limit);
}

void line_add_user(Line& line, Pirq& user)
{
    Guard guard(line.lock);
    user.next = line.users;
    line.users = &user;
}

void line_remove_user(Line& line, Pirq& user)
{
    Guard guard(line.lock);
    settle_debt(line, user);
    user.port = EvtchnPort{0};
    for (Pirq** link = &line.users; *link != nullptr; link = &(*link)->next)
        if (*link == &user)
        {
            *link = user.next;
            break;
        }
    update_mask(line);
}

bool line_has_users(Line& line)
{
    Guard guard(line.lock);
    return line.users != nullptr;
}

bool line_is_shared(Line& line)
{
    Guard guard(line.lock);
    return line.users != nullptr && line.users->next != nullptr;
}

Result<void> line_bind(Pirq& user, EvtchnPort port, bool will_share)
{
    Line& line = *user.line;
    HV_REQUIRE(line.connected, Errno::Busy);
    Guard guard(line.lock);
    HV_REQUIRE(user.port.raw() == 0, Errno::Exist);
    for (Pirq const* other = line.users; other != nullptr; other = other->next)
        HV_REQUIRE(other->port.raw() == 0 || (other->will_share && will_share), Errno::Busy);
    user.port = port;
    user.will_share = will_share;
    update_mask(line);
    return {};
}

void line_unbind(Pirq& user)
{
    Guard guard(user.line->lock);
    settle_debt(*user.line, user);
    user.port = EvtchnPort{0};
    update_mask(*user.line);
}

EvtchnPort line_end_of_interrupt(Pirq& user)
{
    Guard guard(user.line->lock);
    settle_debt(*user.line, user);
    update_mask(*user.line);
    return user.port;
}

Result<void> line_set_mode(Line& line, LineMode mode)
{
    Guard guard(line.lock);
    if (line.mode == mode)
        return {};
    HV_REQUIRE(line.connected && !any_bound(line), Errno::Busy);
    line.mode = mode;
    line.unmasked = false;
    device_machine().set_gsi_mode(line, mode);
    return {};
}

} // namespace hv
