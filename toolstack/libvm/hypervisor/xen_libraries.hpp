// SPDX-License-Identifier: MIT
// Includes the headers of Xen's libraries with C linkage, which they do not declare themselves.
#pragma once

// What those headers include must come first: C linkage is not for the C library's C++ overloads.
#include <cerrno>
#include <cstdarg>
#include <cstdbool>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

extern "C"
{
#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xentoollog.h>
}
