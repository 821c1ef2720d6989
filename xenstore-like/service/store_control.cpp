// SPDX-License-Identifier: MIT
// Implements the xenstore-control commands that concern the store itself: check, quota and memreport.
#include "service/store.hpp"

#include <algorithm>

namespace tessera::store
{

namespace
{

constexpr int kUnknownCommand = -1;

// The stock daemon's layout, which scripts read: name, colon, right-aligned value, meaning.
void put(std::string& to, std::string_view name, std::uint64_t value, std::string_view meaning = {},
         std::size_t width = 17)
{
    std::string const number = std::to_string(value);
    to.append(name);
    to.append(name.size() < width ? width - name.size() : 0, ' ');
    to += ": ";
    to.append(number.size() < 8 ? 8 - number.size() : 0, ' ');
    to += number;
    if (!meaning.empty())
    {
        to += ' ';
        to += meaning;
    }
    to += '\n';
}

std::uint64_t Quotas::* quota_called(bool soft, std::string_view name)
{
    auto const find = [&](auto const& names) -> std::uint64_t Quotas::* {
        auto const* const found =
            std::find_if(names.begin(), names.end(), [&](auto const& entry) { return entry.name == name; });
        return found == names.end() ? nullptr : found->value;
    };
    return soft ? find(kSoftQuotaNames) : find(kQuotaNames);
}

} // namespace

int Store::do_control(Call& call)
{
    if (!call.client.privileged)
    {
        return EACCES;
    }
    StringList strings(call.request.payload);
    std::vector<std::string_view> arguments;
    std::string_view argument;
    while (strings.next(argument))
    {
        arguments.push_back(argument);
    }
    if (arguments.empty())
    {
        return EINVAL;
    }
    std::string answer;
    int error = control_command(arguments, answer);
    if (error == kUnknownCommand)
    {
        error = control_host_ != nullptr && control_host_->control(arguments, answer) ? 0 : EINVAL;
    }
    if (error != 0)
    {
        return error;
    }
    if (answer.size() >= kPayloadMax)
    {
        answer.resize(kPayloadMax - 1);
    }
    reply(call, answer, std::string_view("\0", 1));
    return 0;
}

int Store::control_command(std::vector<std::string_view> const& arguments, std::string& answer)
{
    if (arguments[0] == "check")
    {
        answer = control_check();
    }
    else if (arguments[0] == "quota" || arguments[0] == "quota-soft")
    {
        return control_quota({arguments.begin() + 1, arguments.end()}, arguments[0] == "quota-soft", answer);
    }
    else if (arguments[0] == "memreport")
    {
        answer = control_memory_report();
    }
    else
    {
        return kUnknownCommand;
    }
    return 0;
}

int Store::control_quota(std::vector<std::string_view> const& arguments, bool soft, std::string& answer)
{
    if (arguments.empty())
    {
        answer = "Quota settings:\n";
        auto const show = [&](auto const& names) {
            for (auto const& quota : names)
            {
                put(answer, quota.name, quotas_.*quota.value, quota.meaning);
            }
        };
        soft ? show(kSoftQuotaNames) : show(kQuotaNames);
        return 0;
    }
    if (arguments.size() == 3 && arguments[0] == "set")
    {
        answer = "OK";
        return set_quota(soft, arguments[1], arguments[2]);
    }
    return !soft && arguments.size() == 1 && show_usage(arguments[0], answer) ? 0 : EINVAL;
}

int Store::set_quota(bool soft, std::string_view name, std::string_view text)
{
    std::uint64_t number = 0;
    std::uint64_t Quotas::* const quota = quota_called(soft, name);
    if (quota == nullptr || !parse_number(text, number) || number > 0x7fffffff)
    {
        return EINVAL;
    }
    if (quota == &Quotas::outstanding && number == 0)
    {
        return EINVAL; // nobody could be served
    }
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(name.size()); error != 0)
        {
            return error;
        }
        log_->quota(soft, name, number);
        log_->commit();
    }
    quotas_.*quota = number;
    return 0;
}

