# SPDX-License-Identifier: MIT
# Unit tests of the hypervisor's core and hypercalls, on the hosted port, with address and undefined-behaviour sanitizers.
# Every tests/unit/core/<module>/*_test.cpp and tests/unit/hypercalls/*_test.cpp is picked up.

B := build/unit
CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
# Compilations are remembered where ccache is installed; `CXX=...` on the command line goes without.
CXX := $(if $(shell command -v ccache),ccache )$(CXX)
PYTHON ?= python3

-include hypervisor/configs/config.mk

SANITIZERS ?= address,undefined
core_sources := $(wildcard hypervisor/lib/*.cpp hypervisor/core/*/*.cpp hypercalls/dispatch/*.cpp hypercalls/handlers/*.cpp)
port_sources := $(wildcard tests/host-port/*.cpp)
test_sources := $(wildcard tests/unit/core/*/*_test.cpp tests/unit/hypercalls/*_test.cpp)
FILTER ?= *
# The order of the tests, 1 to 99999; a new one every time, so that none comes to rely on what another leaves behind.
SEED ?= $(shell echo $$(( $$(date +%s) % 99999 + 1 )))

objects_of = $(patsubst %.cpp,$(B)/%.o,$(1))

CXXFLAGS := -std=gnu++20 -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZERS) -fno-sanitize-recover=all \
            -Ihypervisor -I. -Itests/host-port -Itests/unit -Ibuild/generated -Wall -Wextra -Werror -MMD -MP $(EXTRA_CXXFLAGS)
LDFLAGS := -fsanitize=$(SANITIZERS) -pthread
LDLIBS := -lgtest -lgtest_main -lgmock

.PHONY: all test clean
all: $(B)/unit-tests

test: all
	@mkdir -p build/logs
	@seed=$(SEED); echo "  in the order of SEED=$$seed"; \
	timeout 600 $(B)/unit-tests --gtest_filter='$(FILTER)' --gtest_brief=1 --gtest_shuffle --gtest_random_seed=$$seed

$(B)/%.o: %.cpp tests/unit/build.mk | $(config_header)
	@mkdir -p $(@D)
	@echo "  CXX $< (hosted)"
	@$(CXX) $(CXXFLAGS) -c -o $@ $<

$(B)/libcore.a: $(call objects_of,$(core_sources))
	@rm -f $@
	@ar rcs $@ $^

$(B)/unit-tests: $(call objects_of,$(test_sources) $(port_sources)) $(B)/libcore.a
	@$(CXX) $(LDFLAGS) -o $@ $(call objects_of,$(test_sources) $(port_sources)) $(B)/libcore.a $(LDLIBS)
	@echo "  LD  $@"

clean:
	rm -rf $(B)

-include $(patsubst %.o,%.d,$(call objects_of,$(core_sources) $(port_sources) $(test_sources)))
