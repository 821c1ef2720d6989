# SPDX-License-Identifier: MIT
# libFuzzer targets of the hypervisor's core: `fuzz-smoke` runs each for a few seconds, `fuzz` for SECONDS_TO_RUN.
#
# A target is tests/fuzz/NAME/*.cpp, linked with the core and the hosted port. What a run learns stays in
# build/fuzz/NAME/corpus; an input that breaks something is left in build/fuzz/NAME.

out := build/fuzz
CXX := $(if $(shell command -v ccache),ccache )clang++-19
SECONDS_TO_RUN ?= 600
SMOKE_SECONDS ?= 15

-include hypervisor/configs/config.mk

# The store's targets belong to xenstore-like/build.mk.
targets := $(filter-out store,$(patsubst tests/fuzz/%/,%,$(sort $(dir $(wildcard tests/fuzz/*/*.cpp)))))
core_sources := $(wildcard hypervisor/lib/*.cpp hypervisor/core/*/*.cpp hypercalls/dispatch/*.cpp hypercalls/handlers/*.cpp)
port_sources := $(wildcard tests/host-port/*.cpp)

CXXFLAGS := -std=gnu++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
            -fno-sanitize-recover=all -Ihypervisor -I. -Itests/unit -Itests/host-port -Ibuild/generated -Wall -Wextra \
            -MMD -MP
LDFLAGS := -fsanitize=fuzzer,address,undefined -pthread

objects_of = $(patsubst %.cpp,$(out)/objects/%.o,$(1))
core := $(out)/libcore.a
programs := $(foreach target,$(targets),$(out)/$(target)-fuzz)

.PHONY: all fuzz fuzz-smoke smoke run clean
.DEFAULT_GOAL := all

all: $(programs)

$(out)/objects/%.o: %.cpp tests/fuzz/build.mk | $(config_header)
	@mkdir -p $(@D)
	@echo "  CXX $< (fuzz)"
	@$(CXX) $(CXXFLAGS) -c -o $@ $<

$(core): $(call objects_of,$(core_sources))
	@rm -f $@
	@ar rcs $@ $^

define program_of
$(out)/$(1)-fuzz: $(call objects_of,$(wildcard tests/fuzz/$(1)/*.cpp) $(port_sources)) $(core)
	@echo "  LD  $$@"
	@$(CXX) $(LDFLAGS) -o $$@ $$(filter %.o,$$^) $(core)
endef
$(foreach target,$(targets),$(eval $(call program_of,$(target))))

# $(1) seconds
run_all = status=0; for target in $(targets); do \
	mkdir -p $(out)/$$target/corpus; \
	echo "fuzz: $$target for $(1) s"; \
	$(out)/$$target-fuzz -max_total_time=$(1) -len_control=0 -max_len=512 -print_final_stats=1 -timeout=10 -artifact_prefix=$(out)/$$target/ \
		$(out)/$$target/corpus || status=1; \
	done; exit $$status

fuzz-smoke: all
	@$(call run_all,$(SMOKE_SECONDS))

fuzz: all
	@$(call run_all,$(SECONDS_TO_RUN))

smoke: fuzz-smoke
run: fuzz

clean:
	rm -rf $(out)

-include $(shell find $(out)/objects -name '*.d' 2>/dev/null)
