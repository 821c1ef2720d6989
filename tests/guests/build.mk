# SPDX-License-Identifier: MIT
# PV test guests: one small image for each file of cases/, booted as the initial domain.

B := build/guests
CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
# Compilations are remembered where ccache is installed; `CXX=...` on the command line goes without.
CXX := $(if $(shell command -v ccache),ccache )$(CXX)
PYTHON ?= python3
cases := $(wildcard tests/guests/cases/*.cpp)
images := $(cases:tests/guests/cases/%.cpp=$(B)/%.elf)
runtime := $(B)/start.o $(B)/guest.o $(B)/modes.o $(B)/child.o
CXXFLAGS := -std=gnu++20 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables \
            -fno-stack-protector -fno-pie -fcf-protection=none -mno-red-zone -mgeneral-regs-only -O1 -g -Wall -Wextra -Werror \
            -I. -Ihypervisor -MMD -MP

# Which mutations, by name or by case; all when empty.
MUTATIONS ?=

.PHONY: all test test-debug mutations clean
all: $(images)

test: all
	@$(PYTHON) tests/system/run_guest.py --machines tests/guests/machines.json $(images)

# The same on the debug configuration, which checks lock ranks and more on the way.
test-debug: all
	@+$(MAKE) --no-print-directory -f hypervisor/build.mk CONFIG_DIRECTORY=build/debug DEFCONFIG=debug all
	@$(PYTHON) tests/system/run_guest.py --hypervisor build/debug/tessera --machines tests/guests/machines.json $(images)

# Takes defences out of a copy of the hypervisor; the cases have to notice (README.md). Some minutes.
mutations: all
	@$(PYTHON) tests/guests/mutations.py $(MUTATIONS)

$(B)/start.o: tests/guests/runtime/start.S
	@mkdir -p $(@D)
	@$(CXX) -c -D__ASSEMBLY__ -fno-pie -o $@ $<

$(filter-out $(B)/start.o,$(runtime)): $(B)/%.o: tests/guests/runtime/%.cpp tests/guests/build.mk
	@mkdir -p $(@D)
	@$(CXX) $(CXXFLAGS) -c -o $@ $<

$(B)/%.o: tests/guests/cases/%.cpp tests/guests/build.mk
	@mkdir -p $(@D)
	@echo "  CXX $<"
	@$(CXX) $(CXXFLAGS) -c -o $@ $<

$(B)/%.elf: $(B)/%.o $(runtime) tests/guests/runtime/guest.lds
	@$(CXX) -nostdlib -static -no-pie -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,--build-id=none \
	    -Wl,-T,tests/guests/runtime/guest.lds -o $@ $(runtime) $<

.SECONDARY:
clean:
	rm -rf $(B)

-include $(wildcard $(B)/*.d)
