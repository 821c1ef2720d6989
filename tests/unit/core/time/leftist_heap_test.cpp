// SPDX-License-Identifier: MIT
// The priority queue of timers and run queues: order, removal from the middle, and its balance.
#include <core/time/leftist_heap.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace hv
{
namespace
{

struct Item : HeapNode<Item>
{
    int key = 0;
    bool in = false;
};

struct Less
{
    static bool before(Item const& a, Item const& b) { return a.key < b.key; }
};

using Heap = LeftistHeap<Item, Less>;

// Verifies order, parent links and the leftist property; returns the number of nodes.
std::size_t check(Item const* node, Item const* parent)
{
    if (node == nullptr)
        return 0;
    EXPECT_EQ(node->heap_parent, parent);
    if (parent != nullptr)
    {
        EXPECT_LE(parent->key, node->key);
    }
    std::uint32_t const left = node->heap_left != nullptr ? node->heap_left->heap_rank : 0;
    std::uint32_t const right = node->heap_right != nullptr ? node->heap_right->heap_rank : 0;
    EXPECT_GE(left, right);
    EXPECT_EQ(node->heap_rank, right + 1);
    return 1 + check(node->heap_left, node) + check(node->heap_right, node);
}

TEST(LeftistHeap, GivesElementsInOrder)
{
    std::vector<Item> items(500);
    std::mt19937 random(1);
    Heap heap;
    for (Item& item : items)
    {
        item.key = static_cast<int>(random() % 100);
        heap.insert(item);
    }
    EXPECT_EQ(check(heap.first(), nullptr), items.size());
    int last = -1;
    for (std::size_t count = 0; count < items.size(); ++count)
    {
        Item const* const item = heap.pop();
        ASSERT_NE(item, nullptr);
        EXPECT_GE(item->key, last);
        last = item->key;
    }
    EXPECT_TRUE(heap.empty());
    EXPECT_EQ(heap.pop(), nullptr);
}

TEST(LeftistHeap, StaysSoundUnderRandomInsertionAndRemoval)
{
    std::vector<Item> items(200);
    std::mt19937 random(2);
    Heap heap;
    std::size_t inside = 0;
    for (int step = 0; step < 20000; ++step)
    {
        Item& item = items[random() % items.size()];
        if (item.in)
            heap.remove(item);
        else
        {
            item.key = static_cast<int>(random() % 1000);
            heap.insert(item);
        }
        item.in = !item.in;
        inside += item.in ? 1 : -1;
        if (step % 100 == 0)
        {
            ASSERT_EQ(check(heap.first(), nullptr), inside);
            auto const least = std::min_element(items.begin(), items.end(), [](Item const& a, Item const& b) {
                return (a.in ? a.key : 1 << 30) < (b.in ? b.key : 1 << 30);
            });
            if (inside != 0)
            {
                ASSERT_EQ(heap.first()->key, least->key);
            }
        }
    }
}

TEST(LeftistHeap, RightSpineIsLogarithmic)
{
    std::vector<Item> items(4096);
    Heap heap;
    for (std::size_t index = 0; index < items.size(); ++index)
    {
        items[index].key = static_cast<int>(index); // ascending: the worst order for an unbalanced heap
        heap.insert(items[index]);
    }
    unsigned spine = 0;
    for (Item const* node = heap.first(); node != nullptr; node = node->heap_right)
        ++spine;
    EXPECT_LE(spine, 13u);
}

} // namespace
} // namespace hv
