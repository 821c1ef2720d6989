// SPDX-License-Identifier: MIT
// Tests of the persistent tree: contents, snapshots, order, sharing and accounting of memory.
#include "store_fixture.hpp"

#include <map>
#include <random>
#include <set>

namespace tessera::store::test
{
namespace
{

class TreeTest : public ::testing::Test
{
protected:
    PermissionId permissions() { return nodes.permissions().intern({{0, kAccessNone}}); }

    void set_value(std::string_view path, std::string_view value)
    {
        tree.set_value(path, tree.walk_for_change(path), value);
    }

    static std::string contents(Tree const& tree)
    {
        std::string text;
        std::string path("/");
        for_each_below(*tree.root(), path, [&](std::string const& at, Node const& node) {
            text += at + "=" + std::string(node.value()) + ";";
        });
        return text;
    }

    NodeStore nodes;
    Tree tree{nodes, permissions()};
};

TEST_F(TreeTest, WalkReportsHowFarThePathExists)
{
    tree.create("/a", "1", permissions());
    tree.create("/a/b", "2", permissions());
    EXPECT_EQ(tree.find("/a/b")->value(), "2");
    EXPECT_EQ(tree.find("/"), tree.root());
    Walk const walk = tree.walk("/a/c/d");
    EXPECT_EQ(walk.node, nullptr);
    EXPECT_EQ(walk.nearest, tree.find("/a"));
    EXPECT_EQ(walk.nearest_length, 2U);
    EXPECT_EQ(tree.walk("/x").nearest_length, 1U);
}

TEST_F(TreeTest, ChildrenAreSortedByName)
{
    std::set<std::string> names;
    for (char const* name : {"b", "a", "abcdefgh", "abcdefghi", "abcdefghj", "abcdefg", "B", "10", "9", "abcdefgh1"})
    {
        names.insert(name);
        tree.create("/" + std::string(name), name, permissions());
    }
    std::vector<std::string> seen;
    Tree::for_each_child(*tree.root(), [&](Node const& node) {
        node.append_name(seen.emplace_back());
        return true;
    });
    EXPECT_EQ(seen, std::vector<std::string>(names.begin(), names.end()));
    for (auto const& name : names)
    {
        EXPECT_EQ(tree.find("/" + name)->value(), name);
    }
}

TEST_F(TreeTest, SnapshotKeepsItsContents)
{
    tree.create("/a", "1", permissions());
    tree.create("/a/b", "2", permissions());
    Tree const snapshot = tree;
    EXPECT_TRUE(snapshot.same_version(tree));
    std::string const before = contents(snapshot);
    set_value("/a/b", "something longer than it was");
    tree.create("/c", "3", permissions());
    tree.remove("/a");
    EXPECT_FALSE(snapshot.same_version(tree));
    EXPECT_EQ(contents(snapshot), before);
    EXPECT_EQ(contents(tree), "/=;/c=3;");
}

TEST_F(TreeTest, UnsharedTreeIsChangedInPlace)
{
    tree.create("/a", "1", permissions());
    std::size_t const count = nodes.node_count();
    Node const* const node = tree.find("/a");
    set_value("/a", "2");
    EXPECT_EQ(tree.find("/a"), node);
    EXPECT_EQ(nodes.node_count(), count);
}

// A shared node anywhere on the way, siblings in a treap included, must be copied by a change: it starts there.
TEST_F(TreeTest, AChangeStartsAtTheFirstSharedNode)
{
    for (int i = 0; i < 40; ++i)
    {
        tree.create("/" + std::to_string(i), "", permissions());
        tree.create("/" + std::to_string(i) + "/below", "old", permissions());
    }
    EXPECT_EQ(tree.walk_for_change("/7/below").shared_from, Walk::kNotShared);
    EXPECT_EQ(*tree.walk_for_change("/7/below").slot, tree.find("/7/below"));
    EXPECT_EQ(tree.walk_for_change("/7/absent").node, nullptr);
    EXPECT_EQ(tree.walk("/7/below").slot, nullptr);
    std::optional<Tree> snapshot = tree;
    EXPECT_EQ(tree.walk_for_change("/7/below").shared_from, 0U) << "from the root on";
    set_value("/7/below", "new");
    EXPECT_EQ(tree.walk_for_change("/7/below").shared_from, Walk::kNotShared) << "copied by the first change";
    std::size_t const from = tree.walk_for_change("/8/below").shared_from;
    EXPECT_TRUE(from == 1 || from == 3) << "the root is unique, at least the last node is not: " << from;
    for (int i = 0; i < 40; ++i)
    {
        set_value("/" + std::to_string(i) + "/below", "new");
        EXPECT_EQ(snapshot->find("/" + std::to_string(i) + "/below")->value(), "old");
    }
    snapshot.reset();
    EXPECT_EQ(nodes.node_count(), 81U);
}

TEST_F(TreeTest, DigestDependsOnTheSetOfNamesOnly)
{
    std::uint64_t const empty = tree.root()->children_digest;
    tree.create("/a", "", permissions());
    tree.create("/b", "", permissions());
    std::uint64_t const both = tree.root()->children_digest;
    set_value("/a", "changed");
    EXPECT_EQ(tree.root()->children_digest, both);
    tree.remove("/a");
    EXPECT_NE(tree.root()->children_digest, both);
    tree.create("/a", "", permissions());
    EXPECT_EQ(tree.root()->children_digest, both);
    tree.remove("/a");
    tree.remove("/b");
    EXPECT_EQ(tree.root()->children_digest, empty);
}

TEST_F(TreeTest, RandomChangesMatchAMapAtEverySnapshot)
{
    std::mt19937 random(1);
    std::map<std::string, std::string> map{{"/", ""}};
    std::vector<std::pair<Tree, std::map<std::string, std::string>>> snapshots;
    auto const below = [](std::string const& top, std::string const& path) {
        return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
    };
    for (int step = 0; step < 5000; ++step)
    {
        std::string path;
        for (std::uint32_t depth = 1 + random() % 3; depth > 0; --depth)
        {
            path += "/n" + std::to_string(random() % 12);
        }
        bool const parent_exists = map.contains(std::string(parent_path(path)));
        if (map.contains(path))
        {
            if (random() % 3 == 0)
            {
                tree.remove(path);
                std::erase_if(map, [&](auto const& entry) { return below(path, entry.first); });
            }
            else
            {
                map[path] = std::string(random() % 40, 'x');
                set_value(path, map[path]);
            }
        }
        else if (parent_exists)
        {
            map[path] = std::to_string(step);
            tree.create(path, map[path], permissions());
        }
        if (step % 500 == 0)
        {
            snapshots.emplace_back(tree, map);
        }
    }
    snapshots.emplace_back(tree, map);
    for (auto const& [version, expected] : snapshots)
    {
        std::map<std::string, std::string> seen;
        std::string path("/");
        for_each_below(*version.root(), path,
                       [&](std::string const& at, Node const& node) { seen[at] = std::string(node.value()); });
        EXPECT_EQ(seen, expected);
    }
    snapshots.clear();
    EXPECT_EQ(nodes.node_count(), map.size()) << "dropping snapshots must free what only they used";
}

TEST_F(TreeTest, TenThousandSiblingsStayShallow)
{
    constexpr int kCount = 10000;
    for (int i = 0; i < kCount; ++i)
    {
        tree.create("/" + std::to_string(i), "", permissions());
    }
    std::function<int(Node const*)> depth = [&](Node const* node) -> int {
        return node == nullptr ? 0 : 1 + std::max(depth(node->left), depth(node->right));
    };
    EXPECT_LT(depth(tree.root()->children), 60);
}

TEST_F(TreeTest, DeepTreesAreFreedWithoutDeepRecursion)
{
    std::string path;
    for (int i = 0; i < 1500; ++i)
    {
        path += "/a";
        tree.create(path, "", permissions());
    }
    tree.remove("/a");
    EXPECT_EQ(nodes.node_count(), 1U);
}

TEST(Permissions, ParseAndFormat)
{
    Permission permission;
    for (std::string const text : {"n0", "r1", "w65535", "b7"})
    {
        ASSERT_TRUE(parse_permission(text, permission)) << text;
        EXPECT_EQ(format_permission(permission), text);
    }
    for (std::string_view const bad : {"", "r", "x1", "r-1", "r65536", "r1x", "1r", "R1"})
    {
        EXPECT_FALSE(parse_permission(bad, permission)) << bad;
    }
}

TEST(Permissions, AccessFollowsOwnerThenEntryThenDefault)
{
    PermissionList const list = {{1, kAccessRead}, {2, kAccessWrite}, {3, kAccessNone}};
    EXPECT_EQ(allowed_access(list, 1), kAccessRead | kAccessWrite);
    EXPECT_EQ(allowed_access(list, 2), kAccessWrite);
    EXPECT_EQ(allowed_access(list, 3), kAccessNone);
    EXPECT_EQ(allowed_access(list, 4), kAccessRead);
}

TEST(Permissions, EqualListsAreStoredOnce)
{
    PermissionPool pool;
    PermissionId const first = pool.intern({{1, kAccessRead}});
    EXPECT_EQ(pool.intern({{1, kAccessRead}}), first);
    EXPECT_NE(pool.intern({{1, kAccessNone}}), first);
    EXPECT_EQ(pool.size(), 2U);
    pool.release(first);
    EXPECT_EQ(pool.size(), 2U);
    pool.release(first);
    EXPECT_EQ(pool.size(), 1U);
}

TEST(Permissions, ADeadDomainLosesEverything)
{
    PermissionPool pool;
    PermissionId const owned = pool.intern({{5, kAccessRead}, {6, kAccessWrite}});
    PermissionId const granted = pool.intern({{0, kAccessNone}, {5, kAccessWrite}, {6, kAccessRead}});
    pool.forget_domain(5);
    EXPECT_EQ(pool.list(owned), (PermissionList{{0, kAccessRead}, {6, kAccessWrite}}));
    EXPECT_EQ(pool.list(granted), (PermissionList{{0, kAccessNone}, {6, kAccessRead}}));
    pool.forget_domain(5);
    pool.release(owned);
    pool.release(granted);
    EXPECT_EQ(pool.size(), 0U);
}

} // namespace
} // namespace tessera::store::test