void Store::restore_quota(bool soft, std::string_view name, std::uint64_t value)
{
    if (std::uint64_t Quotas::* const quota = quota_called(soft, name); quota != nullptr)
    {
        quotas_.*quota = value;
    }
}

// What one domain uses, or the most that any guest does. False if there is no such domain.
bool Store::show_usage(std::string_view whose, std::string& answer) const
{
    Account shown;
    std::uint64_t domain = 0;
    if (whose == "max")
    {
        for (auto const& [id, account] : accounts_.all())
        {
            if (id != 0)
            {
                shown.nodes = std::max(shown.nodes, account.nodes);
                shown.watches = std::max(shown.watches, account.watches);
                shown.transactions = std::max(shown.transactions, account.transactions);
                shown.node_bytes = std::max(shown.node_bytes, account.bytes());
            }
        }
        answer = "Max. used by any guest:\n";
    }
    else
    {
        bool const known = parse_number(whose, domain) && domain <= 0xffff &&
                           (domain == 0 || domains_.contains(static_cast<std::uint16_t>(domain)));
        if (!known)
        {
            return false;
        }
        if (auto const* const account = accounts_.find(static_cast<std::uint16_t>(domain)); account != nullptr)
        {
            shown = *account;
        }
        answer = "Domain " + std::to_string(domain) + ":\n";
    }
    put(answer, "nodes", static_cast<std::uint64_t>(shown.nodes), {}, 16);
    put(answer, "watches", static_cast<std::uint64_t>(shown.watches), {}, 16);
    put(answer, "transactions", static_cast<std::uint64_t>(shown.transactions), {}, 16);
    put(answer, "memory", static_cast<std::uint64_t>(shown.bytes()), {}, 16);
    return true;
}

// Counts again what the books say: owners of nodes, registered watches and open transactions.
std::string Store::control_check() const
{
    std::unordered_map<std::uint16_t, std::int64_t> owned;
    std::string path("/");
    std::string answer;
    for_each_below(*tree_.root(), path, [&](std::string const& at, Node const& node) {
        ++owned[nodes_.permissions().owner(node.permissions)];
        if (at != path && !valid_absolute_path(at))
        {
            answer += "node with an invalid path: " + at + "\n";
        }
    });
    for (auto const& [domain, count] : owned)
    {
        auto const* const account = accounts_.find(domain);
        if (account == nullptr || account->nodes != count)
        {
            answer += "domain " + std::to_string(domain) + " owns " + std::to_string(count) +
                      " nodes, its account says " + std::to_string(account == nullptr ? 0 : account->nodes) + "\n";
        }
    }
    std::size_t watches = 0;
    for (auto const& [id, client] : clients_)
    {
        watches += client->watch_count;
    }
    if (watches != watches_.size())
    {
        answer +=
            "clients hold " + std::to_string(watches) + " watches, the index " + std::to_string(watches_.size()) + "\n";
    }
    return answer.empty() ? "OK" : answer;
}

std::string Store::control_memory_report() const
{
    std::string answer;
    std::size_t transactions = 0;
    std::size_t unread = 0;
    for (auto const& [id, client] : clients_)
    {
        transactions += client->transactions.size();
        unread += client->output.size();
    }
    constexpr std::size_t kWidth = 22;
    put(answer, "nodes in all versions", nodes_.node_count(), {}, kWidth);
    put(answer, "bytes of node slabs", nodes_.reserved_bytes(), {}, kWidth);
    put(answer, "permission lists", nodes_.permissions().size(), {}, kWidth);
    put(answer, "watches", watches_.size(), {}, kWidth);
    put(answer, "clients", clients_.size(), {}, kWidth);
    put(answer, "domains", domains_.size(), {}, kWidth);
    put(answer, "open transactions", transactions, {}, kWidth);
    put(answer, "unread output bytes", unread, {}, kWidth);
    return answer;
}

} // namespace tessera::store
