// SPDX-License-Identifier: MIT
// Replays random request sequences of several clients, with transactions, against the naive store and compares every
// reply and every event.
#include "naive_store.hpp"
#include "store_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>

namespace tessera::store::test
{
namespace
{

constexpr int kSockets = 2;
constexpr int kGuests = 3; // domain 1 has client 2, and so on
constexpr int kClients = kSockets + kGuests;

class ModelRun
{
public:
    explicit ModelRun(std::uint32_t seed) : random_(seed), clients_(kClients)
    {
        for (int number = 0; number < kSockets; ++number)
        {
            clients_[static_cast<std::size_t>(number)].emplace(store_, store_.connect_socket());
            model_.domain_of[number] = 0;
        }
        for (std::uint16_t domain = 1; domain <= kGuests; ++domain)
        {
            std::string const home = "/local/domain/" + std::to_string(domain);
            PermissionList const owner = {{domain, kAccessNone}};
            change_domain(0, domain);
            client(0).make_directory(home);
            client(0).set_permissions(home, "n" + std::to_string(domain));
            model_.make_directory(0, home, 0);
            model_.set_permissions(0, home, owner, 0);
        }
    }

    void run(int steps)
    {
        for (int step = 0; step < steps; ++step)
        {
            std::string trace;
            int const number = connected_client();
            std::string const expected = one_step(number, trace);
            ASSERT_EQ(replied_, expected) << "step " << step << ": client " << number << " " << trace;
            ASSERT_EQ(client(0).call(XS_CONTROL, "check\0"s), kOk)
                << "step " << step << ": client " << number << " " << trace;
            ASSERT_NO_FATAL_FAILURE(compare_events())
                << "events of step " << step << ": client " << number << " " << trace;
        }
        EXPECT_EQ(client(0).call(XS_CONTROL, "check\0"s), kOk);
    }
    std::size_t events() const { return events_; }

private:
    int pick(int count) { return static_cast<int>(random_() % static_cast<std::uint32_t>(count)); }
    TestClient& client(int number) { return *clients_[static_cast<std::size_t>(number)]; }
    int connected_client()
    {
        for (;;)
        {
            int const number = pick(kClients);
            if (model_.domain_of.contains(number))
            {
                return number;
            }
        }
    }

    // As the client writes it: absolute, in a guest's directory or elsewhere, or relative to its own.
    std::string path()
    {
        std::string text;
        for (int depth = 1 + pick(4); depth > 0; --depth)
        {
            text += "/" + std::string(1, static_cast<char>('a' + pick(3)));
        }
        switch (pick(8))
        {
        case 0: return text.substr(1);
        case 1: return text.substr(1, 3);
        case 2: return "/local/domain/" + std::to_string(1 + pick(kGuests)) + text;
        case 3: return pick(4) == 0 ? "/" : text;
        default: return text;
        }
    }
    NaivePath resolve(int number, std::string const& text)
    {
        if (text.front() == '/' || text.front() == '@')
        {
            return {text, 0};
        }
        std::string const home = "/local/domain/" + std::to_string(model_.domain_of[number]) + "/";
        return {home + text, home.size()};
    }

    PermissionList permissions()
    {
        PermissionList list;
        for (int count = 1 + pick(3); count > 0; --count)
        {
            list.push_back({static_cast<std::uint16_t>(pick(kGuests + 1)), static_cast<std::uint8_t>(pick(4))});
        }
        return list;
    }

    std::uint32_t some_transaction(int number)
    {
        auto& open = open_[number];
        return open.empty() || pick(3) == 0 ? 0 : open[static_cast<std::size_t>(pick(static_cast<int>(open.size())))];
    }

    std::string one_step(int number, std::string& trace)
    {
        if (pick(40) == 0)
        {
            auto const domain = static_cast<std::uint16_t>(1 + pick(kGuests));
            int const kind = pick(8);
            trace = "domain kind " + std::to_string(kind) + " of " + std::to_string(domain);
            return kind < 6 ? change_domain(kind, domain) : report_end(domain, kind == 6);
        }
        std::string const text = path();
        std::uint32_t const id = some_transaction(number);
        int const kind = pick(14);
        trace = "kind " + std::to_string(kind) + " " + text + " in " + std::to_string(id);
        return kind < 9 ? request_on_node(kind, number, text, id) : other_request(kind, number, text, id);
    }

