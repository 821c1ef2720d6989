// SPDX-License-Identifier: MIT
// Implements the store's frame: clients, dispatch and replies.
#include "service/store.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace tessera::store
{

Store::Store(StoreSettings const& settings)
    : quotas_(settings.quotas), guest_output_limit_(settings.guest_output_limit),
      socket_output_limit_(settings.socket_output_limit), nodes_(settings.key),
      tree_(nodes_, nodes_.permissions().intern({{0, kAccessNone}})), watches_(settings.key)
{
    accounts_.of(0).nodes = 1;
    accounts_.of(0).node_bytes = sizeof(Node);
}

Store::~Store()
{
    for (auto& [id, client] : clients_)
    {
        while (client->watches != nullptr)
        {
            remove_watch(*client, *client->watches);
        }
        client->transactions.clear();
    }
}

Client& Store::add_client(std::uint16_t domain, bool socket)
{
    auto client = std::make_unique<Client>();
    client->id = next_client_++;
    client->domain = domain;
    client->privileged = domain == 0;
    client->socket = socket;
    Client& result = *client;
    clients_.emplace(result.id, std::move(client));
    return result;
}

// Local clients are few and read long listings; guests are many.
Client& Store::connect_socket()
{
    constexpr std::size_t kKeptOutput = std::size_t{8} * 1024;
    Client& client = add_client(0, true);
    client.output.keep(kKeptOutput);
    return client;
}

void Store::disconnect(Client& client)
{
    if (trace_)
    {
        observer_->client_gone(client);
    }
    while (client.watches != nullptr)
    {
        remove_watch(client, *client.watches);
    }
    drop_all_transactions(client);
    if (client.dirty)
    {
        std::erase(dirty_, &client);
    }
    if (client.socket)
    {
        for (std::size_t i = 0; i < kOperationCount; ++i)
        {
            ended_sockets_.operations[i] += client.operations[i];
        }
        ended_sockets_.errors += client.errors;
    }
    clients_.erase(client.id);
}

Client* Store::take_dirty()
{
    if (dirty_.empty())
    {
        return nullptr;
    }
    Client* const client = dirty_.back();
    dirty_.pop_back();
    client->dirty = false;
    return client;
}

void Store::mark_dirty(Client& client)
{
    if (!client.dirty)
    {
        client.dirty = true;
        dirty_.push_back(&client);
    }
}

void Store::reply(Call& call, std::string_view first, std::string_view second)
{
    auto const& request = call.request;
    call.client.output.append(request.operation, request.request_id, request.transaction_id, first, second);
}

void Store::acknowledge(Call& call)
{
    reply(call, std::string_view("OK\0", 3));
}

// A client that was connected to an earlier daemon may name a transaction that this one never saw.
Transaction* Store::transaction_of(Client& client, std::uint32_t id)
{
    if (Transaction* found = client.transaction(id); found != nullptr)
    {
        return found;
    }
    bool const earlier = static_cast<std::int32_t>(id - first_transaction_) < 0;
    auto const limit = client.privileged ? kRecoveredTransactions : quotas_.transactions;
    if (!client.recovered || !earlier || client.transactions.size() >= limit)
    {
        return nullptr;
    }
    client.transactions.push_back(std::make_unique<Transaction>(id, tree_));
    client.transactions.back()->doom();
    ++accounts_.of(client.domain).transactions;
    return client.transactions.back().get();
}

Store::Handler Store::handler_of(std::uint32_t operation)
{
    static constexpr auto kHandlers = [] {
        std::array<Handler, kOperationCount> table{};
        table[XS_CONTROL] = &Store::do_control;
        table[XS_DIRECTORY] = &Store::do_directory;
        table[XS_READ] = &Store::do_read;
        table[XS_GET_PERMS] = &Store::do_get_permissions;
        table[XS_WATCH] = &Store::do_watch;
        table[XS_UNWATCH] = &Store::do_unwatch;
        table[XS_TRANSACTION_START] = &Store::do_transaction_start;
        table[XS_TRANSACTION_END] = &Store::do_transaction_end;
        table[XS_INTRODUCE] = &Store::do_introduce;
        table[XS_RELEASE] = &Store::do_release;
        table[XS_GET_DOMAIN_PATH] = &Store::do_get_domain_path;
        table[XS_WRITE] = &Store::do_write;
        table[XS_MKDIR] = &Store::do_make_directory;
        table[XS_RM] = &Store::do_remove;
        table[XS_SET_PERMS] = &Store::do_set_permissions;
        table[XS_IS_DOMAIN_INTRODUCED] = &Store::do_is_domain_introduced;
        table[XS_RESUME] = &Store::do_resume;
        table[XS_SET_TARGET] = &Store::do_set_target;
        table[XS_RESET_WATCHES] = &Store::do_reset_watches;
        table[XS_DIRECTORY_PART] = &Store::do_directory_part;
        return table;
    }();
    return operation < kOperationCount ? kHandlers[operation] : nullptr;
}

void Store::handle(Client& client, Request const& request)
{
    if (trace_)
    {
        carry_out_traced(client, request);
    }
    else
    {
        carry_out(client, request);
    }
}

void Store::carry_out_traced(Client& client, Request const& request)
{
    observer_->request_begins(client, request);
    std::size_t const before = client.output.size();
    traced_ = &client;
    carry_out(client, request);
    traced_ = nullptr;
    for (std::string_view queued = client.output.pending().substr(before); !queued.empty();)
    {
        Frame const frame = next_frame(queued);
        observer_->message_queued(client, frame.request.operation, frame.request.payload, {});
        queued.remove_prefix(frame.size);
    }
}

void Store::carry_out(Client& client, Request const& request)
{
    Call call{client, request};
    int error = ENOSYS;
    if (Handler const handler = handler_of(request.operation); handler != nullptr)
    {
        ++client.operations[request.operation];
        error = 0;
        if (request.transaction_id != 0)
        {
            call.transaction = transaction_of(client, request.transaction_id);
            error = call.transaction == nullptr ? ENOENT : 0;
        }
        if (error == 0)
        {
            try
            {
                error = (this->*handler)(call);
            }
            catch (std::bad_alloc const&)
            {
                error = ENOMEM;
            }
        }
    }
    if (error != 0)
    {
        ++client.errors;
        std::string_view const name = error_name(error);
        client.output.append(XS_ERROR, request.request_id, request.transaction_id, name, std::string_view("\0", 1));
        if ((error == ENOSPC || error == E2BIG) && !client.privileged)
        {
            warn(client.domain, DomainEvent::QuotaExceeded);
        }
    }
}

void Store::report(DomainEvent event, std::uint16_t domain)
{
    if (observer_ != nullptr)
    {
        observer_->domain_event(event, domain);
    }
}

void Store::warn(std::uint16_t domain, DomainEvent event)
{
    if (!std::exchange(accounts_.of(domain).warned, true))
    {
        report(event, domain);
    }
}

void Store::output_drained(Client& client)
{
    if (!client.missed_events)
    {
        return;
    }
    client.missed_events = false;
    for (Watch* watch = client.watches; watch != nullptr; watch = watch->next_of_client)
    {
        if (watch->missed)
        {
            watch->missed = false;
            deliver(*watch, watch->path());
        }
    }
}

void Store::reset_client(Client& client)
{
    remove_all_watches(client);
    drop_all_transactions(client);
    client.output.clear();
    client.missed_events = false;
    if (log_ != nullptr)
    {
        log_->commit();
    }
}

} // namespace tessera::store
