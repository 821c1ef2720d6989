// SPDX-License-Identifier: MIT
// Feeds arbitrary bytes to the request parser and arbitrary pages and indices to the ring, and lets the store check its
// own books afterwards.
#include "service/store.hpp"
#include "transport/ring_connection.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace tessera::store;

namespace
{

constexpr std::string_view kCheck("check\0", 6);

// The stream as a socket would deliver it.
void run_stream(Store& store, Client& client, std::string_view bytes)
{
    while (true)
    {
        Frame const frame = next_frame(bytes);
        if (frame.status != FrameStatus::Complete)
        {
            return;
        }
        store.handle(client, frame.request);
        client.output.clear();
        store.output_drained(client);
        bytes.remove_prefix(frame.size);
    }
}

// The page as a guest could write it: requests, then some bytes changed anywhere, again and again.
void run_ring(Store& store, Client& client, std::string_view bytes)
{
    xenstore_domain_interface page{};
    RingConnection connection(store, client, &page);
    while (bytes.size() >= 4)
    {
        std::size_t const count = std::min<std::size_t>(static_cast<unsigned char>(bytes[0]) * 8U, bytes.size() - 4);
        std::size_t const offset =
            (static_cast<unsigned char>(bytes[1]) << 8 | static_cast<unsigned char>(bytes[2])) % sizeof page;
        bool const corrupt = (bytes[3] & 7) == 7;
        for (std::size_t i = 0; i < count; ++i)
        {
            page.req[MASK_XENSTORE_IDX(page.req_prod + i)] = bytes[4 + i];
        }
        page.req_prod += static_cast<std::uint32_t>(count);
        if (corrupt)
        {
            reinterpret_cast<unsigned char*>(&page)[offset] ^= static_cast<unsigned char>(bytes[3]);
        }
        bool notify = false;
        connection.run(8, notify);
        page.rsp_cons = page.rsp_prod;
        bytes.remove_prefix(4 + count);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size)
{
    if (size < 2)
    {
        return 0;
    }
    Store store;
    Client& control = store.connect_socket();
    PermissionList const owner = {{1, kAccessNone}};
    store.restore_change({ChangeKind::MakeDirectory, "/local/domain/1", {}, nullptr, 0});
    store.restore_change({ChangeKind::SetPermissions, "/local/domain/1", {}, &owner, 0});
    if (store.introduce(1, 1, 1) != 0)
    {
        std::abort();
    }
    Client& guest = *store.domain(1)->client;
    std::string_view const bytes(reinterpret_cast<char const*>(data + 1), size - 1);
    switch (data[0] % 3)
    {
    case 0: run_stream(store, control, bytes); break;
    case 1: run_stream(store, guest, bytes); break;
    default: run_ring(store, guest, bytes); break;
    }
    Client& checker = store.connect_socket();
    store.handle(checker, {XS_CONTROL, 1, 0, kCheck});
    if (!checker.output.pending().substr(kHeaderSize).starts_with("OK"))
    {
        std::abort();
    }
    return 0;
}
