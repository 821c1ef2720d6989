// SPDX-License-Identifier: MIT
// One transaction: the snapshot it started from, its own version of the tree, and what it saw and changed.
#pragma once

#include "transaction/access_log.hpp"
#include "transaction/editor.hpp"

#include <vector>

namespace tessera::store {

class Transaction {
public:
    Transaction(std::uint32_t id, Tree const& base) : id_(id), base_(base), view_(base) {}

    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] Tree const& base() const { return base_; }
    [[nodiscard]] Tree const& view() const { return view_; }
    [[nodiscard]] AccountDelta const& delta() const { return delta_; }
    [[nodiscard]] std::vector<Change> const& changes() const { return changes_; }
    [[nodiscard]] std::size_t touched() const { return seen_.size(); }

    void note(std::string_view path, std::uint8_t saw) { seen_.note(path, saw); }

    void apply(ChangeView const& change)
    {
        apply_change(view_, change, delta_);
        changes_.emplace_back(change);
    }

    // A transaction that an earlier daemon lost: it runs as usual, but ending it asks the client to try again.
    void doom() { doomed_ = true; }

    [[nodiscard]] bool can_commit(Tree const& current) const
    {
        return !doomed_ && (current.same_version(base_) || seen_.still_holds(base_, current));
    }

private:
    std::uint32_t id_;
    bool doomed_ = false;
    Tree base_;
    Tree view_;
    AccessLog seen_;
    AccountDelta delta_;
    std::vector<Change> changes_;
};

}  // namespace tessera::store
