// SPDX-License-Identifier: MIT
// Implements the requests about domains, and what happens when a domain ends.
#include "service/store.hpp"

#include <utility>

namespace tessera::store
{

Domain const* Store::domain(std::uint16_t id) const
{
    auto const found = domains_.find(id);
    return found == domains_.end() ? nullptr : &found->second;
}

int Store::introduce(std::uint16_t domain, std::uint64_t frame, std::uint32_t port)
{
    auto const found = domains_.find(domain);
    bool const known = found != domains_.end();
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(0); error != 0)
        {
            return error;
        }
    }
    Client& client = known ? *found->second.client : add_client(domain, false);
    int const error = host_ == nullptr ? 0 : host_->attach(client, frame, port);
    if (error != 0)
    {
        if (!known)
        {
            disconnect(client);
        }
        return error;
    }
    domains_[domain] = {&client, frame, port, known && found->second.shutdown};
    if (log_ != nullptr)
    {
        log_->domain_introduced(domain, frame, port);
        log_->commit();
    }
    if (!known)
    {
        report(DomainEvent::Introduced, domain);
        fire_special(kIntroduceWatch);
    }
    return 0;
}

int Store::do_introduce(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view text[3];
    std::uint64_t number[3];
    if (!call.client.privileged)
    {
        return EACCES;
    }
    for (int i = 0; i < 3; ++i)
    {
        if (!arguments.next(text[i]) || !parse_number(text[i], number[i]))
        {
            return EINVAL;
        }
    }
    constexpr std::uint64_t kFirstReservedDomain = 0x7ff0;
    if (number[0] == 0 || number[0] >= kFirstReservedDomain || number[2] == 0 || number[2] > 0x7fffffff)
    {
        return EINVAL;
    }
    int const error =
        introduce(static_cast<std::uint16_t>(number[0]), number[1], static_cast<std::uint32_t>(number[2]));
    if (error == 0)
    {
        acknowledge(call);
    }
    return error;
}

int Store::domain_argument(Call const& call, std::uint16_t& domain) const
{
    StringList arguments(call.request.payload);
    std::string_view text;
    std::uint64_t number = 0;
    if (!arguments.next(text) || !parse_number(text, number) || number > 0xffff)
    {
        return EINVAL;
    }
    domain = static_cast<std::uint16_t>(number);
    return 0;
}

int Store::do_release(Call& call)
{
    std::uint16_t domain = 0;
    if (!call.client.privileged)
    {
        return EACCES;
    }
    if (int const error = domain_argument(call, domain); error != 0)
    {
        return error;
    }
    if (domain == 0)
    {
        return EINVAL;
    }
    if (!domains_.contains(domain))
    {
        return ENOENT;
    }
    release_domain(domain);
    fire_special(kReleaseWatch);
    acknowledge(call);
    return 0;
}

int Store::do_get_domain_path(Call& call)
{
    std::uint16_t domain = 0;
    if (int const error = domain_argument(call, domain); error != 0)
    {
        return error;
    }
    reply(call, domain_path(domain), std::string_view("\0", 1));
    return 0;
}

int Store::do_is_domain_introduced(Call& call)
{
    std::uint16_t domain = 0;
    if (int const error = domain_argument(call, domain); error != 0)
    {
        return error;
    }
    bool const introduced = domain == 0 || domains_.contains(domain);
    reply(call, std::string_view(introduced ? "T" : "F", 2));
    return 0;
}

int Store::do_resume(Call& call)
{
    std::uint16_t domain = 0;
    if (!call.client.privileged)
    {
        return EACCES;
    }
    if (int const error = domain_argument(call, domain); error != 0)
    {
        return error;
    }
    auto const found = domains_.find(domain);
    if (found == domains_.end())
    {
        return ENOENT;
    }
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(0); error != 0)
        {
            return error;
        }
        log_->domain_shutdown(domain, false);
        log_->commit();
    }
    found->second.shutdown = false;
    acknowledge(call);
    return 0;
}

int Store::do_set_target(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view text[2];
    std::uint64_t number[2];
    if (!call.client.privileged)
    {
        return EACCES;
    }
    for (int i = 0; i < 2; ++i)
    {
        if (!arguments.next(text[i]) || !parse_number(text[i], number[i]) || number[i] > 0xffff)
        {
            return EINVAL;
        }
    }
    auto const found = domains_.find(static_cast<std::uint16_t>(number[0]));
    auto const target = static_cast<std::uint16_t>(number[1]);
    if (found == domains_.end() || !domains_.contains(target))
    {
        return ENOENT;
    }
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(0); error != 0)
        {
            return error;
        }
        log_->domain_target(found->first, target);
        log_->commit();
    }
    restore_target(found->first, target);
    acknowledge(call);
    return 0;
}

void Store::restore_target(std::uint16_t domain, std::uint16_t target)
{
    auto const found = domains_.find(domain);
    if (found != domains_.end())
    {
        found->second.client->target = target;
        targeted_by_.emplace(target, domain);
    }
}

