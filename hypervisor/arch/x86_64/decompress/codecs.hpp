// SPDX-License-Identifier: MIT
// One function per compression format, over the distribution's static libraries.
#pragma once

#include <lib/result.hpp>

#include <cstddef>
#include <span>

namespace hv
{

using CodecInput = std::span<std::byte const>;
using CodecOutput = std::span<std::byte>;

// Each fills `out` completely or logs why not. They run inside a LibraryScope.
Result<void> unpack_xz(CodecInput in, CodecOutput out);
Result<void> unpack_gzip(CodecInput in, CodecOutput out);
Result<void> unpack_lz4(CodecInput in, CodecOutput out);
Result<void> unpack_zstd(CodecInput in, CodecOutput out);

// Working memory, besides the output.
Result<std::size_t> xz_working_bytes(CodecInput in);

} // namespace hv
