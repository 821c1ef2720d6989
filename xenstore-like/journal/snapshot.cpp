// SPDX-License-Identifier: MIT
// Implements snapshots and the replay of records.
#include "journal/snapshot.hpp"

#include "journal/record.hpp"

namespace tessera::store
{

SnapshotEncoder::SnapshotEncoder(Store const& store) : tree_(store.tree())
{
    for (auto const& [id, domain] : store.domains())
    {
        domains_.push_back(id);
    }
    pending_.push_back({tree_.root(), nullptr});
}

// Parents are written before their children. Siblings wait as subtrees, so what waits is as deep as the tree, not
// as wide.
void SnapshotEncoder::encode_node(Pending const& pending, std::string& out)
{
    Node const& node = *pending.node;
    std::string path;
    if (pending.parent == nullptr)
    {
        path = "/";
    }
    else
    {
        path = *pending.parent + "/";
        node.append_name(path);
    }
    RecordWriter record(out, RecordKind::Node);
    record.text(path);
    record.text(node.value());
    record.permissions(tree_.nodes().permissions().list(node.permissions));
    for (Node const* const sibling : {node.left, node.right})
    {
        if (sibling != nullptr)
        {
            pending_.push_back({sibling, pending.parent});
        }
    }
    if (node.children != nullptr)
    {
        if (pending.parent == nullptr)
        {
            path.clear();
        }
        pending_.push_back({node.children, std::make_shared<std::string const>(std::move(path))});
    }
}

// A domain's present state, whatever it was when the snapshot started: the journal's later records lead to the same.
void SnapshotEncoder::encode_domain(Store const& store, std::uint16_t id, std::string& out)
{
    Domain const* const domain = store.domain(id);
    if (domain == nullptr)
    {
        return;
    }
    {
        RecordWriter record(out, RecordKind::Introduced);
        record.number(id);
        record.number(domain->frame);
        record.number(domain->port);
        record.number(static_cast<std::uint8_t>(domain->shutdown));
    }
    if (domain->client->target.has_value())
    {
        RecordWriter record(out, RecordKind::Target);
        record.number(id);
        record.number(*domain->client->target);
    }
    for (Watch const* watch = domain->client->watches; watch != nullptr; watch = watch->next_of_client)
    {
        RecordWriter record(out, RecordKind::WatchAdded);
        record.number(id);
        record.text(watch->path());
        record.text(watch->token());
        record.number(watch->prefix);
        record.number(watch->depth);
    }
}

void encode_quota(bool soft, std::string_view name, std::uint64_t value, std::string& out)
{
    RecordWriter record(out, RecordKind::Quota);
    record.number(static_cast<std::uint8_t>(soft));
    record.text(name);
    record.number(value);
}

// What belongs to the store as a whole; quotas only if they are not the defaults, which may change with the program.
void SnapshotEncoder::encode_rest(Store const& store, std::string& out)
{
    for (std::string_view const name : {kIntroduceWatch, kReleaseWatch})
    {
        RecordWriter record(out, RecordKind::SpecialPermissions);
        record.text(name);
        record.permissions(*store.special_permissions(name));
    }
    Quotas const defaults;
    auto const encode = [&](bool soft, auto const& names) {
        for (auto const& quota : names)
        {
            if (store.quotas().*quota.value != defaults.*quota.value)
            {
                encode_quota(soft, quota.name, store.quotas().*quota.value, out);
            }
        }
    };
    encode(false, kQuotaNames);
    encode(true, kSoftQuotaNames);
    RecordWriter record(out, RecordKind::TransactionNumbers);
    record.number(store.transaction_numbers_end());
}

bool SnapshotEncoder::step(Store const& store, std::size_t budget, std::string& out)
{
    for (; budget > 0; --budget)
    {
        if (!pending_.empty())
        {
            Pending const next = std::move(pending_.back());
            pending_.pop_back();
            encode_node(next, out);
        }
        else if (!domains_.empty())
        {
            encode_domain(store, domains_.back(), out);
            domains_.pop_back();
        }
        else if (!rest_done_)
        {
            encode_rest(store, out);
            rest_done_ = true;
        }
        else
        {
            RecordWriter const record(out, RecordKind::End);
            return true;
        }
    }
    return false;
}

namespace
{

void restore_node(Store& store, RecordReader& record)
{
    std::string_view const path = record.text();
    std::string_view const value = record.text();
    PermissionList const permissions = record.permissions();
    if (record.valid() && !permissions.empty() && valid_absolute_path(path))
    {
        store.restore_change({ChangeKind::Write, path, value, nullptr, 0});
        store.restore_change({ChangeKind::SetPermissions, path, {}, &permissions, 0});
    }
}

void restore_change(Store& store, RecordReader& record)
{
    auto const kind = static_cast<ChangeKind>(record.number<std::uint8_t>());
    auto const creator = record.number<std::uint16_t>();
    std::string_view const path = record.text();
    std::string_view const value = record.text();
    PermissionList const permissions = record.permissions();
    if (record.valid() && valid_absolute_path(path) && (kind != ChangeKind::SetPermissions || !permissions.empty()))
    {
        store.restore_change({kind, path, value, &permissions, creator});
    }
}

void restore_watch(Store& store, RecordReader& record)
{
    auto const id = record.number<std::uint16_t>();
    std::string_view const path = record.text();
    std::string_view const token = record.text();
    auto const prefix = record.number<std::uint32_t>();
    auto const depth = record.number<std::uint32_t>();
    Domain const* const domain = store.domain(id);
    if (record.valid() && domain != nullptr)
    {
        store.restore_watch(*domain->client, path, token, prefix, depth);
    }
}

void restore_domain(Store& store, RecordReader& record)
{
    auto const id = record.number<std::uint16_t>();
    auto const frame = record.number<std::uint64_t>();
    auto const port = record.number<std::uint32_t>();
    bool const shutdown = record.number<std::uint8_t>() != 0;
    if (record.valid())
    {
        store.restore_domain(id, frame, port, shutdown);
    }
}

} // namespace

bool restore_record(Store& store, RecordReader& record)
{
    switch (record.kind())
    {
    case RecordKind::Node: restore_node(store, record); return true;
    case RecordKind::Change: restore_change(store, record); return true;
    case RecordKind::Introduced: restore_domain(store, record); return true;
    case RecordKind::Released: store.forget_restored_domain(record.number<std::uint16_t>()); return true;
    case RecordKind::Shutdown:
    {
        auto const id = record.number<std::uint16_t>();
        bool const shutdown = record.number<std::uint8_t>() != 0;
        if (Domain const* const domain = store.domain(id); domain != nullptr)
        {
            store.restore_domain(id, domain->frame, domain->port, shutdown);
        }
        return true;
    }
    case RecordKind::Target:
    {
        auto const id = record.number<std::uint16_t>();
        store.restore_target(id, record.number<std::uint16_t>());
        return true;
    }
    case RecordKind::WatchAdded: restore_watch(store, record); return true;
    case RecordKind::WatchRemoved:
    {
        Domain const* const domain = store.domain(record.number<std::uint16_t>());
        std::string_view const path = record.text();
        std::string_view const token = record.text();
        if (domain != nullptr)
        {
            store.forget_restored_watch(*domain->client, path, token);
        }
        return true;
    }
    case RecordKind::WatchesReset:
    {
        Domain const* const domain = store.domain(record.number<std::uint16_t>());
        if (domain != nullptr)
        {
            store.reset_client(*domain->client);
        }
        return true;
    }
    case RecordKind::SpecialPermissions:
    {
        std::string_view const name = record.text();
        PermissionList const list = record.permissions();
        if (record.valid() && !list.empty())
        {
            store.restore_special_permissions(name, list);
        }
        return true;
    }
    case RecordKind::Quota:
    {
        bool const soft = record.number<std::uint8_t>() != 0;
        std::string_view const name = record.text();
        store.restore_quota(soft, name, record.number<std::uint64_t>());
        return true;
    }
    case RecordKind::TransactionNumbers: store.restore_transaction_numbers(record.number<std::uint32_t>()); return true;
    default: return false;
    }
}

} // namespace tessera::store
