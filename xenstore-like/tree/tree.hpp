// SPDX-License-Identifier: MIT
// A handle to one version of the store's contents. Copying it takes a snapshot in constant time.
#pragma once

#include "tree/node_store.hpp"

namespace tessera::store {

// Result of following a path: the node, or how far the path exists.
struct Walk {
    Node const* node = nullptr;     // null if the path does not exist
    Node const* nearest = nullptr;  // the node, or its nearest existing ancestor
    std::size_t nearest_length = 0; // how many characters of the path `nearest` covers ("/" counts as 1)
};

// Takes the components of a canonical absolute path one after the other.
class PathComponents {
public:
    explicit PathComponents(std::string_view path) : rest_(path.size() > 1 ? path.substr(1) : std::string_view()) {}

    // The end of a component and its key come from the same eight bytes.
    bool next(Name& out)
    {
        std::size_t const left = rest_.size();
        if (left == 0) {
            return false;
        }
        std::uint64_t word = 0;
        if (left >= 8) {
            std::memcpy(&word, rest_.data(), sizeof word);
        } else {
            word = __builtin_bswap64(name_key(rest_));
        }
        constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
        std::uint64_t const other = word ^ (kOnes * '/');
        std::uint64_t const slashes = (other - kOnes) & ~other & (kOnes * 0x80);
        std::size_t length = left;
        if (slashes != 0) {
            length = static_cast<std::size_t>(__builtin_ctzll(slashes)) / 8;
            word &= length == 0 ? 0 : ~0ULL >> (64 - 8 * length);
        } else if (left > 8) {
            auto const* slash = static_cast<char const*>(std::memchr(rest_.data() + 8, '/', left - 8));
            length = slash == nullptr ? left : static_cast<std::size_t>(slash - rest_.data());
        }
        out.text = rest_.substr(0, length);
        out.key = __builtin_bswap64(word);
        rest_.remove_prefix(length == left ? length : length + 1);
        return true;
    }

    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

// All paths are canonical and absolute. References to nodes stay valid until the tree is changed.
class Tree {
public:
    // An empty tree: its root has no value and takes over one reference to `root_permissions`.
    Tree(NodeStore& nodes, PermissionId root_permissions);
    Tree(Tree const& other);
    Tree(Tree&& other) noexcept;
    Tree& operator=(Tree other) noexcept;
    ~Tree();

    [[nodiscard]] Walk walk(std::string_view path) const;
    [[nodiscard]] Node const* find(std::string_view path) const { return walk(path).node; }
    [[nodiscard]] Node const* root() const { return root_; }
    [[nodiscard]] NodeStore& nodes() const { return *nodes_; }

    // True if both are the same version, which costs one comparison.
    [[nodiscard]] bool same_version(Tree const& other) const { return root_ == other.root_; }

    // The node must exist.
    void set_value(std::string_view path, std::string_view value);

    // The node must exist. Takes over one reference to `permissions`.
    void set_permissions(std::string_view path, PermissionId permissions);

    // The parent must exist and the node must not. Takes over one reference to `permissions`.
    void create(std::string_view path, std::string_view value, PermissionId permissions);

    // The node must exist and must not be the root.
    void remove(std::string_view path);

    // Calls visit(Node const&) for each child of `parent` in the order of names; visit returns false to stop.
    template <typename Visit>
    static bool for_each_child(Node const& parent, Visit&& visit)
    {
        return in_order(parent.children, visit);
    }

private:
    template <typename Visit>
    static bool in_order(Node const* node, Visit& visit)  // recursion is as deep as a treap: logarithmic
    {
        return node == nullptr || (in_order(node->left, visit) && visit(*node) && in_order(node->right, visit));
    }

    Node** unique_slot(std::string_view path);

    NodeStore* nodes_;
    Node* root_;
};

// Visits `top` and everything below it, parents first; `path` is its path and is restored on return.
// visit(std::string const& path, Node const&).
template <typename Visit>
void for_each_below(Node const& top, std::string& path, Visit&& visit)
{
    visit(path, top);
    std::size_t const length = path.size();
    Tree::for_each_child(top, [&](Node const& child) {
        if (length > 1) {
            path += '/';
        }
        child.append_name(path);
        for_each_below(child, path, visit);
        path.resize(length);
        return true;
    });
}

}  // namespace tessera::store
