// SPDX-License-Identifier: MIT
// The one place that speaks Tessera's own hypercall, which is not part of Xen's interface.
#include "hypervisor/counters.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstring>
#include <memory>

extern "C"
{
#include <xencall.h>
}

namespace vm
{
namespace
{

constexpr unsigned kTesseraHypercall = 49; // Xen has a call of its own there: ask who it is first
constexpr char kOurName[] = "tessera";     // in the extra version, nowhere else
constexpr std::uint64_t kInterface = 0;    // tells the number of the interface that the rest of this file speaks
constexpr std::uint64_t kReadCounters = 1;
constexpr int kOurInterface = 1;
constexpr std::uint32_t kMaxCounters = 512;

/// One counter as the hypervisor writes it; the name ends with a NUL unless it fills its field.
struct RawCounter
{
    char cause[56];
    std::uint64_t count;
};
static_assert(sizeof(RawCounter) == 64);

/// The argument of kReadCounters: how many entries fit in, how many there are out.
struct ReadCounters
{
    std::uint16_t domain;
    std::uint16_t reserved;
    std::uint32_t capacity;
    std::uint64_t entries; ///< address of an array of RawCounter
    std::uint32_t count;
    std::uint32_t reserved_tail;
};
static_assert(sizeof(ReadCounters) == 24);

struct CloseCall
{
    void operator()(xencall_handle* handle) const { xencall_close(handle); }
};

using Call = std::unique_ptr<xencall_handle, CloseCall>;

/// Memory that a hypercall may reach; freed with the handle it came from.
class CallBuffer
{
public:
    CallBuffer(xencall_handle* handle, std::size_t size) : handle_(handle), data_(xencall_alloc_buffer(handle, size))
    {
        if (!data_)
        {
            throw Error(ExitCode::NoResources, "no memory for a hypercall's buffer");
        }
        std::memset(data_, 0, size);
    }
    ~CallBuffer() { xencall_free_buffer(handle_, data_); }
    CallBuffer(CallBuffer const&) = delete;
    CallBuffer& operator=(CallBuffer const&) = delete;

    void* data() const { return data_; }

private:
    xencall_handle* handle_;
    void* data_;
};

[[noreturn]] void fail_unoffered()
{
    throw Error(ExitCode::Unreachable, "counters are not offered by this hypervisor");
}

[[noreturn]] void fail(int error_number, DomainId domain)
{
    if (error_number == ENOSYS || error_number == EOPNOTSUPP)
    {
        fail_unoffered();
    }
    throw system_error("reading the counters of domain " + std::to_string(domain), error_number);
}

} // namespace

std::vector<Counter> read_counters(Hypervisor const& hypervisor, DomainId domain)
{
    if (hypervisor.host_info().extra_version.find(kOurName) == std::string::npos)
    {
        fail_unoffered();
    }
    Call const call(xencall_open(nullptr, 0));
    if (!call)
    {
        throw system_error("opening the hypercall device", errno);
    }
    if (xencall1(call.get(), kTesseraHypercall, kInterface) != kOurInterface)
    {
        fail_unoffered();
    }
    CallBuffer const entries(call.get(), kMaxCounters * sizeof(RawCounter));
    CallBuffer const argument(call.get(), sizeof(ReadCounters));
    auto* const request = static_cast<ReadCounters*>(argument.data());
    request->domain = static_cast<std::uint16_t>(domain);
    request->capacity = kMaxCounters;
    request->entries = reinterpret_cast<std::uint64_t>(entries.data());
    if (xencall2(call.get(), kTesseraHypercall, kReadCounters, reinterpret_cast<std::uint64_t>(request)) < 0)
    {
        fail(errno, domain);
    }
    std::vector<Counter> counters;
    auto const* const raw = static_cast<RawCounter const*>(entries.data());
    for (std::uint32_t index = 0; index < request->count && index < kMaxCounters; ++index)
    {
        std::string const cause(raw[index].cause, ::strnlen(raw[index].cause, sizeof raw[index].cause));
        counters.push_back({cause, raw[index].count});
    }
    return counters;
}

} // namespace vm
