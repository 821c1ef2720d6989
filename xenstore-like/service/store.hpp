// SPDX-License-Identifier: MIT
// The store without any input or output of its own: requests in, replies and events out into the clients' queues.
//
// One thread calls it. Every request is carried out whole: its checks come first, then its record in the commit
// log, then its effects, then its events and its reply. A failed request has no effect.
#pragma once

#include "service/client.hpp"
#include "service/ports.hpp"
#include "service/quota.hpp"
#include "watch/watch_index.hpp"
#include "wire/frame.hpp"
#include "wire/path.hpp"

#include <set>

namespace tessera::store
{

struct Domain
{
    Client* client = nullptr;
    std::uint64_t frame = 0;
    std::uint32_t port = 0;
    bool shutdown = false; // its shutdown was announced by @releaseDomain
};

struct StoreSettings
{
    HashKey key = {};
    Quotas quotas = {};
    std::size_t guest_output_limit = std::size_t{64} * 1024;        // unread bytes above which events are summarised
    std::size_t socket_output_limit = std::size_t{8} * 1024 * 1024; // the same for local clients
};

class Store
{
public:
    explicit Store(StoreSettings const& settings = {});
    Store(Store const&) = delete;
    Store& operator=(Store const&) = delete;
    ~Store();

    void set_domain_host(DomainHost* host) { host_ = host; }
    void set_commit_log(CommitLog* log) { log_ = log; }
    void set_control_host(ControlHost* host) { control_host_ = host; }

    // `observer` outlives the store's use. Tracing reports every request and every message to it.
    void set_observer(Observer* observer) { observer_ = observer; }
    void set_trace(bool wanted) { trace_ = wanted && observer_ != nullptr; }
    void report(DomainEvent event, std::uint16_t domain);

    // A local client with the rights of domain 0.
    Client& connect_socket();

    // Ends a local client: its watches and transactions go.
    void disconnect(Client& client);

    // Carries out one request of `client` and queues its reply, which the caller delivers.
    void handle(Client& client, Request const& request);

    // Takes one client that got events since it was last taken; null when there is none.
    Client* take_dirty();

    // The transport has delivered everything that was queued: events that were withheld are summarised now.
    void output_drained(Client& client);

    // Reports from the hypervisor; fire @releaseDomain themselves, once for each list.
    void domains_ended(std::vector<std::uint16_t> const& gone, std::vector<std::uint16_t> const& shut_down);

    // Forgets watches and transactions of a domain that reconnects its ring.
    void reset_client(Client& client);

    // Introduces a domain without a request: domain 0 at start, and all domains on recovery.
    int introduce(std::uint16_t domain, std::uint64_t frame, std::uint32_t port);

    // Recovery: puts back what an earlier daemon had committed, without events or records.
    void restore_change(ChangeView const& change);
    void restore_watch(Client& client, std::string_view path, std::string_view token, std::uint32_t prefix,
                       std::uint32_t depth);
    Client& restore_domain(std::uint16_t domain, std::uint64_t frame, std::uint32_t port, bool shutdown);
    void restore_special_permissions(std::string_view name, PermissionList const& list);
    void forget_restored_watch(Client& client, std::string_view path, std::string_view token);
    void forget_restored_domain(std::uint16_t domain);
    void restore_target(std::uint16_t domain, std::uint16_t target);
    void restore_quota(bool soft, std::string_view name, std::uint64_t value);
    void restore_transaction_numbers(std::uint32_t end);

    // Queues one event for each of the client's watches: it may have lost some with an earlier daemon.
    void fire_all(Client& client);

    [[nodiscard]] Domain const* domain(std::uint16_t id) const;
    [[nodiscard]] std::unordered_map<std::uint16_t, Domain> const& domains() const { return domains_; }
    [[nodiscard]] std::unordered_map<std::uint32_t, std::unique_ptr<Client>> const& clients() const { return clients_; }
    [[nodiscard]] Tree const& tree() const { return tree_; }
    [[nodiscard]] NodeStore const& nodes() const { return nodes_; }
    [[nodiscard]] Accounts const& accounts() const { return accounts_; }
    [[nodiscard]] std::size_t watch_count() const { return watches_.size(); }
    [[nodiscard]] Quotas const& quotas() const { return quotas_; }
    [[nodiscard]] PermissionList const* special_permissions(std::string_view name) const;
    [[nodiscard]] Counters const& ended_sockets() const { return ended_sockets_; }

    // The first number that no transaction has been given and that no record allows to be given.
    [[nodiscard]] std::uint32_t transaction_numbers_end() const { return transactions_end_; }

private:
    struct Call
    {
        Client& client;
        Request const& request;
        Transaction* transaction = nullptr;
    };
    using Handler = int (Store::*)(Call&);
    static Handler handler_of(std::uint32_t operation);

    struct CachedListing
    {
        std::uint64_t digest = 0;
        std::string names; // NUL after each
    };

    // store.cpp
    void carry_out(Client& client, Request const& request);
    void carry_out_traced(Client& client, Request const& request);
    void reply(Call& call, std::string_view first, std::string_view second = {});
    void acknowledge(Call& call);
    void mark_dirty(Client& client);
    Client& add_client(std::uint16_t domain, bool socket);
    Transaction* transaction_of(Client& client, std::uint32_t id);
    void warn(std::uint16_t domain, DomainEvent event);

