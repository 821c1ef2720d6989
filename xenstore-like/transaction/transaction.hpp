// SPDX-License-Identifier: MIT
// One transaction: the snapshot it started from, its own version of the tree, and what it saw and changed.
#pragma once

#include "transaction/access_log.hpp"
#include "transaction/editor.hpp"

namespace tessera::store
{

class Transaction
{
public:
    Transaction(std::uint32_t id, Tree const& base) : id_(id), base_(base), view_(base), seen_(base.nodes().key()) {}

    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] Tree const& base() const { return base_; }
    [[nodiscard]] Tree const& view() const { return view_; }
    [[nodiscard]] Tree& view() { return view_; }
    [[nodiscard]] AccountDelta const& delta() const { return delta_; }
    [[nodiscard]] ChangeList const& changes() const { return changes_; }

    // True for a path that the transaction neither changed nor reported before.
    bool first_report(std::string_view path) { return (seen_.note(path, kChanged) & kChanged) == 0; }
    [[nodiscard]] std::size_t touched() const { return seen_.size(); }
    [[nodiscard]] std::size_t bytes() const { return sizeof *this + seen_.bytes() + changes_.bytes(); }

    // How much of bytes() is in its domain's account; kept by the Store.
    std::size_t accounted = 0;

    // How many domains had ended when it began; kept by the Store.
    std::uint64_t ends_before = 0;

    void note(std::string_view path, std::uint8_t saw) { seen_.note(path, saw); }

    // `walk` is where the change's path leads in view().
    void apply(ChangeView const& change, Walk const& walk)
    {
        apply_change(view_, change, walk, delta_);
        changes_.append(change, (seen_.note(change.path, kChanged) & kChanged) != 0);
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
    ChangeList changes_;
};

} // namespace tessera::store
