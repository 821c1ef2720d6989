// SPDX-License-Identifier: MIT
// Collects store operations in order.
#include "store/batch.hpp"

namespace vm
{

void StoreBatch::write(std::string path, std::string value)
{
    StoreOperation operation;
    operation.path = std::move(path);
    operation.value = std::move(value);
    operations_.push_back(std::move(operation));
}

void StoreBatch::make_directory(std::string path)
{
    StoreOperation operation;
    operation.kind = StoreOperation::Kind::MakeDirectory;
    operation.path = std::move(path);
    operations_.push_back(std::move(operation));
}

void StoreBatch::make_directory(std::string path, StorePermissions permissions)
{
    make_directory(path);
    set_permissions(std::move(path), std::move(permissions));
}

void StoreBatch::remove(std::string path)
{
    StoreOperation operation;
    operation.kind = StoreOperation::Kind::Remove;
    operation.path = std::move(path);
    operations_.push_back(std::move(operation));
}

void StoreBatch::set_permissions(std::string path, StorePermissions permissions)
{
    StoreOperation operation;
    operation.kind = StoreOperation::Kind::Permissions;
    operation.path = std::move(path);
    operation.permissions = std::move(permissions);
    operations_.push_back(std::move(operation));
}

void StoreBatch::introduce(std::uint32_t domain, std::uint64_t ring_frame, std::uint32_t ring_port)
{
    StoreOperation operation;
    operation.kind = StoreOperation::Kind::Introduce;
    operation.domain = domain;
    operation.ring_frame = ring_frame;
    operation.ring_port = ring_port;
    operations_.push_back(std::move(operation));
}

} // namespace vm
