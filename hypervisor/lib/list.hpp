// SPDX-License-Identifier: MIT
// Intrusive doubly linked list; the link lives in the element, so insertion never allocates.
#pragma once

#include <cstddef>

namespace hv
{

struct ListLink
{
    ListLink* next = nullptr;
    ListLink* previous = nullptr;
    [[nodiscard]] bool linked() const { return next != nullptr; }
};

template<typename T, ListLink T::* Member>
class List
{
public:
    constexpr List() : head_{&head_, &head_} {}
    List(List const&) = delete;
    List& operator=(List const&) = delete;

    [[nodiscard]] bool empty() const { return head_.next == &head_; }
    [[nodiscard]] T* front() { return empty() ? nullptr : owner(head_.next); }

    void push_back(T& element) { insert(&(element.*Member), head_.previous); }
    void push_front(T& element) { insert(&(element.*Member), &head_); }

    T* pop_front()
    {
        T* element = front();
        if (element != nullptr)
            remove(*element);
        return element;
    }

    static void remove(T& element)
    {
        ListLink& link = element.*Member;
        link.previous->next = link.next;
        link.next->previous = link.previous;
        link.next = link.previous = nullptr;
    }

    // `visit` may remove the element it is given.
    template<typename F>
    void for_each(F&& visit)
    {
        for (ListLink* link = head_.next; link != &head_;)
        {
            ListLink* next = link->next;
            visit(*owner(link));
            link = next;
        }
    }

private:
    static T* owner(ListLink* link)
    {
        alignas(T) static char probe[sizeof(T)];
        auto const offset = reinterpret_cast<char*>(&(reinterpret_cast<T*>(probe)->*Member)) - probe;
        return reinterpret_cast<T*>(reinterpret_cast<char*>(link) - offset);
    }

    static void insert(ListLink* link, ListLink* after)
    {
        link->next = after->next;
        link->previous = after;
        after->next->previous = link;
        after->next = link;
    }

    ListLink head_;
};

} // namespace hv
