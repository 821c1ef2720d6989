# SPDX-License-Identifier: MIT
# The benchmark of the hypervisor: one guest image that counts instructions, and a driver that boots it on Tessera and on
# Debian's Xen.

B := build/bench
CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
PYTHON ?= python3
sources := $(wildcard tests/bench/hypervisor/guest/*.cpp tests/guests/runtime/*.cpp)
asm_sources := $(wildcard tests/bench/hypervisor/guest/*.S tests/guests/runtime/*.S)
objects := $(sources:%.cpp=$(B)/%.o) $(asm_sources:%.S=$(B)/%.S.o)
CXXFLAGS := -std=gnu++20 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables \
            -fno-stack-protector -fno-pie -fcf-protection=none -mno-red-zone -mgeneral-regs-only -O2 -g -Wall -Wextra -Werror \
            -I. -Ihypervisor -MMD -MP

.PHONY: all bench clean
all: $(B)/bench.elf

bench: all
	@$(PYTHON) tests/bench/hypervisor/bench.py --image $(B)/bench.elf $(BENCH_ARGUMENTS)

$(B)/%.S.o: %.S
	@mkdir -p $(@D)
	@$(CXX) -c -D__ASSEMBLY__ -fno-pie -o $@ $<

$(B)/%.o: %.cpp tests/bench/hypervisor/build.mk
	@mkdir -p $(@D)
	@echo "  CXX $<"
	@$(CXX) $(CXXFLAGS) -c -o $@ $<

$(B)/bench.elf: $(objects) tests/guests/runtime/guest.lds
	@$(CXX) -nostdlib -static -no-pie -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,--build-id=none \
	    -Wl,-T,tests/guests/runtime/guest.lds -o $@ $(objects)

clean:
	rm -rf $(B)

-include $(filter %.d,$(objects:.o=.d))
