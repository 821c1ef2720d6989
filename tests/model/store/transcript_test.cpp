// SPDX-License-Identifier: MIT
// Replays what was recorded while Debian's kernel booted as control domain and xl and vmctl created and ended guests, and
// compares every reply and every event with the record. transcripts/convert.py explains the lines.
#include "store_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace tessera::store::test
{
namespace
{

constexpr char kTranscripts[] = "tests/model/store/transcripts";

// The text between the first and the last quote, with quote_text()'s escapes undone.
std::string unquote(std::string const& line)
{
    std::size_t const start = line.find('"') + 1;
    std::size_t const end = line.rfind('"');
    std::string text;
    for (std::size_t i = start; i < end; ++i)
    {
        if (line[i] != '\\')
        {
            text += line[i];
        }
        else if (line[++i] == 'x')
        {
            text += static_cast<char>(std::stoi(line.substr(i + 1, 2), nullptr, 16));
            i += 2;
        }
        else
        {
            text += line[i];
        }
    }
    return text;
}

class Replay
{
public:
    // Plays one file on the store that the files before left behind.
    void play(std::filesystem::path const& path)
    {
        std::ifstream file(path);
        ASSERT_TRUE(file) << path;
        std::string line;
        for (int number = 1; std::getline(file, line) && !::testing::Test::HasFatalFailure(); ++number)
        {
            SCOPED_TRACE(path.string() + ":" + std::to_string(number) + ": " + line);
            take(line);
        }
        compare();
    }
    std::size_t requests() const { return requests_; }
    std::size_t events() const { return events_; }
    std::string check() { return TestClient(store_, store_.connect_socket()).call(XS_CONTROL, "check\0"s); }

private:
    using Heard = std::map<std::string, std::vector<std::string>>; // by client, in the order of its queue

    static std::uint32_t operation_called(std::string const& name)
    {
        for (std::uint32_t number = 0; number < kOperationCount; ++number)
        {
            if (operation_name(number) == name)
            {
                return number;
            }
        }
        ADD_FAILURE() << "no operation is called " << name;
        return 0;
    }

    void take(std::string const& line)
    {
        std::istringstream words(line);
        std::string mark;
        std::string name;
        words >> mark >> name;
        if (mark == "=")
        {
            expected_[requester_].push_back(name + " " + unquote(line));
        }
        else if (mark == "!")
        {
            ++events_;
            expected_[name].push_back("watch_event " + unquote(line));
        }
        else if (mark != "#")
        {
            compare();
            act(mark, name, words, line);
        }
    }

    void act(std::string const& mark, std::string const& name, std::istringstream& words, std::string const& line)
    {
        if (mark == ">")
        {
            std::string operation;
            std::uint32_t transaction = 0;
            words >> operation >> transaction;
            std::string const payload = unquote(line);
            requester_ = name;
            ++requests_;
            Client* const client = client_called(name);
            ASSERT_NE(client, nullptr) << name << " is not connected";
            store_.handle(*client, {operation_called(operation), ++request_id_, transaction, payload});
        }
        else if (mark == "-")
        {
            ASSERT_TRUE(sockets_.contains(name));
            store_.disconnect(*sockets_[name]);
            sockets_.erase(name);
        }
        else if (mark == "@" && name == "introduce")
        {
            std::uint16_t domain = 0;
            words >> domain;
            ASSERT_EQ(store_.introduce(domain, 0, 1), 0);
        }
        else
        {
            ASSERT_TRUE(mark == "@" && name == "ended") << "not a line of a transcript";
            std::vector<std::uint16_t> gone;
            std::vector<std::uint16_t> shut_down;
            std::string what;
            std::uint16_t domain = 0;
            while (words >> what >> domain)
            {
                (what == "gone" ? gone : shut_down).push_back(domain);
            }
            store_.domains_ended(gone, shut_down);
        }
    }

    Client* client_called(std::string const& name)
    {
        if (name.front() == 'd')
        {
            Domain const* const domain = store_.domain(static_cast<std::uint16_t>(std::stoi(name.substr(1))));
            return domain == nullptr ? nullptr : domain->client;
        }
        Client*& client = sockets_[name];
        client = client == nullptr ? &store_.connect_socket() : client;
        return client;
    }

    // What was heard since the last call must be what the transcript says up to here.
    void compare()
    {
        Heard heard;
        auto const collect = [&](std::string const& name, Client& client) {
            for (Message const& message : drain(client))
            {
                heard[name].push_back(std::string(operation_name(message.type)) + " " + message.payload);
            }
        };
        for (auto const& [name, client] : sockets_)
        {
            collect(name, *client);
        }
        for (auto const& [id, domain] : store_.domains())
        {
            collect("d" + std::to_string(id), *domain.client);
        }
        ASSERT_EQ(heard, std::exchange(expected_, {}));
    }

    Store store_;
    std::map<std::string, Client*> sockets_;
    Heard expected_;
    std::string requester_;
    std::uint32_t request_id_ = 0;
    std::size_t requests_ = 0;
    std::size_t events_ = 0;
};

TEST(Transcripts, XlVmctlAndXenbusGetTheRecordedRepliesAndEvents)
{
    std::vector<std::filesystem::path> files;
    for (auto const& entry : std::filesystem::directory_iterator(kTranscripts))
    {
        if (entry.path().extension() == ".txt")
        {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    Replay replay;
    ASSERT_EQ(files.size(), 7U) << "run from the top of the source tree";
    for (auto const& file : files)
    {
        replay.play(file);
        ASSERT_FALSE(HasFatalFailure());
        EXPECT_EQ(replay.check(), kOk);
    }
    EXPECT_GT(replay.requests(), 1500U);
    EXPECT_GT(replay.events(), 400U);
}

} // namespace
} // namespace tessera::store::test
