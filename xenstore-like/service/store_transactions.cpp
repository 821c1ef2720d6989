// SPDX-License-Identifier: MIT
// Implements commits: of single changes and of transactions, with their records and their events.
#include "service/store.hpp"

#include <charconv>

namespace tessera::store
{

int Store::do_transaction_start(Call& call)
{
    if (call.transaction != nullptr)
    {
        return EBUSY;
    }
    auto& account = accounts_.of(call.client.domain);
    if (!call.client.privileged && account.transactions >= static_cast<std::int64_t>(quotas_.transactions))
    {
        return ENOSPC;
    }
    while (true)
    {
        if (int const error = reserve_transaction_numbers(); error != 0)
        {
            return error;
        }
        if (call.client.transaction(next_transaction_) == nullptr)
        {
            break;
        }
        ++next_transaction_;
        if (next_transaction_ == 0)
        {
            break;
        }
    }
    std::uint32_t const id = next_transaction_++;
    call.client.transactions.push_back(std::make_unique<Transaction>(id, tree_));
    call.client.transactions.back()->ends_before = ends_;
    ++account.transactions;
    char text[16];
    char* end = std::to_chars(text, text + sizeof text - 1, id).ptr;
    *end++ = '\0';
    reply(call, std::string_view(text, static_cast<std::size_t>(end - text)));
    return 0;
}

// Makes sure that next_transaction_ may be given out: a daemon that is started after a crash must not give a number
// again that a guest still uses, and learns from the journal which ones it may not.
int Store::reserve_transaction_numbers()
{
    next_transaction_ += next_transaction_ == 0 ? 1 : 0;
    if (static_cast<std::int32_t>(next_transaction_ - transactions_end_) < 0)
    {
        return 0;
    }
    std::uint32_t const end = (next_transaction_ / kNumbersAtOnce + 1) * kNumbersAtOnce;
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(0); error != 0)
        {
            return error;
        }
        log_->transaction_numbers(end);
    }
    transactions_end_ = end;
    return 0;
}

void Store::restore_transaction_numbers(std::uint32_t end)
{
    next_transaction_ = end;
    first_transaction_ = end;
    transactions_end_ = end;
}

int Store::do_transaction_end(Call& call)
{
    std::string_view argument;
    if (!single_string(call.request.payload, argument) || (argument != "T" && argument != "F"))
    {
        return EINVAL;
    }
    if (call.transaction == nullptr)
    {
        return ENOENT;
    }
    int const error = argument == "T" ? commit(call.client, *call.transaction) : 0;
    drop_transaction(call.client, call.request.transaction_id);
    if (error == 0)
    {
        acknowledge(call);
    }
    return error;
}

void Store::drop_transaction(Client& client, std::uint32_t id)
{
    auto& account = accounts_.of(client.domain);
    --account.transactions;
    account.transaction_bytes -= static_cast<std::int64_t>(client.transaction(id)->accounted);
    std::erase_if(client.transactions, [id](auto const& candidate) { return candidate->id() == id; });
}

void Store::drop_all_transactions(Client& client)
{
    auto& account = accounts_.of(client.domain);
    account.transactions -= static_cast<std::int64_t>(client.transactions.size());
    for (auto const& transaction : client.transactions)
    {
        account.transaction_bytes -= static_cast<std::int64_t>(transaction->accounted);
    }
    client.transactions.clear();
}

// Keeps the list of nodes that guests own outside their own directories; dying, they lose them too. Called after
// the change was made, with the tree as it was before.
void Store::note_owned_outside(Tree const& before, ChangeView const& change)
{
    auto const& pool = nodes_.permissions();
    if (change.kind == ChangeKind::Remove)
    {
        Node const* const gone = owned_outside_.empty() ? nullptr : before.find(change.path);
        if (gone != nullptr)
        {
            std::string below(change.path);
            for_each_below(*gone, below, [&](std::string const& path, Node const& node) {
                auto const owned = owned_outside_.find(pool.owner(node.permissions));
                if (owned != owned_outside_.end())
                {
                    owned->second.erase(path);
                }
            });
        }
        return;
    }
    for (std::string_view path = change.path; path.size() > 1; path = parent_path(path))
    {
        Node const* const node = tree_.find(path);
        std::uint16_t const owner = node == nullptr ? 0 : pool.owner(node->permissions);
        if (owner == 0 || is_same_or_below(domain_path(owner), path))
        {
            return;
        }
        owned_outside_[owner].emplace(path);
    }
}

void Store::apply_to_current(ChangeView const& change, Walk const& walk)
{
    scratch_delta_.clear();
    if (change.kind == ChangeKind::Remove && !owned_outside_.empty())
    {
        Tree const before = tree_;
        apply_change(tree_, change, walk, scratch_delta_);
        note_owned_outside(before, change);
    }
    else
    {
        apply_change(tree_, change, walk, scratch_delta_);
        if (scratch_delta_.moves_nodes())
        {
            note_owned_outside(tree_, change);
        }
    }
    accounts_.apply(scratch_delta_);
}