    std::string request_on_node(int kind, int number, std::string const& text, std::uint32_t id)
    {
        std::string const at = resolve(number, text).absolute;
        switch (kind)
        {
        case 0:
        case 1: replied_ = client(number).read(text, id); return model_.read(number, at, id);
        case 2: replied_ = client(number).directory(text, id); return model_.directory(number, at, id);
        case 3:
        case 4:
        {
            std::string const value(static_cast<std::size_t>(pick(30)), static_cast<char>('0' + pick(3)));
            replied_ = client(number).write(text, value, id);
            return model_.write(number, at, value, id);
        }
        case 5: replied_ = client(number).make_directory(text, id); return model_.make_directory(number, at, id);
        case 6: replied_ = client(number).remove(text, id); return model_.remove(number, at, id);
        case 7: return change_permissions(number, text, id);
        default:
        {
            std::string const name = pick(8) == 0 ? special_name() : text;
            replied_ = client(number).call(XS_GET_PERMS, name + "\0"s, id);
            return model_.get_permissions(number, resolve(number, name).absolute, id);
        }
        }
    }

    std::string change_permissions(int number, std::string const& text, std::uint32_t id)
    {
        std::string const name = pick(8) == 0 ? special_name() : text;
        PermissionList const list = permissions();
        std::string wanted;
        for (auto const& permission : list)
        {
            wanted += (wanted.empty() ? "" : ",") + format_permission(permission);
        }
        replied_ = client(number).set_permissions(name, wanted, id);
        return model_.set_permissions(number, resolve(number, name).absolute, list, id);
    }

    std::string other_request(int kind, int number, std::string const& text, std::uint32_t id)
    {
        switch (kind)
        {
        case 9:
        case 10: return change_watch(number, pick(6) == 0 ? special_name() : text);
        case 11: return read_part(number, text, id);
        case 12:
            if (open_[number].size() < 3)
            {
                replied_ = client(number).call(XS_TRANSACTION_START, "\0"s);
                open_[number].push_back(model_.next_transaction);
                return model_.start(number);
            }
            if (pick(10) == 0)
            {
                open_[number].clear();
                replied_ = client(number).call(XS_RESET_WATCHES, "\0"s);
                return model_.reset_watches(number);
            }
            [[fallthrough]];
        default:
        {
            bool const commit = pick(4) != 0;
            replied_ = client(number).end(id, commit);
            std::erase(open_[number], id);
            return id == 0 ? "!ENOENT" : model_.end(number, id, commit);
        }
        }
    }

    std::string special_name() { return pick(2) == 0 ? "@introduceDomain" : "@releaseDomain"; }

    std::string change_watch(int number, std::string const& text)
    {
        std::string const token(1, static_cast<char>('t' + pick(3)));
        NaivePath const at = resolve(number, text);
        if (pick(2) == 0)
        {
            replied_ = client(number).unwatch(text, token);
            return model_.unwatch(number, at.absolute, token);
        }
        int const depth = pick(5);
        if (depth == 4)
        {
            replied_ = client(number).watch(text, token);
            return model_.watch(number, at, token, static_cast<std::size_t>(-1));
        }
        replied_ = client(number).call(XS_WATCH, text + "\0"s + token + "\0"s + std::to_string(depth) + "\0"s);
        return model_.watch(number, at, token, static_cast<std::size_t>(depth));
    }

    // The generation in front must be the same exactly when the whole listing is.
    std::string read_part(int number, std::string const& text, std::uint32_t id)
    {
        auto const offset = static_cast<std::size_t>(pick(6));
        std::string const at = resolve(number, text).absolute;
        replied_ = client(number).call(XS_DIRECTORY_PART, text + "\0"s + std::to_string(offset) + "\0"s, id);
        if (!replied_.starts_with("!"))
        {
            std::size_t const end = replied_.find('\0');
            std::string const generation = replied_.substr(0, end);
            replied_ = replied_.substr(end + 1);
            std::string const listing = model_.directory(number, at, id);
            EXPECT_EQ(generation_of_.emplace(listing, generation).first->second, generation);
            EXPECT_EQ(listing_of_.emplace(generation, listing).first->second, listing);
        }
        return model_.directory_part(number, at, offset, id);
    }

