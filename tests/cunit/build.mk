# SPDX-License-Identifier: MIT
# C-language ABI tests written to CUnit's interface, each linked twice: with Debian's libcunit and with the replacement.

here := tests/cunit
out := build/tests/cunit
CC := gcc
CXX := g++
AR := ar
PYTHON ?= python3

warnings := -Wall -Wextra -Werror
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=undefined
C_FLAGS := -std=gnu11 -O1 -g -MMD -MP $(warnings) -I$(here)/verdict -I$(here)/abi
CXX_FLAGS := -std=gnu++20 -O1 -g -MMD -MP $(warnings) -I$(here)/abi -Ihypervisor -I.

library := $(out)/libcunit-gtest.a
library_objects := $(patsubst $(here)/%.cpp,$(out)/%.o,$(wildcard $(here)/replacement/*.cpp))
abi_sources := $(wildcard $(here)/abi/*.c)
view_objects := $(patsubst $(here)/%.cpp,$(out)/%.o,$(wildcard $(here)/abi/*.cpp))
libraries := libcunit replacement
programs := $(foreach which,$(libraries),$(out)/abi-$(which) $(out)/sample-$(which) $(out)/interface-$(which))

link_libcunit := -lcunit
link_replacement := $(library) -lgtest -lpthread
include_replacement := -I$(here)/replacement

.PHONY: all test clean
.DEFAULT_GOAL := all
.SECONDARY:

all: $(library) $(programs)

$(out)/replacement/%.o: $(here)/replacement/%.cpp $(here)/build.mk
	@mkdir -p $(@D)
	@echo "  CXX $<"
	@$(CXX) $(CXX_FLAGS) $(sanitizers) -c -o $@ $<

$(out)/abi/%.o: $(here)/abi/%.cpp $(here)/build.mk
	@mkdir -p $(@D)
	@echo "  CXX $<"
	@$(CXX) $(CXX_FLAGS) $(sanitizers) -c -o $@ $<

$(library): $(library_objects)
	@$(AR) rcs $@ $^

# $(1) libcunit or replacement: objects against its headers, programs against its library.
define per_library
$(out)/$(1)/%.o: $(here)/%.c $(here)/build.mk
	@mkdir -p $$(@D)
	@echo "  CC  $$< ($(1))"
	@$(CC) $(C_FLAGS) $(sanitizers) $(include_$(1)) -c -o $$@ $$<

$(out)/abi-$(1): $(abi_sources:$(here)/%.c=$(out)/$(1)/%.o) $(out)/$(1)/verdict/verdict.o $(view_objects) \
                 $(if $(filter replacement,$(1)),$(library))
	@$(CXX) $(sanitizers) -o $$@ $$(filter %.o,$$^) $(link_$(1))

$(out)/sample-$(1): $(out)/$(1)/samples/sample.o $(out)/$(1)/verdict/verdict.o $(if $(filter replacement,$(1)),$(library))
	@$(CXX) $(sanitizers) -o $$@ $$(filter %.o,$$^) $(link_$(1))

$(out)/interface-$(1): $(out)/$(1)/samples/interface.o $(if $(filter replacement,$(1)),$(library))
	@$(CXX) $(sanitizers) -o $$@ $$(filter %.o,$$^) $(link_$(1))
endef
$(foreach which,$(libraries),$(eval $(call per_library,$(which))))

test: all
	@$(PYTHON) $(here)/verdict_test.py $(out)
	@$(out)/abi-libcunit
	@$(out)/abi-replacement

clean:
	rm -rf $(out)

-include $(library_objects:.o=.d) $(view_objects:.o=.d) $(shell find $(out) -name '*.d' 2>/dev/null)