int Store::commit_single(ChangeView const& change, Walk const& walk)
{
    if (log_ != nullptr)
    {
        std::size_t const permissions = change.permissions == nullptr ? 0 : change.permissions->size();
        std::size_t const size = change.path.size() + change.value.size() + permissions * sizeof(Permission);
        if (int const error = log_->prepare(size); error != 0)
        {
            return error;
        }
        log_->change(change);
        log_->commit();
    }
    if (watches_.size() == 0)
    {
        apply_to_current(change, walk);
    }
    else if (change.kind == ChangeKind::Remove)
    {
        fire_below(*walk.node, change.path, nullptr);
        fire(change.path, &tree_, nullptr);
        apply_to_current(change, walk);
    }
    else if (change.kind == ChangeKind::SetPermissions)
    {
        Tree const before = tree_;
        apply_to_current(change, walk);
        fire(change.path, &before, &tree_);
    }
    else
    {
        apply_to_current(change, walk);
        fire(change.path, nullptr, &tree_);
    }
    return 0;
}

// Requests inside a transaction were checked against what the domain owned then; others may have committed since.
int Store::check_commit(Client const& client, Transaction const& transaction) const
{
    auto const* const account = accounts_.find(client.domain);
    auto const delta = transaction.delta().of(client.domain);
    if (client.privileged || account == nullptr)
    {
        return 0;
    }
    bool const too_many = delta.nodes > 0 && account->nodes + delta.nodes > static_cast<std::int64_t>(quotas_.nodes);
    bool const too_big = delta.bytes > 0 && account->node_bytes + account->watch_bytes + delta.bytes >
                                                static_cast<std::int64_t>(quotas_.memory);
    return too_many || too_big ? ENOSPC : 0;
}

// True if the transaction gives rights to a domain that ended while it was open: they would go to the next domain of that
// number. Its client does it again and meets the world as it is now.
bool Store::names_ended_domain(Transaction const& transaction) const
{
    if (transaction.ends_before == ends_)
    {
        return false;
    }
    for (auto const& list : transaction.changes().permission_lists())
    {
        for (auto const& permission : list)
        {
            auto const end = ended_.find(permission.domain);
            if (end != ended_.end() && end->second > transaction.ends_before)
            {
                return true;
            }
        }
    }
    return false;
}

int Store::commit(Client const& client, Transaction& transaction)
{
    auto const& changes = transaction.changes();
    if (!transaction.can_commit(tree_) || names_ended_domain(transaction))
    {
        return EAGAIN;
    }
    if (changes.entries().empty())
    {
        return 0;
    }
    if (int const error = check_commit(client, transaction); error != 0)
    {
        return error;
    }
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(changes.bytes()); error != 0)
        {
            return error;
        }
        for (auto const& entry : changes.entries())
        {
            log_->change(changes.view(entry));
        }
        log_->commit();
    }
    Tree const before = tree_;
    if (tree_.same_version(transaction.base()))
    {
        tree_ = transaction.view();
        accounts_.apply(transaction.delta());
        if (transaction.delta().moves_nodes() || changes.removes())
        {
            for (auto const& entry : changes.entries())
            {
                note_owned_outside(before, changes.view(entry));
            }
        }
    }
    else
    {
        for (auto const& entry : changes.entries())
        {
            ChangeView const change = changes.view(entry);
            apply_to_current(change, tree_.walk_for_change(change.path));
        }
    }
    if (watches_.size() != 0)
    {
        fire_commit(before, transaction);
    }
    return 0;
}

// One event for each changed node, in the order of the changes; nodes that came and went inside are not reported.
void Store::fire_commit(Tree const& before, Transaction& transaction)
{
    auto const& changes = transaction.changes();
    for (auto const& entry : changes.entries())
    {
        ChangeView const change = changes.view(entry);
        Node const* const old_node = changes.removes() ? before.find(change.path) : nullptr;
        if (change.kind == ChangeKind::Remove && old_node != nullptr)
        {
            fire_below(*old_node, change.path, &transaction);
        }
        bool const visible = !changes.removes() || old_node != nullptr || tree_.find(change.path) != nullptr;
        if (!entry.repeated && visible)
        {
            fire(change.path, &before, &tree_);
        }
    }
}

// Reports the end of watched nodes below `node`, to watches of exactly these. A transaction reports nodes that it
// changed by itself, and each of the others at most once even if it removed it twice.
void Store::fire_below(Node const& node, std::string_view path, Transaction* transaction)
{
    auto const& pool = nodes_.permissions();
    std::string below(path);
    for_each_below(node, below, [&](std::string const& at, Node const& gone) {
        if (at.size() != path.size() && (transaction == nullptr || transaction->first_report(at)))
        {
            fire_exact(at, pool.list(gone.permissions));
        }
    });
}

void Store::restore_change(ChangeView const& change)
{
    apply_to_current(change, tree_.walk_for_change(change.path));
}

} // namespace tessera::store
