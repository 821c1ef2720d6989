// SPDX-License-Identifier: MIT
// Implements the xenstore-control commands that concern the store itself: check, quota and memreport.
#include "service/store.hpp"

#include <algorithm>

namespace tessera::store {

namespace {

void put(std::string& to, std::string_view name, std::uint64_t value)
{
    to.append(name);
    to.append(name.size() < 24 ? 24 - name.size() : 1, ' ');
    to += std::to_string(value);
    to += '\n';
}

}  // namespace

int Store::do_control(Call& call)
{
    if (!call.client.privileged) {
        return EACCES;
    }
    StringList strings(call.request.payload);
    std::vector<std::string_view> arguments;
    std::string_view argument;
    while (strings.next(argument)) {
        arguments.push_back(argument);
    }
    if (arguments.empty()) {
        return EINVAL;
    }
    std::string answer;
    if (!control_command(arguments, answer) &&
        (control_host_ == nullptr || !control_host_->control(arguments, answer))) {
        return EINVAL;
    }
    if (answer.size() >= kPayloadMax) {
        answer.resize(kPayloadMax - 1);
    }
    reply(call, answer, std::string_view("", 1));
    return 0;
}

bool Store::control_command(std::vector<std::string_view> const& arguments, std::string& answer)
{
    if (arguments[0] == "check") {
        answer = control_check();
    } else if (arguments[0] == "quota" || arguments[0] == "quota-soft") {
        answer = control_quota({arguments.begin() + 1, arguments.end()});
    } else if (arguments[0] == "memreport") {
        answer = control_memory_report();
    } else {
        return false;
    }
    return true;
}

std::string Store::control_quota(std::vector<std::string_view> const& arguments)
{
    std::string answer;
    std::uint64_t number = 0;
    if (arguments.empty()) {
        for (auto const& quota : kQuotaNames) {
            put(answer, quota.name, quotas_.*quota.value);
        }
        return answer;
    }
    if (arguments.size() == 3 && arguments[0] == "set") {
        auto const* const quota = std::find_if(kQuotaNames.begin(), kQuotaNames.end(),
                                               [&](auto const& entry) { return entry.name == arguments[1]; });
        if (quota == kQuotaNames.end()) {
            return "quota: no quota is called \"" + std::string(arguments[1]) + "\"; see \"quota\" for the names\n";
        }
        if (!parse_number(arguments[2], number) || number > 0x7fffffff) {
            return "quota: the value must be a number from 0 to 2147483647\n";
        }
        quotas_.*quota->value = number;
        return "OK";
    }
    if (arguments.size() == 1 && parse_number(arguments[0], number) && number <= 0xffff) {
        auto const* const account = accounts_.find(static_cast<std::uint16_t>(number));
        if (account == nullptr) {
            return "quota: domain " + std::string(arguments[0]) + " is not known\n";
        }
        put(answer, "nodes", static_cast<std::uint64_t>(account->nodes));
        put(answer, "node bytes", static_cast<std::uint64_t>(account->node_bytes));
        put(answer, "watches", static_cast<std::uint64_t>(account->watches));
        put(answer, "watch bytes", static_cast<std::uint64_t>(account->watch_bytes));
        put(answer, "transactions", static_cast<std::uint64_t>(account->transactions));
        return answer;
    }
    if (arguments.size() == 1 && arguments[0] == "max") {
        Account most;
        for (auto const& [domain, account] : accounts_.all()) {
            if (domain != 0) {
                most.nodes = std::max(most.nodes, account.nodes);
                most.watches = std::max(most.watches, account.watches);
                most.transactions = std::max(most.transactions, account.transactions);
            }
        }
        put(answer, "nodes", static_cast<std::uint64_t>(most.nodes));
        put(answer, "watches", static_cast<std::uint64_t>(most.watches));
        put(answer, "transactions", static_cast<std::uint64_t>(most.transactions));
        return answer;
    }
    return "usage: quota [set <name> <value> | <domid> | max]\n";
}

// Counts again what the books say: owners of nodes, registered watches and open transactions.
std::string Store::control_check() const
{
    std::unordered_map<std::uint16_t, std::int64_t> owned;
    std::string path("/");
    std::size_t reachable = 0;
    std::string answer;
    for_each_below(*tree_.root(), path, [&](std::string const& at, Node const& node) {
        ++reachable;
        ++owned[nodes_.permissions().owner(node.permissions)];
        if (at != path && !valid_absolute_path(at)) {
            answer += "node with an invalid path: " + at + "\n";
        }
    });
    for (auto const& [domain, count] : owned) {
        auto const* const account = accounts_.find(domain);
        if (account == nullptr || account->nodes != count) {
            answer += "domain " + std::to_string(domain) + " owns " + std::to_string(count) + " nodes, its account says " +
                      std::to_string(account == nullptr ? 0 : account->nodes) + "\n";
        }
    }
    std::size_t watches = 0;
    for (auto const& [id, client] : clients_) {
        watches += client->watch_count;
    }
    if (watches != watches_.size()) {
        answer += "clients hold " + std::to_string(watches) + " watches, the index " + std::to_string(watches_.size()) + "\n";
    }
    return answer.empty() ? "OK: " + std::to_string(reachable) + " nodes, " + std::to_string(watches) + " watches\n" : answer;
}

std::string Store::control_memory_report() const
{
    std::string answer;
    std::size_t transactions = 0;
    std::size_t unread = 0;
    for (auto const& [id, client] : clients_) {
        transactions += client->transactions.size();
        unread += client->output.size();
    }
    put(answer, "nodes in all versions", nodes_.node_count());
    put(answer, "bytes of node slabs", nodes_.reserved_bytes());
    put(answer, "permission lists", nodes_.permissions().size());
    put(answer, "watches", watches_.size());
    put(answer, "clients", clients_.size());
    put(answer, "domains", domains_.size());
    put(answer, "open transactions", transactions);
    put(answer, "unread output bytes", unread);
    return answer;
}

}  // namespace tessera::store