    // store_access.cpp
    [[nodiscard]] Tree const& view(Call const& call) const;
    [[nodiscard]] Tree& view(Call const& call);
    [[nodiscard]] std::uint8_t access_of(Client const& client, PermissionList const& list) const;
    [[nodiscard]] bool may(Client const& client, Node const& node, std::uint8_t wanted) const;
    [[nodiscard]] int check_path(Client const& client, NodePath const& path) const;
    int argument_path(Call const& call, std::string_view argument, NodePath& path);
    int open_node(Call& call, std::string_view path, std::uint8_t wanted, std::uint8_t saw, Walk& walk);
    int open_for_change(Call& call, std::string_view path, std::size_t value_size, Walk& walk);
    int check_transaction(Call& call);
    int check_growth(Call const& call, CreationCost const& cost, std::int64_t growth);
    int perform(Call& call, ChangeView const& change, Walk const& walk);

    // store_nodes.cpp
    int do_directory(Call& call);
    int do_directory_part(Call& call);
    int do_read(Call& call);
    int do_write(Call& call);
    int do_make_directory(Call& call);
    int do_remove(Call& call);
    int do_get_permissions(Call& call);
    int do_set_permissions(Call& call);
    std::string const& listing_of(Node const& node);
    int set_special_permissions(Call& call, std::string_view name, PermissionList const& list);

    // store_watches.cpp
    int do_watch(Call& call);
    int do_unwatch(Call& call);
    int do_reset_watches(Call& call);
    Watch& add_watch(Client& client, std::string_view path, std::string_view token, std::uint32_t prefix,
                     std::uint32_t depth);
    void remove_watch(Client& client, Watch& watch); // one of the client's
    void remove_all_watches(Client& client);
    void fire(std::string_view path, Tree const* before, Tree const* after);
    void fire_exact(std::string_view path, PermissionList const& before);
    void fire_special(std::string_view name);
    void deliver(Watch& watch, std::string_view path);
    [[nodiscard]] bool sees(Client const& client, PermissionList const* before, PermissionList const* after) const;

    // store_transactions.cpp
    int do_transaction_start(Call& call);
    int do_transaction_end(Call& call);
    int reserve_transaction_numbers();
    [[nodiscard]] int check_commit(Client const& client, Transaction const& transaction) const;
    int commit(Client const& client, Transaction& transaction);
    [[nodiscard]] bool names_ended_domain(Transaction const& transaction) const;
    int commit_single(ChangeView const& change, Walk const& walk);
    void fire_commit(Tree const& before, Transaction& transaction);
    void fire_below(Node const& node, std::string_view path, Transaction* transaction);
    void drop_transaction(Client& client, std::uint32_t id);
    void drop_all_transactions(Client& client);
    void apply_to_current(ChangeView const& change, Walk const& walk);
    void note_owned_outside(Tree const& before, ChangeView const& change);

    // store_domains.cpp
    int do_introduce(Call& call);
    int do_release(Call& call);
    int do_get_domain_path(Call& call);
    int do_is_domain_introduced(Call& call);
    int do_resume(Call& call);
    int do_set_target(Call& call);
    int domain_argument(Call const& call, std::uint16_t& domain) const;
    void release_domain(std::uint16_t domain);
    void forget_domain(std::uint16_t domain, Client& client, std::vector<std::string> const& owned);
    [[nodiscard]] std::vector<std::string> owned_nodes(std::uint16_t domain) const;
    void record_release(std::uint16_t domain, std::vector<std::string> const& owned);

    // store_control.cpp
    int do_control(Call& call);
    int control_command(std::vector<std::string_view> const& arguments, std::string& answer);
    int control_quota(std::vector<std::string_view> const& arguments, bool soft, std::string& answer);
    int set_quota(bool soft, std::string_view name, std::string_view text);
    [[nodiscard]] bool show_usage(std::string_view whose, std::string& answer) const;
    std::string control_check() const;
    std::string control_memory_report() const;

    static constexpr std::uint32_t kNumbersAtOnce = 1 << 16;      // transaction numbers that one record allows
    static constexpr std::uint64_t kRecoveredTransactions = 1024; // of an earlier daemon, for one local client

    Quotas quotas_;
    std::size_t guest_output_limit_;
    std::size_t socket_output_limit_;
    NodeStore nodes_;
    Tree tree_;
    WatchIndex watches_;
    Accounts accounts_;
    AccountDelta scratch_delta_;
    std::unordered_map<std::uint32_t, std::unique_ptr<Client>> clients_;
    std::unordered_map<std::uint16_t, Domain> domains_;
    // Paths of nodes that a guest came to own outside its own directory: what has to be removed when it dies.
    std::unordered_map<std::uint16_t, std::set<std::string>> owned_outside_;
    std::unordered_multimap<std::uint16_t, std::uint16_t> targeted_by_; // target to the domains that act for it
    std::uint64_t ends_ = 0;                                            // how many domains have ended
    std::unordered_map<std::uint16_t, std::uint64_t>
        ended_; // the number of each one's end, the last one's if it had several
    PermissionList introduce_permissions_{{0, kAccessNone}};
    PermissionList release_permissions_{{0, kAccessNone}};
    std::vector<Client*> dirty_;
    CachedListing listing_;
    std::string path_scratch_;
    DomainHost* host_ = nullptr;
    CommitLog* log_ = nullptr;
    ControlHost* control_host_ = nullptr;
    std::uint32_t next_client_ = 1;
    Observer* observer_ = nullptr;
    bool trace_ = false;
    Client const* traced_ = nullptr; // whose request is carried out and will be reported with all that it queued
    Counters ended_sockets_;         // of local clients that have gone
    std::uint32_t next_transaction_ = 1;
    std::uint32_t first_transaction_ = 1; // earlier numbers belong to transactions of earlier daemons
    std::uint32_t transactions_end_ = 1;
};

} // namespace tessera::store
