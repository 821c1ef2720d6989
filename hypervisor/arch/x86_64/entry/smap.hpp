// SPDX-License-Identifier: MIT
// STAC and CLAC where the CPU has SMAP: the places are NOPs until boot patches them.
#pragma once

#include <cstdint>

namespace hv
{

// Opens user-accessible memory to us until close_user_access(). Nothing but a guarded copy may stand in between.
inline void open_user_access()
{
    asm volatile("771: .byte 0x0f, 0x1f, 0x00\n\t"
                 ".pushsection .rodata.smap_stac, \"a\", @progbits\n\t"
                 ".quad 771b\n\t"
                 ".popsection"
                 :
                 :
                 : "memory");
}

inline void close_user_access()
{
    asm volatile("771: .byte 0x0f, 0x1f, 0x00\n\t"
                 ".pushsection .rodata.smap_clac, \"a\", @progbits\n\t"
                 ".quad 771b\n\t"
                 ".popsection"
                 :
                 :
                 : "memory");
}

// Boot CPU, before the first entry from a guest, when CR4.SMAP is in use.
void apply_smap_patches();

} // namespace hv
