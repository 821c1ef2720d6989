// SPDX-License-Identifier: MIT
// A handle to one version of the store's contents. Copying it takes a snapshot in constant time.
#pragma once

#include "tree/node_store.hpp"

namespace tessera::store
{

// Result of following a path: the node, or how far the path exists.
struct Walk
{
    Node const* node = nullptr;     // null if the path does not exist
    Node const* nearest = nullptr;  // the node, or its nearest existing ancestor
    std::size_t nearest_length = 0; // how many characters of the path `nearest` covers ("/" counts as 1)
    // walk_for_change only: the first place on the way at which another version shares the node, and where in the path
    // the component starts that is looked for there; `node` itself and kNotShared if nothing is shared.
    Node** slot = nullptr;
    std::size_t shared_from = kNotShared;

    static constexpr std::size_t kNotShared = static_cast<std::size_t>(-1);
};

// Takes the components of a canonical absolute path one after the other.
class PathComponents
{
public:
    explicit PathComponents(std::string_view path) : begin_(path.data()), at_(begin_ + 1), end_(begin_ + path.size()) {}

    // The end of a component and its key come from the same eight bytes.
    [[gnu::always_inline]] bool next(Name& out)
    {
        if (at_ >= end_)
        {
            return false;
        }
        auto const left = static_cast<std::size_t>(end_ - at_);
        std::uint64_t word = 0;
        if (left >= 8)
        {
            std::memcpy(&word, at_, sizeof word);
        }
        else if (end_ - begin_ >= 8)
        { // the path's last eight bytes, without those before the component
            std::memcpy(&word, end_ - 8, sizeof word);
            word >>= (8 - left) * 8;
        }
        else
        {
            word = __builtin_bswap64(name_key({at_, left}));
        }
        constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
        std::uint64_t const other = word ^ (kOnes * '/');
        std::uint64_t const slashes = (other - kOnes) & ~other & (kOnes * 0x80);
        std::size_t length = left;
        if (slashes != 0)
        {
            length = static_cast<std::size_t>(__builtin_ctzll(slashes)) / 8;
            word &= (std::uint64_t{1} << (8 * length)) - 1;
        }
        else if (left > 8)
        {
            auto const* slash = static_cast<char const*>(std::memchr(at_ + 8, '/', left - 8));
            length = slash == nullptr ? left : static_cast<std::size_t>(slash - at_);
        }
        out.text = {at_, length};
        out.key = __builtin_bswap64(word);
        at_ += length + 1;
        return true;
    }

    [[nodiscard]] bool at_end() const { return at_ >= end_; }

private:
    char const* begin_;
    char const* at_; // behind the slash in front of the next component
    char const* end_;
};

// All paths are canonical and absolute. References to nodes stay valid until the tree is changed.
class Tree
{
public:
    // An empty tree: its root has no value and takes over one reference to `root_permissions`.
    Tree(NodeStore& nodes, PermissionId root_permissions);
    Tree(Tree const& other);
    Tree(Tree&& other) noexcept;
    Tree& operator=(Tree other) noexcept;
    ~Tree();

    [[nodiscard]] Walk walk(std::string_view path) const;

    // The same, and sets `slot` for a change in place. It holds until the tree is changed or copied.
    [[nodiscard]] Walk walk_for_change(std::string_view path);
    [[nodiscard]] Node const* find(std::string_view path) const { return walk(path).node; }
    [[nodiscard]] Node const* root() const { return root_; }
    [[nodiscard]] NodeStore& nodes() const { return *nodes_; }

    // True if both are the same version, which costs one comparison.
    [[nodiscard]] bool same_version(Tree const& other) const { return root_ == other.root_; }

    // The node must exist; `walk` is where walk_for_change() or walk() found it.
    void set_value(std::string_view path, Walk const& walk, std::string_view value);

    // The node must exist. Takes over one reference to `permissions`.
    void set_permissions(std::string_view path, PermissionId permissions);

    // The parent must exist and the node must not. Takes over one reference to `permissions`.
    void create(std::string_view path, std::string_view value, PermissionId permissions);

    // The node must exist and must not be the root.
    void remove(std::string_view path);

    // Calls visit(Node const&) for each child of `parent` in the order of names; visit returns false to stop.
    template<typename Visit>
    static bool for_each_child(Node const& parent, Visit&& visit)
    {
        return in_order(parent.children, visit);
    }

private:
    template<typename Visit>
    static bool in_order(Node const* node, Visit& visit) // recursion is as deep as a treap: logarithmic
    {
        return node == nullptr || (in_order(node->left, visit) && visit(*node) && in_order(node->right, visit));
    }

    Node** unique_slot(std::string_view path);
    Node** unique_slot(std::string_view path, Walk const& walk);
    Node** unique_below(Node** slot, std::string_view rest);

    NodeStore* nodes_;
    Node* root_;
};

// Visits `top` and everything below it, parents first; `path` is its path and is restored on return.
// visit(std::string const& path, Node const&).
template<typename Visit>
void for_each_below(Node const& top, std::string& path, Visit&& visit)
{
    visit(path, top);
    std::size_t const length = path.size();
    Tree::for_each_child(top, [&](Node const& child) {
        if (length > 1)
        {
            path += '/';
        }
        child.append_name(path);
        for_each_below(child, path, visit);
        path.resize(length);
        return true;
    });
}

} // namespace tessera::store
