// SPDX-License-Identifier: MIT
// Implements live updates.
#include "daemon/live_update.hpp"

#include "journal/record.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace tessera::store
{

namespace
{

void set_inherited(int descriptor, bool inherited)
{
    int const flags = ::fcntl(descriptor, F_GETFD);
    ::fcntl(descriptor, F_SETFD, inherited ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC);
}

void encode_socket(SocketConnection& connection, std::string& out)
{
    {
        RecordWriter record(out, RecordKind::Socket);
        record.number(connection.descriptor());
        record.text(connection.unread_input());
        record.text(connection.client().output.pending());
    }
    for (Watch const* watch = connection.client().watches; watch != nullptr; watch = watch->next_of_client)
    {
        RecordWriter record(out, RecordKind::SocketWatch);
        record.text(watch->path());
        record.text(watch->token());
        record.number(watch->prefix);
        record.number(watch->depth);
    }
}

std::string encode_everything(Store const& store, SocketServer const& sockets, RingServer const* rings)
{
    std::string out;
    SnapshotEncoder encoder(store);
    encoder.step(store, static_cast<std::size_t>(-1), out);
    if (rings != nullptr)
    {
        rings->for_each_state([&](std::uint16_t domain, RecoveredRing const& ring) {
            {
                RecordWriter record(out, RecordKind::RingPosition);
                record.number(domain);
                record.number(ring.position.request_consumer);
                record.number(ring.position.response_producer);
            }
            encode_ring(domain, ring, out);
        });
    }
    {
        RecordWriter record(out, RecordKind::Listener);
        record.number(sockets.descriptor());
    }
    for (auto const& [descriptor, connection] : sockets.connections())
    {
        encode_socket(*connection, out);
    }
    return out;
}

std::vector<std::string> split(std::string const& text)
{
    std::vector<std::string> words;
    std::size_t start = 0;
    while (start < text.size())
    {
        std::size_t const end = std::min(text.find(' ', start), text.size());
        if (end > start)
        {
            words.push_back(text.substr(start, end - start));
        }
        start = end + 1;
    }
    return words;
}

} // namespace

std::string LiveUpdate::control(std::vector<std::string_view> const& arguments)
{
    std::string_view const step = arguments.size() > 1 ? arguments[1] : std::string_view();
    if (step == "-f" && arguments.size() == 3)
    {
        std::string const program(arguments[2]);
        if (::access(program.c_str(), X_OK) != 0)
        {
            return "live-update: cannot run " + program + ": " + std::strerror(errno) + "\n";
        }
        program_ = program;
        extra_.clear();
        return "OK";
    }
    if (step == "-a")
    {
        program_.clear();
        return "OK";
    }
    if (program_.empty())
    {
        return "live-update: name the new program first (-f FILE)\n";
    }
    if (step == "-c" && arguments.size() == 3)
    {
        extra_ = arguments[2];
        return "OK";
    }
    if (step == "-s")
    {
        wanted_ = true;
        return "OK";
    }
    return "usage: live-update -f FILE | -c ARGUMENTS | -a | -s\n";
}

// The new program starts a journal of its own beside the old one, and there is no way back for it if it cannot.
bool LiveUpdate::has_room(std::size_t bytes) const
{
    constexpr std::size_t kSpare = std::size_t{1} << 20;
    struct statfs status{};
    return directory_.empty() || ::statfs(directory_.c_str(), &status) != 0 ||
           static_cast<std::uint64_t>(status.f_bavail) * static_cast<std::uint64_t>(status.f_bsize) >= bytes + kSpare;
}

std::string LiveUpdate::execute(Store const& store, SocketServer const& sockets, RingServer const* rings,
                                std::vector<std::string> const& settings)
{
    wanted_ = false;
    std::string const state = encode_everything(store, sockets, rings);
    if (!has_room(state.size()))
    {
        return "no room for another journal in " + directory_;
    }
    FileDescriptor const file(::memfd_create("tessera-store-state", MFD_CLOEXEC));
    if (!file.valid() || ::ftruncate(file.get(), static_cast<off_t>(state.size())) != 0 ||
        ::pwrite(file.get(), state.data(), state.size(), 0) != static_cast<ssize_t>(state.size()))
    {
        return std::string("cannot write the state: ") + std::strerror(errno);
    }
    std::vector<std::string> words = arguments_;
    words[0] = program_;
    words.insert(words.end(), settings.begin(), settings.end());
    for (std::string const& extra : split(extra_))
    {
        words.push_back(extra);
    }
    for (std::string const& more : {std::string("--foreground"), "--handover=" + std::to_string(file.get())})
    {
        words.push_back(more);
    }
    std::vector<char*> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string& word : words)
    {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    std::vector<int> kept = {file.get(), sockets.descriptor()};
    for (auto const& [descriptor, connection] : sockets.connections())
    {
        kept.push_back(descriptor);
    }
    for (int const descriptor : kept)
    {
        set_inherited(descriptor, true);
    }
    ::execv(program_.c_str(), pointers.data());
    int const error = errno;
    for (int const descriptor : kept)
    {
        set_inherited(descriptor, false);
    }
    return "cannot run " + program_ + ": " + std::strerror(error);
}

void LiveUpdate::load(int descriptor, Store& store, RecoveredRings& rings, Handover& handover)
{
    FileDescriptor const file(descriptor);
    struct stat status{};
    if (::fstat(descriptor, &status) != 0)
    {
        throw std::runtime_error(std::string("no state was handed over: ") + std::strerror(errno));
    }
    std::string state(static_cast<std::size_t>(status.st_size), '\0');
    if (::pread(descriptor, state.data(), state.size(), 0) != static_cast<ssize_t>(state.size()))
    {
        throw std::runtime_error("the state that was handed over cannot be read");
    }
    for (std::string_view bytes = state; !bytes.empty();)
    {
        RecordReader record(bytes);
        if (!record.valid())
        {
            throw std::runtime_error("the state that was handed over is damaged");
        }
        if (record.kind() == RecordKind::Listener)
        {
            handover.listener = record.number<int>();
            set_inherited(handover.listener, false);
        }
        else if (record.kind() == RecordKind::Socket)
        {
            auto& socket = handover.sockets.emplace_back();
            socket.descriptor = record.number<int>();
            socket.input = record.text();
            socket.output = record.text();
            set_inherited(socket.descriptor, false);
        }
        else if (record.kind() == RecordKind::SocketWatch && !handover.sockets.empty())
        {
            auto& watch = handover.sockets.back().watches.emplace_back();
            watch.path = record.text();
            watch.token = record.text();
            watch.prefix = record.number<std::uint32_t>();
            watch.depth = record.number<std::uint32_t>();
        }
        else if (record.kind() == RecordKind::RingPosition)
        {
            auto& position = rings[record.number<std::uint16_t>()].position;
            position.request_consumer = record.number<std::uint32_t>();
            position.response_producer = record.number<std::uint32_t>();
        }
        else if (!restore_record(store, record))
        {
            decode_ring(record, rings);
        }
    }
}

} // namespace tessera::store
