// SPDX-License-Identifier: MIT
// Remembers how to take back each step of an operation, and does so in reverse order unless the operation succeeds.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace vm
{

/// Steps run newest first. A step that throws does not keep the older ones from running; its message is kept
/// in `failures()`, because a roll-back that left something behind must be told to the user.
class UndoStack
{
public:
    UndoStack() = default;
    UndoStack(UndoStack const&) = delete;
    UndoStack& operator=(UndoStack const&) = delete;
    ~UndoStack() { roll_back(); }

    void push(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void commit() { steps_.clear(); }
    void roll_back() noexcept;
    std::vector<std::string> const& failures() const { return failures_; }

private:
    std::vector<std::function<void()>> steps_;
    std::vector<std::string> failures_;
};

} // namespace vm
