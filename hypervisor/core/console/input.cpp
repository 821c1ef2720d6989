// SPDX-License-Identifier: MIT
// Sorts typed characters between the control domain and the hypervisor.
#include <core/console/input.hpp>

namespace hv
{

void ConsoleInput::queue(char c)
{
    if (head_ - tail_ < kCapacity)
        queue_[head_++ % kCapacity] = c;
}

InputEvent ConsoleInput::receive(char c)
{
    if (c == kSwitchKey)
    {
        if (++switch_keys_ < kSwitchCount)
            return InputEvent::Nothing;
        switch_keys_ = 0;
        to_hypervisor_ = !to_hypervisor_;
        return to_hypervisor_ ? InputEvent::SwitchedToHypervisor : InputEvent::SwitchedToControlDomain;
    }
    unsigned const held_back = switch_keys_; // fewer than three: they were meant as ordinary characters
    switch_keys_ = 0;
    if (to_hypervisor_)
        return InputEvent::ForHypervisor;
    for (unsigned i = 0; i < held_back; ++i)
        queue(kSwitchKey);
    queue(c);
    return InputEvent::ForControlDomain;
}

std::size_t ConsoleInput::read(std::span<char> out)
{
    std::size_t count = 0;
    while (tail_ != head_ && count < out.size())
        out[count++] = queue_[tail_++ % kCapacity];
    return count;
}

} // namespace hv
