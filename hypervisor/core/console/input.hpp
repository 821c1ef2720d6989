// SPDX-License-Identifier: MIT
// Typed characters waiting for the control domain, and the key that turns them to the hypervisor instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{

enum class InputEvent : std::uint8_t
{
    Nothing,
    ForControlDomain,     // a character was queued
    ForHypervisor,        // the character is a command key of ours
    SwitchedToHypervisor, // Ctrl-A was typed three times
    SwitchedToControlDomain,
};

// A bounded queue: what nobody reads is dropped, newest first. The caller locks.
class ConsoleInput
{
public:
    static constexpr char kSwitchKey = 0x01; // Ctrl-A
    static constexpr unsigned kSwitchCount = 3;
    static constexpr std::size_t kCapacity = 128;

    InputEvent receive(char c);
    std::size_t read(std::span<char> out);

private:
    void queue(char c);

    char queue_[kCapacity] = {};
    std::uint32_t head_ = 0;
    std::uint32_t tail_ = 0;
    std::uint32_t switch_keys_ = 0;
    bool to_hypervisor_ = false;
};

} // namespace hv
