# SPDX-License-Identifier: MIT
# Builds vmctl with its library, and the unit tests with sanitizers; run from the top of the tree.

CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++-12
endif
# Compilations are remembered where ccache is installed; `CXX=...` on the command line goes without.
CXX := $(if $(shell command -v ccache),ccache )$(CXX)

toolstack_warnings := -Wall -Wextra -Werror
# gnu++20: Xen's public headers need the GNU dialect.
toolstack_flags := -std=gnu++20 $(toolstack_warnings) -g -Itoolstack/libvm -Itoolstack/vmctl -MMD -MP
toolstack_libraries := -lxenctrl -lxenguest -lxenstore -lxencall -lxentoollog -lpthread

libvm_sources := $(wildcard toolstack/libvm/*/*.cpp)
vmctl_sources := $(wildcard toolstack/vmctl/*.cpp)
test_sources := $(wildcard tests/unit/toolstack/*.cpp)

release_dir := build/toolstack/release
checked_dir := build/tests/toolstack

release_objects := $(patsubst %.cpp,$(release_dir)/%.o,$(libvm_sources) $(vmctl_sources))
# What can be tested without a hypervisor, with fakes for what talks to it and to the store (tests/unit/toolstack/fake_host.cpp);
# the rest is tested by booting one (tests/system).
tested_sources := $(wildcard toolstack/libvm/base/*.cpp toolstack/libvm/config/*.cpp) \
                  $(addprefix toolstack/libvm/, store/batch.cpp store/layout.cpp store/pipeline.cpp \
                    device/block_device.cpp device/network.cpp domain/find.cpp domain/kernel_cache.cpp domain/registry.cpp \
                    domain/record_json.cpp domain/signals.cpp) \
                  $(wildcard toolstack/libvm/supervise/*.cpp) \
                  $(addprefix toolstack/vmctl/, command_line.cpp console.cpp create.cpp host.cpp output.cpp supervise.cpp)
checked_objects := $(patsubst %.cpp,$(checked_dir)/%.o,$(tested_sources) $(test_sources))

.PHONY: all test clean-toolstack

all: build/bin/vmctl

build/bin/vmctl: $(release_objects)
	@mkdir -p $(@D)
	$(CXX) -O2 -s -pie -o $@ $^ $(toolstack_libraries)

$(release_dir)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(toolstack_flags) -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -c -o $@ $<

test: $(checked_dir)/unit
	timeout 60 $(checked_dir)/unit

$(checked_dir)/unit: $(checked_objects)
	@mkdir -p $(@D)
	$(CXX) -fsanitize=address,undefined -o $@ $^ -lpthread -lutil -lgtest -lgtest_main

$(checked_dir)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(toolstack_flags) -O0 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -c -o $@ $<

clean-toolstack:
	rm -rf build/toolstack $(checked_dir) build/bin/vmctl

-include $(release_objects:.o=.d) $(checked_objects:.o=.d)
