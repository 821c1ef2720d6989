// SPDX-License-Identifier: MIT
// Implements linking and unlinking of watches by path.
#include "watch/watch_index.hpp"

#include <utility>

namespace tessera::store
{

std::uint64_t WatchIndex::hash_path(std::string_view path) const
{
    if (path.empty() || path.front() != '/')
    {
        return Name(path).hash_below(key_, key_.second);
    }
    std::uint64_t hash = key_.first;
    PathComponents components(path);
    Name name;
    while (components.next(name))
    {
        hash = name.hash_below(key_, hash);
    }
    return hash;
}

// `parent` is the path of a directory, "" for the root.
void WatchIndex::remember_parent(std::string_view parent)
{
    remembered_.above.clear();
    std::uint64_t hash = key_.first;
    std::size_t end = 1;
    PathComponents components(parent.empty() ? std::string_view("/") : parent);
    Name name;
    for (;;)
    {
        if (Watch* const head = head_of(hash); head != nullptr)
        {
            remembered_.above.push_back({head, end});
        }
        if (!components.next(name))
        {
            break;
        }
        hash = name.hash_below(key_, hash);
        end = static_cast<std::size_t>(name.text.data() + name.text.size() - parent.data());
    }
    remembered_.parent = parent;
    remembered_.hash = hash;
    remembered_.valid = true;
}

void WatchIndex::add(Watch& watch)
{
    remembered_.valid = false;
    watch.path_hash = hash_path(watch.path());
    std::size_t slot = slot_of(watch.path_hash);
    if (slots_[slot].head == nullptr)
    {
        if ((used_ + 1) * 2 > slots_.size())
        {
            grow();
            slot = slot_of(watch.path_hash);
        }
        slots_[slot].hash = watch.path_hash;
        ++used_;
    }
    Watch*& head = slots_[slot].head;
    watch.previous_at_path = nullptr;
    watch.next_at_path = head;
    if (head != nullptr)
    {
        head->previous_at_path = &watch;
    }
    head = &watch;
    ++size_;
}

void WatchIndex::remove(Watch& watch)
{
    remembered_.valid = false;
    if (watch.next_at_path != nullptr)
    {
        watch.next_at_path->previous_at_path = watch.previous_at_path;
    }
    if (watch.previous_at_path != nullptr)
    {
        watch.previous_at_path->next_at_path = watch.next_at_path;
    }
    else
    {
        std::size_t const slot = slot_of(watch.path_hash);
        slots_[slot].head = watch.next_at_path;
        if (watch.next_at_path == nullptr)
        {
            free_slot(slot);
        }
    }
    --size_;
}

void WatchIndex::grow()
{
    std::vector<Slot> const old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (Slot const& slot : old)
    {
        if (slot.head != nullptr)
        {
            slots_[slot_of(slot.hash)] = slot;
        }
    }
}

// Closes the gap: slots behind it move up unless they are already as near to their place as they can be.
void WatchIndex::free_slot(std::size_t gap)
{
    std::size_t const mask = slots_.size() - 1;
    slots_[gap] = {};
    for (std::size_t next = (gap + 1) & mask; slots_[next].head != nullptr; next = (next + 1) & mask)
    {
        std::size_t const wanted = slots_[next].hash & mask;
        if (((next - wanted) & mask) >= ((next - gap) & mask))
        {
            slots_[gap] = std::exchange(slots_[next], {});
            gap = next;
        }
    }
    --used_;
}

Watch* WatchIndex::find(Client const* client, std::string_view path, std::string_view token) const
{
    Watch* result = nullptr;
    for_each_at(path, [&](Watch& watch) {
        if (watch.client == client && watch.token() == token)
        {
            result = &watch;
        }
    });
    return result;
}

} // namespace tessera::store
