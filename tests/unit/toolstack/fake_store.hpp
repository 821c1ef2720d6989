// SPDX-License-Identifier: MIT
// A store daemon for tests: answers the wire protocol on a socket from a map, and can be told to misbehave.
#pragma once

#include "base/unique_fd.hpp"

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace vm::test
{

struct FakeRequest
{
    std::uint32_t type = 0;
    std::uint32_t transaction = 0;
    std::string payload;
};

class FakeStore
{
public:
    FakeStore();
    ~FakeStore();

    UniqueFd take_client() { return std::move(client_); }

    /// How many commits are answered with EAGAIN before one succeeds.
    int conflicts = 0;
    /// The path that may not be written.
    std::string forbidden;
    /// Answers with a request number that nobody used.
    bool confused = false;

    /// Stops serving and gives what was received; the client must be closed by then.
    std::vector<FakeRequest> const& requests();

    std::map<std::string, std::string> nodes; ///< what is committed

private:
    void serve();
    bool answer(FakeRequest const& request, std::uint32_t number);
    void reply(FakeRequest const& request, std::uint32_t number, std::uint32_t type, std::string const& payload);

    UniqueFd client_;
    UniqueFd server_;
    std::map<std::string, std::string> pending_;
    std::vector<FakeRequest> requests_;
    std::thread thread_;
};

} // namespace vm::test
