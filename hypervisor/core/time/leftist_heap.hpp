// SPDX-License-Identifier: MIT
// An intrusive priority queue (leftist heap): insertion, removal of the first and of any element are O(log n) in the
// worst case, and none allocates. Timers and run queues are made of it.
#pragma once

#include <cstdint>

namespace hv
{

// Base of an element that can be on one LeftistHeap at a time; its pointers are null while it is on none.
template<typename T>
struct HeapNode
{
    T* heap_parent = nullptr;
    T* heap_left = nullptr;
    T* heap_right = nullptr;
    std::uint32_t heap_rank = 1; // length of the right spine
};

// `Before::before(a, b)`: a leaves the heap before b.
template<typename T, typename Before>
class LeftistHeap
{
public:
    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    [[nodiscard]] T* first() const { return root_; }

    void insert(T& element)
    {
        element.heap_rank = 1;
        root_ = root_ == nullptr ? &element : merge(root_, &element);
    }

    // `element` must be on this heap.
    void remove(T& element)
    {
        T* const parent = element.heap_parent;
        T* const rest = take_children(element);
        if (rest != nullptr)
            rest->heap_parent = parent;
        if (parent == nullptr)
        {
            root_ = rest;
            return;
        }
        if (parent->heap_left == &element)
            parent->heap_left = rest;
        else
            parent->heap_right = rest;
        element.heap_parent = nullptr;
        for (T* node = parent; node != nullptr; node = node->heap_parent)
        {
            std::uint32_t const old_rank = node->heap_rank;
            restore(*node);
            if (node->heap_rank == old_rank)
                break;
        }
    }

    T* pop() { return root_ != nullptr ? &take_first() : nullptr; }

    // The same of a heap that is not empty.
    T& take_first()
    {
        T& element = *root_;
        root_ = take_children(element);
        if (root_ != nullptr)
            root_->heap_parent = nullptr;
        return element;
    }

private:
    static std::uint32_t rank(T const* node) { return node != nullptr ? node->heap_rank : 0; }

    // The two subheaps of `element` as one, which is all there is to do when there is at most one.
    static T* take_children(T& element)
    {
        T* const left = element.heap_left;
        if (left == nullptr)
            return nullptr; // leftist: no right one either
        T* const right = element.heap_right;
        element.heap_left = element.heap_right = nullptr;
        return right == nullptr ? left : merge(orphan(left), orphan(right));
    }

    static T* orphan(T* node)
    {
        if (node != nullptr)
            node->heap_parent = nullptr;
        return node;
    }

    static void restore(T& node)
    {
        if (rank(node.heap_left) < rank(node.heap_right))
        {
            T* const left = node.heap_left;
            node.heap_left = node.heap_right;
            node.heap_right = left;
        }
        node.heap_rank = rank(node.heap_right) + 1;
    }

    // Merges two heaps whose roots have no parent, along their right spines.
    static T* merge(T* a, T* b)
    {
        T* root = nullptr;
        T* last = nullptr;
        while (a != nullptr && b != nullptr)
        {
            if (Before::before(*b, *a))
            {
                T* const first = b;
                b = a;
                a = first;
            }
            attach(root, last, a);
            last = a;
            a = a->heap_right;
        }
        if (T* const rest = a != nullptr ? a : b; rest != nullptr)
            attach(root, last, rest);
        for (T* node = last; node != nullptr; node = node->heap_parent)
            restore(*node);
        return root;
    }

    static void attach(T*& root, T* last, T* node)
    {
        if (last == nullptr)
            root = node;
        else
            last->heap_right = node;
        node->heap_parent = last;
    }

    T* root_ = nullptr;
};

} // namespace hv
