// SPDX-License-Identifier: MIT
// What C++ code of the hypervisor sees of the ABI, for comparison with what C sees.
#include "cxx_view.h"

#include <hypercalls/abi/xen.hpp>

namespace abi = hv::abi;

#define ABI_STRUCT(tag, size) sizeof(struct hv::abi::tag),
#define ABI_TYPE(type, size) sizeof(hv::abi::type),
#define ABI_MEMBER(tag, member, offset) offsetof(struct hv::abi::tag, member),
#define ABI_TYPE_MEMBER(type, member, offset) offsetof(hv::abi::type, member),
#define ABI_VALUE(constant, value)

unsigned long const cxx_start_of_day[] = {
#include "start_of_day.def"
};

unsigned long const cxx_processor[] = {
#include "processor.def"
};

unsigned long const cxx_event_channel[] = {
#include "event_channel.def"
};

unsigned long const cxx_grant_table[] = {
#include "grant_table.def"
};

unsigned long const cxx_memory[] = {
#include "memory.def"
};

unsigned long const cxx_scheduling[] = {
#include "scheduling.def"
};

unsigned long const cxx_device[] = {
#include "device.def"
};

unsigned long const cxx_toolstack[] = {
#include "toolstack.def"
};

unsigned long const cxx_version[] = {
#include "version.def"
};
