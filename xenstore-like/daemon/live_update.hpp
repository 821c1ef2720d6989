// SPDX-License-Identifier: MIT
// Replaces the running program by another one without closing a connection: the state goes through a file in
// memory, the descriptors through exec.
#pragma once

#include "journal/journal.hpp"
#include "transport/ring_server.hpp"
#include "transport/socket_server.hpp"

#include <string>
#include <vector>

namespace tessera::store
{

// What a live update hands over besides the store's records.
struct Handover
{
    struct SocketState
    {
        int descriptor = -1;
        std::string input;
        std::string output;
        struct WatchState
        {
            std::string path;
            std::string token;
            std::uint32_t prefix;
            std::uint32_t depth;
        };
        std::vector<WatchState> watches;
    };

    int listener = -1;
    std::vector<SocketState> sockets;
};

class LiveUpdate
{
public:
    // `directory` holds the journal; empty: there is none.
    LiveUpdate(std::vector<std::string> arguments, std::string directory)
        : arguments_(std::move(arguments)), directory_(std::move(directory))
    {
    }

    // The steps of "xenstore-control live-update": -f FILE, -c ARGUMENTS, -a, -s [-t SECONDS] [-F].
    std::string control(std::vector<std::string_view> const& arguments);

    // True once the update was asked for; the daemon calls execute() between two requests.
    [[nodiscard]] bool wanted() const { return wanted_; }

    // Starts the new program. Returns only if that fails, with the cause; everything goes on as before then.
    // `rings` may be null; `settings` are words of the command line for what was changed since it was given, which the
    // -c ARGUMENTS of the update still come after.
    std::string execute(Store const& store, SocketServer const& sockets, RingServer const* rings,
                        std::vector<std::string> const& settings);

    // Loads what execute() of the program before left behind the descriptor. Throws std::runtime_error.
    static void load(int descriptor, Store& store, RecoveredRings& rings, Handover& handover);

private:
    [[nodiscard]] bool has_room(std::size_t bytes) const;

    std::vector<std::string> arguments_;
    std::string directory_;
    std::string program_;
    std::string extra_;
    bool wanted_ = false;
};

} // namespace tessera::store
