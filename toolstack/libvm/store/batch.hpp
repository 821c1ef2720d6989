// SPDX-License-Identifier: MIT
// A list of changes to the store that are made together, so that a guest costs a handful of round trips.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vm
{

/// Who may do what with a node: the owner has all rights, `readers` may read.
struct StorePermissions
{
    std::uint32_t owner = 0;
    std::vector<std::uint32_t> readers;

    bool operator==(StorePermissions const&) const = default;
};

struct StoreOperation
{
    enum class Kind
    {
        Write,
        MakeDirectory,
        Remove, ///< of a node and what is below it; a node that is not there is no error
        Permissions,
        Introduce, ///< not within a transaction
    };

    Kind kind = Kind::Write;
    std::string path;             ///< "" for Introduce
    std::string value;            ///< Write only
    StorePermissions permissions; ///< Permissions only
    std::uint32_t domain = 0;     ///< Introduce only, as the next two
    std::uint64_t ring_frame = 0;
    std::uint32_t ring_port = 0;
};

/// A new node gets its parent's permissions; set those of a directory before writing below it.
class StoreBatch
{
public:
    void write(std::string path, std::string value);
    void make_directory(std::string path);
    void make_directory(std::string path, StorePermissions permissions);
    void remove(std::string path);
    void set_permissions(std::string path, StorePermissions permissions);
    void introduce(std::uint32_t domain, std::uint64_t ring_frame, std::uint32_t ring_port);

    std::vector<StoreOperation> const& operations() const { return operations_; }

private:
    std::vector<StoreOperation> operations_;
};

} // namespace vm