void Store::domains_ended(std::vector<std::uint16_t> const& gone, std::vector<std::uint16_t> const& shut_down)
{
    bool changed = false;
    for (std::uint16_t const domain : shut_down)
    {
        auto const found = domains_.find(domain);
        if (found != domains_.end() && !found->second.shutdown)
        {
            found->second.shutdown = true;
            changed = true;
            report(DomainEvent::ShutDown, domain);
            if (log_ != nullptr && log_->prepare(0) == 0)
            {
                log_->domain_shutdown(domain, true);
                log_->commit();
            }
        }
    }
    for (std::uint16_t const domain : gone)
    {
        if (domains_.contains(domain))
        {
            release_domain(domain);
            changed = true;
        }
    }
    if (changed)
    {
        fire_special(kReleaseWatch);
    }
}

// Ends a domain: its connection, its nodes and every right that was given to it. A later domain with the same
// number starts with nothing.
void Store::release_domain(std::uint16_t domain)
{
    auto const found = domains_.find(domain);
    Client& client = *found->second.client;
    if (host_ != nullptr)
    {
        host_->detach(client);
    }
    domains_.erase(found);
    std::vector<std::string> const owned = owned_nodes(domain);
    record_release(domain, owned);
    forget_domain(domain, client, owned);
    report(DomainEvent::Released, domain);
}

// The removals are recorded one by one, although recovery would find the nodes itself: a snapshot that is being written
// may still show them, but no longer who owned them.
void Store::record_release(std::uint16_t domain, std::vector<std::string> const& owned)
{
    if (log_ == nullptr)
    {
        return;
    }
    std::size_t bytes = 0;
    for (std::string const& at : owned)
    {
        bytes += at.size() + 64;
    }
    if (log_->prepare(bytes) != 0)
    {
        report(DomainEvent::NotRecorded, domain);
        return;
    }
    for (std::string const& at : owned)
    {
        log_->change({ChangeKind::Remove, at, {}, nullptr, 0});
    }
    log_->domain_released(domain);
    log_->commit();
}

// Everything that follows from a domain's end, and that recovery repeats when it meets the record of it.
void Store::forget_domain(std::uint16_t domain, Client& client, std::vector<std::string> const& owned)
{
    auto const [first, last] = targeted_by_.equal_range(domain);
    for (auto it = first; it != last; ++it)
    {
        auto const stub = domains_.find(it->second);
        if (stub != domains_.end() && stub->second.client->target == domain)
        {
            stub->second.client->target.reset();
        }
    }
    targeted_by_.erase(domain);
    disconnect(client);
    CommitLog* const log = std::exchange(log_, nullptr);
    for (std::string const& at : owned)
    {
        Walk const walk = tree_.walk(at);
        if (at.size() > 1 && walk.node != nullptr)
        {
            commit_single({ChangeKind::Remove, at, {}, nullptr, 0}, walk);
        }
    }
    log_ = log;
    owned_outside_.erase(domain);
    ended_[domain] = ++ends_;
    if (nodes_.permissions().owner(tree_.root()->permissions) == domain)
    { // the root stays, and belongs to domain 0 from now on
        ++accounts_.of(0).nodes;
        accounts_.of(0).node_bytes += static_cast<std::int64_t>(tree_.root()->size());
    }
    nodes_.permissions().forget_domain(domain);
    forget_rights(introduce_permissions_, domain);
    forget_rights(release_permissions_, domain);
    accounts_.forget(domain);
}

// The paths of all nodes that a domain owns, except those below another one of them.
std::vector<std::string> Store::owned_nodes(std::uint16_t domain) const
{
    std::vector<std::string> owned;
    auto const* account = accounts_.find(domain);
    if (account == nullptr || account->nodes <= 0)
    {
        return owned;
    }
    auto const& pool = nodes_.permissions();
    std::string path = domain_path(domain);
    if (Node const* const home = tree_.find(path); home != nullptr)
    {
        for_each_below(*home, path, [&](std::string const& at, Node const& node) {
            if (pool.owner(node.permissions) == domain && (owned.empty() || !is_same_or_below(owned.back(), at)))
            {
                owned.push_back(at);
            }
        });
    }
    if (auto const outside = owned_outside_.find(domain); outside != owned_outside_.end())
    {
        for (std::string const& at : outside->second)
        {
            bool below = false; // goes together with the node above it
            for (std::string_view above = parent_path(at); above.size() > 1 && !below; above = parent_path(above))
            {
                Node const* const higher = tree_.find(above);
                below = higher != nullptr && pool.owner(higher->permissions) == domain;
            }
            Node const* const node = tree_.find(at);
            if (!below && node != nullptr && pool.owner(node->permissions) == domain)
            {
                owned.push_back(at);
            }
        }
    }
    return owned;
}

Client& Store::restore_domain(std::uint16_t domain, std::uint64_t frame, std::uint32_t port, bool shutdown)
{
    auto const found = domains_.find(domain);
    Client& client = found != domains_.end() ? *found->second.client : add_client(domain, false);
    client.recovered = true;
    domains_[domain] = {&client, frame, port, shutdown};
    return client;
}

void Store::forget_restored_domain(std::uint16_t domain)
{
    auto const found = domains_.find(domain);
    if (found != domains_.end())
    {
        Client& client = *found->second.client;
        domains_.erase(found);
        forget_domain(domain, client, owned_nodes(domain));
    }
}

} // namespace tessera::store
