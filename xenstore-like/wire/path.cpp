// SPDX-License-Identifier: MIT
// Implements path checks with one table look-up per byte.
#include "wire/path.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <emmintrin.h>

namespace tessera::store
{

namespace
{

constexpr std::array<bool, 256> make_allowed()
{
    std::array<bool, 256> allowed{};
    for (char const c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@"))
    {
        allowed[static_cast<unsigned char>(c)] = true;
    }
    return allowed;
}

constexpr std::array<bool, 256> kAllowed = make_allowed();

} // namespace

// Looks at sixteen bytes at a time: every byte must lie in one of the allowed ranges, and no slash may follow another.
bool valid_absolute_path(std::string_view path)
{
    if (path.empty() || path.front() != '/' || path.size() > kAbsolutePathMax)
    {
        return false;
    }
    if (path.size() == 1)
    {
        return true;
    }
    auto const in_range = [](__m128i bytes, char first, char last) {
        __m128i const offset = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
        return _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(static_cast<char>(last - first))), offset);
    };
    char padded[16];
    unsigned slash_before = 0;
    for (std::size_t done = 0; done < path.size(); done += 16)
    {
        std::size_t const count = path.size() - done;
        char const* block = path.data() + done;
        if (count < 16 && path.size() >= 16)
        { // look at the last sixteen bytes, some of them again
            block = path.data() + path.size() - 16;
            slash_before = 0;
        }
        else if (count < 16)
        {
            std::memset(padded, 'a', sizeof padded);
            std::memcpy(padded, block, count);
            block = padded;
        }
        __m128i const bytes = _mm_loadu_si128(reinterpret_cast<__m128i const*>(block));
        __m128i allowed = _mm_or_si128(in_range(bytes, '/', '9'), in_range(bytes, '@', 'Z'));
        allowed = _mm_or_si128(allowed, in_range(bytes, 'a', 'z'));
        allowed = _mm_or_si128(allowed, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
        allowed = _mm_or_si128(allowed, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));
        auto const slashes = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'))));
        if (_mm_movemask_epi8(allowed) != 0xffff || (slashes & (slashes << 1 | slash_before)) != 0)
        {
            return false;
        }
        slash_before = slashes >> 15;
    }
    return path.back() != '/';
}

int complete_path(std::string_view path, std::uint16_t domain, std::string& scratch, NodePath& out)
{
    if (path.empty() || path.front() == '@')
    {
        return EINVAL;
    }
    if (path.front() == '/')
    {
        out = {path, 0};
        return path.size() <= kAbsolutePathMax && (path.back() != '/' || path.size() == 1) ? 0 : EINVAL;
    }
    if (path.size() > kRelativePathMax)
    {
        return EINVAL;
    }
    scratch = domain_path(domain);
    scratch += '/';
    std::size_t const prefix = scratch.size();
    scratch += path;
    out = {scratch, prefix};
    return scratch.size() <= kAbsolutePathMax && scratch.back() != '/' ? 0 : EINVAL;
}

int resolve_path(std::string_view path, std::uint16_t domain, std::string& scratch, NodePath& out)
{
    int const error = complete_path(path, domain, scratch, out);
    return error == 0 && !valid_absolute_path(out.text) ? EINVAL : error;
}

int resolve_watch_path(std::string_view path, std::uint16_t domain, std::string& scratch, NodePath& out)
{
    if (path.empty() || path.front() != '@')
    {
        return resolve_path(path, domain, scratch, out);
    }
    out = {path, 0};
    bool const valid = path.size() <= kRelativePathMax &&
                       std::all_of(path.begin(), path.end(), [](unsigned char c) { return kAllowed[c] && c != '/'; });
    return valid ? 0 : EINVAL;
}

std::string domain_path(std::uint16_t domain)
{
    std::string path(kDomainRoot);
    path += std::to_string(domain);
    return path;
}

std::string_view parent_path(std::string_view path)
{
    std::size_t const slash = path.rfind('/');
    return slash == 0 || slash == std::string_view::npos ? std::string_view("/") : path.substr(0, slash);
}

std::size_t path_depth(std::string_view path)
{
    return path.size() <= 1 ? 0 : static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

bool is_same_or_below(std::string_view ancestor, std::string_view path)
{
    if (ancestor == "/")
    {
        return !path.empty() && path.front() == '/';
    }
    return path.starts_with(ancestor) && (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

} // namespace tessera::store
