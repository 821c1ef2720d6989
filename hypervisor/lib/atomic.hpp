// SPDX-License-Identifier: MIT
// Thin names over the compiler's atomics, so that each use states its memory order. Loads and stores take enumerations
// too, for which clang has only the built-ins that pass values by address.
#pragma once

#include <cstdint>

namespace hv
{

template<typename T>
inline T load_relaxed(T const& object)
{
    T value;
    __atomic_load(&object, &value, __ATOMIC_RELAXED);
    return value;
}

template<typename T>
inline T load_acquire(T const& object)
{
    T value;
    __atomic_load(&object, &value, __ATOMIC_ACQUIRE);
    return value;
}

template<typename T, typename U>
inline void store_relaxed(T& object, U value)
{
    T stored = static_cast<T>(value);
    __atomic_store(&object, &stored, __ATOMIC_RELAXED);
}

template<typename T, typename U>
inline void store_release(T& object, U value)
{
    T stored = static_cast<T>(value);
    __atomic_store(&object, &stored, __ATOMIC_RELEASE);
}

// Full barrier on x86 (LOCK CMPXCHG); `expected` receives the observed value on failure.
template<typename T>
inline bool compare_exchange(T& object, T& expected, T desired)
{
    return __atomic_compare_exchange_n(&object, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

template<typename T>
inline T exchange(T& object, T value)
{
    return __atomic_exchange_n(&object, value, __ATOMIC_SEQ_CST);
}

template<typename T, typename U>
inline T fetch_add(T& object, U value)
{
    return __atomic_fetch_add(&object, static_cast<T>(value), __ATOMIC_SEQ_CST);
}

template<typename T, typename U>
inline T fetch_sub(T& object, U value)
{
    return __atomic_fetch_sub(&object, static_cast<T>(value), __ATOMIC_SEQ_CST);
}

template<typename T, typename U>
inline T fetch_or(T& object, U value)
{
    return __atomic_fetch_or(&object, static_cast<T>(value), __ATOMIC_SEQ_CST);
}

template<typename T, typename U>
inline T fetch_and(T& object, U value)
{
    return __atomic_fetch_and(&object, static_cast<T>(value), __ATOMIC_SEQ_CST);
}

// Takes one from the 32-bit count in the low half of `word`, leaving the high half alone: true when nothing is left, or the
// count was 0 already and has become 2^32 - 1. Full barrier; one instruction and a branch, which no built-in gives.
inline bool count_down(std::uint64_t& word)
{
    bool last;
    asm volatile("lock subl $1, %0" : "+m"(word), "=@ccbe"(last) : : "memory");
    return last;
}

// Sets bit `bit` of a bitmap of 64-bit words, returns its previous value. Full barrier. The instruction finds the word by
// itself; from the atomics below, which sanitizers understand, the compiler makes the same one and finds the word before.
inline bool test_and_set_bit(std::uint64_t* words, std::uint64_t bit)
{
#ifdef HV_FREESTANDING
    bool before;
    asm volatile("lock btsq %2, %1" : "=@ccc"(before), "+m"(*words) : "r"(bit) : "memory");
    return before;
#else
    std::uint64_t const mask = 1ull << (bit & 63);
    return (fetch_or(words[bit >> 6], mask) & mask) != 0;
#endif
}

inline bool test_and_clear_bit(std::uint64_t* words, std::uint64_t bit)
{
#ifdef HV_FREESTANDING
    bool before;
    asm volatile("lock btrq %2, %1" : "=@ccc"(before), "+m"(*words) : "r"(bit) : "memory");
    return before;
#else
    std::uint64_t const mask = 1ull << (bit & 63);
    return (fetch_and(words[bit >> 6], ~mask) & mask) != 0;
#endif
}

inline bool test_bit(std::uint64_t const* words, std::uint64_t bit)
{
    return ((load_relaxed(words[bit >> 6]) >> (bit & 63)) & 1) != 0;
}

inline void full_barrier()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

} // namespace hv
