// SPDX-License-Identifier: MIT
// Runs the remembered steps newest first and survives a step that fails.
#include "base/undo.hpp"

#include <exception>

namespace vm
{

void UndoStack::roll_back() noexcept
{
    while (!steps_.empty())
    {
        auto const step = std::move(steps_.back());
        steps_.pop_back();
        try
        {
            step();
        }
        catch (std::exception const& error)
        {
            failures_.emplace_back(error.what());
        }
    }
}

} // namespace vm