    // Requests of domain 0 about one of the guests.
    std::string change_domain(int kind, std::uint16_t domain)
    {
        std::string const text = std::to_string(domain) + "\0"s;
        int const number = kSockets + domain - 1;
        bool const was_there = model_.client_of(domain) >= 0;
        switch (kind)
        {
        case 0:
        case 1:
        case 2:
        {
            replied_ = client(0).call(XS_INTRODUCE, text + "1\0"s + "1\0"s);
            if (!was_there && store_.domain(domain) != nullptr)
            {
                clients_[static_cast<std::size_t>(number)].emplace(store_, *store_.domain(domain)->client);
            }
            return model_.introduce(domain, number);
        }
        case 3:
            forget_client(number);
            replied_ = client(0).call(XS_RELEASE, text);
            return model_.release(domain);
        case 4: replied_ = client(0).call(XS_RESUME, text); return model_.resume(domain);
        default:
        {
            auto const target = static_cast<std::uint16_t>(1 + pick(kGuests));
            replied_ = client(0).call(XS_SET_TARGET, text + std::to_string(target) + "\0"s);
            return model_.set_target(domain, target);
        }
        }
    }
    // What the hypervisor says has no reply.
    std::string report_end(std::uint16_t domain, bool gone)
    {
        if (gone)
        {
            forget_client(kSockets + domain - 1);
        }
        store_.domains_ended(gone ? std::vector{domain} : std::vector<std::uint16_t>(),
                             gone ? std::vector<std::uint16_t>() : std::vector{domain});
        model_.ended(domain, gone);
        replied_.clear();
        return {};
    }
    void forget_client(int number)
    {
        clients_[static_cast<std::size_t>(number)].reset();
        open_[number].clear();
    }

    // Watches of one client at the same path may be told in any order; other than that, the order counts.
    void compare_events()
    {
        std::map<int, std::vector<std::string>> expected;
        for (auto const& [number, event] : std::exchange(model_.events, {}))
        {
            expected[number].push_back(event);
        }
        for (int number = 0; number < kClients; ++number)
        {
            if (!clients_[static_cast<std::size_t>(number)].has_value())
            {
                continue;
            }
            std::vector<std::string> const heard = client(number).events();
            events_ += heard.size();
            ASSERT_EQ(in_order(number, heard), in_order(number, expected[number])) << "client " << number;
        }
    }
    std::vector<std::string> in_order(int number, std::vector<std::string> events)
    {
        auto const path_of = [&](std::string const& event) {
            return resolve(number, event.substr(0, event.find('|'))).absolute;
        };
        for (auto first = events.begin(); first != events.end();)
        {
            auto const last =
                std::find_if(first, events.end(), [&](auto const& event) { return path_of(event) != path_of(*first); });
            std::sort(first, last);
            first = last;
        }
        return events;
    }

    std::mt19937 random_;
    Store store_;
    NaiveStore model_;
    std::vector<std::optional<TestClient>> clients_;
    std::map<int, std::vector<std::uint32_t>> open_;
    std::map<std::string, std::string> generation_of_;
    std::map<std::string, std::string> listing_of_;
    std::string replied_;
    std::size_t events_ = 0;
};

TEST(Model, RandomSequencesMatchTheNaiveStore)
{
    std::size_t events = 0;
    char const* const wanted = std::getenv("MODEL_SEEDS"); // more of them, for a long run
    std::uint32_t const seeds = wanted == nullptr ? 40 : static_cast<std::uint32_t>(std::stoul(wanted));
    for (std::uint32_t seed = 1; seed <= seeds && !::testing::Test::HasFatalFailure(); ++seed)
    {
        SCOPED_TRACE("seed " + std::to_string(seed));
        ModelRun run(seed);
        run.run(1000);
        events += run.events();
    }
    EXPECT_GT(events, 4000U) << "the sequences should make clients hear something";
}

} // namespace
} // namespace tessera::store::test
