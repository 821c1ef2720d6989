// SPDX-License-Identifier: MIT
// Replays random request sequences of several clients, with transactions, against the naive store and compares every
// reply and every event.
#include "naive_store.hpp"
#include "store_fixture.hpp"

#include <algorithm>
#include <random>

namespace tessera::store::test
{
namespace
{

class ModelRun
{
public:
    explicit ModelRun(std::uint32_t seed) : random_(seed)
    {
        clients_.emplace_back(store_, store_.connect_socket());
        clients_.emplace_back(store_, store_.connect_socket());
        model_.domain_of = {{0, 0}, {1, 0}};
        for (int domain = 1; domain <= 2; ++domain)
        {
            EXPECT_EQ(store_.introduce(static_cast<std::uint16_t>(domain), 1, 1), 0);
            clients_.emplace_back(store_, *store_.domain(static_cast<std::uint16_t>(domain))->client);
            model_.domain_of[domain + 1] = static_cast<std::uint16_t>(domain);
        }
    }

    void run(int steps)
    {
        for (int step = 0; step < steps; ++step)
        {
            std::string trace;
            int const client = pick(4);
            std::string const expected = one_request(client, trace);
            ASSERT_EQ(replied_, expected) << "step " << step << ": client " << client << " " << trace;
            ASSERT_EQ(collected(), modelled()) << "events of step " << step << ": client " << client << " " << trace;
        }
        EXPECT_TRUE(clients_[0].call(XS_CONTROL, "check\0"s).starts_with("OK"));
    }

private:
    using ClientEvents = std::vector<std::pair<int, std::string>>;

    int pick(int count) { return static_cast<int>(random_() % static_cast<std::uint32_t>(count)); }

    std::string path()
    {
        std::string text;
        for (int depth = 1 + pick(4); depth > 0; --depth)
        {
            text += "/" + std::string(1, static_cast<char>('a' + pick(3)));
        }
        return text;
    }

    PermissionList permissions()
    {
        PermissionList list;
        for (int count = 1 + pick(3); count > 0; --count)
        {
            list.push_back({static_cast<std::uint16_t>(pick(3)), static_cast<std::uint8_t>(pick(4))});
        }
        return list;
    }

    std::uint32_t some_transaction(int client)
    {
        auto& open = open_[client];
        return open.empty() || pick(3) == 0 ? 0 : open[static_cast<std::size_t>(pick(static_cast<int>(open.size())))];
    }

    std::string one_request(int number, std::string& trace)
    {
        TestClient& client = clients_[static_cast<std::size_t>(number)];
        std::string const at = path();
        std::uint32_t const id = some_transaction(number);
        int const kind = pick(12);
        trace = "kind " + std::to_string(kind) + " " + at + " in " + std::to_string(id);
        switch (kind)
        {
        case 0:
        case 1: replied_ = client.read(at, id); return model_.read(number, at, id);
        case 2: replied_ = client.directory(at, id); return model_.directory(number, at, id);
        case 3:
        case 4:
        {
            std::string const value(static_cast<std::size_t>(pick(30)), static_cast<char>('0' + pick(3)));
            replied_ = client.write(at, value, id);
            return model_.write(number, at, value, id);
        }
        case 5: replied_ = client.make_directory(at, id); return model_.make_directory(number, at, id);
        case 6: replied_ = client.remove(at, id); return model_.remove(number, at, id);
        case 7:
        {
            PermissionList const list = permissions();
            std::string text;
            for (auto const& permission : list)
            {
                text += (text.empty() ? "" : ",") + format_permission(permission);
            }
            replied_ = client.set_permissions(at, text, id);
            return model_.set_permissions(number, at, list, id);
        }
        case 8: replied_ = client.call(XS_GET_PERMS, at + "\0"s, id); return model_.get_permissions(number, at, id);
        case 9:
        {
            std::string const token(1, static_cast<char>('t' + pick(3)));
            bool const add = pick(2) == 0;
            replied_ = add ? client.watch(at, token) : client.unwatch(at, token);
            return add ? model_.watch(number, at, token) : model_.unwatch(number, at, token);
        }
        case 10:
            if (open_[number].size() < 3)
            {
                replied_ = client.call(XS_TRANSACTION_START, "\0"s);
                open_[number].push_back(model_.next_transaction);
                return model_.start(number);
            }
            [[fallthrough]];
        default:
        {
            bool const commit = pick(4) != 0;
            replied_ = client.end(id, commit);
            std::erase(open_[number], id);
            return id == 0 ? "!ENOENT" : model_.end(number, id, commit);
        }
        }
    }

    ClientEvents collected()
    {
        ClientEvents all;
        for (int number = 0; number < 4; ++number)
        {
            for (auto const& event : clients_[static_cast<std::size_t>(number)].events())
            {
                all.emplace_back(number, event);
            }
        }
        std::sort(all.begin(), all.end());
        return all;
    }
    ClientEvents modelled()
    {
        ClientEvents all = std::exchange(model_.events, {});
        std::sort(all.begin(), all.end());
        return all;
    }

    std::mt19937 random_;
    Store store_;
    NaiveStore model_;
    std::vector<TestClient> clients_;
    std::map<int, std::vector<std::uint32_t>> open_;
    std::string replied_;
};

TEST(Model, RandomSequencesMatchTheNaiveStore)
{
    for (std::uint32_t seed = 1; seed <= 20 && !::testing::Test::HasFatalFailure(); ++seed)
    {
        SCOPED_TRACE("seed " + std::to_string(seed));
        ModelRun(seed).run(1000);
    }
}

} // namespace
} // namespace tessera::store::test
