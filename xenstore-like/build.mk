# SPDX-License-Identifier: MIT
# Builds the store daemon, its tests and its benchmark. Run from the repository root.
CXX := $(if $(filter default undefined,$(origin CXX)),g++,$(CXX))
CXX := $(if $(shell command -v ccache),ccache )$(CXX)
BUILD := build/xenstore-like
SOURCE := xenstore-like

CORE_FOLDERS := wire tree transaction watch service journal
CORE_SOURCES := $(foreach folder,$(CORE_FOLDERS),$(wildcard $(SOURCE)/$(folder)/*.cpp)) \
	$(SOURCE)/transport/ring.cpp $(SOURCE)/transport/ring_connection.cpp $(SOURCE)/transport/ring_server.cpp \
	$(SOURCE)/transport/event_loop.cpp $(SOURCE)/transport/socket_server.cpp
DAEMON_SOURCES := $(SOURCE)/transport/xen_hypervisor.cpp $(wildcard $(SOURCE)/daemon/*.cpp)
LIBRARIES := -lxenctrl -lxenevtchn -lxengnttab -lxenforeignmemory

# The Xen headers use GNU extensions, hence gnu++20.
FLAGS := -std=gnu++20 -Wall -Wextra -Werror -I$(SOURCE) -MMD -MP
RELEASE_FLAGS := $(FLAGS) -O3 -g -flto=auto -fno-plt -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
RELEASE_OBJECTS := $(patsubst $(SOURCE)/%.cpp,$(BUILD)/release/%.o,$(CORE_SOURCES) $(DAEMON_SOURCES))

.PHONY: all
all: build/bin/tessera-store

build/bin/tessera-store: $(RELEASE_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -O3 -g -flto=auto -pie -static-libstdc++ -static-libgcc -Wl,-z,relro,-z,now,--as-needed -o $@ $^ $(LIBRARIES)

$(BUILD)/release/%.o: $(SOURCE)/%.cpp $(SOURCE)/build.mk
	@mkdir -p $(@D)
	$(CXX) $(RELEASE_FLAGS) -c -o $@ $<

-include $(RELEASE_OBJECTS:.o=.d)

# Tests: address and undefined-behaviour sanitizers, GoogleTest.
TEST_SOURCES := $(wildcard tests/unit/store/*.cpp) $(wildcard tests/model/store/*.cpp)
TEST_FLAGS := $(FLAGS) -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
TEST_OBJECTS := $(patsubst $(SOURCE)/%.cpp,$(BUILD)/test/%.o,$(CORE_SOURCES) \
		$(addprefix $(SOURCE)/daemon/,log.cpp metrics.cpp sandbox.cpp)) \
	$(patsubst %.cpp,$(BUILD)/test/%.o,$(TEST_SOURCES))

# The suite counts the two runs together: GoogleTest's summary, and Python's.
.PHONY: test
test: build/tests/store/store_tests build/bin/tessera-store
	ASAN_OPTIONS=detect_leaks=1 timeout 300 build/tests/store/store_tests --gtest_brief=1
	timeout 300 python3 tests/unit/store/daemon_test.py

build/tests/store/store_tests: $(TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -fsanitize=address,undefined -o $@ $^ -lgtest -lgtest_main -lpthread

$(BUILD)/test/%.o: $(SOURCE)/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(TEST_FLAGS) -c -o $@ $<

$(BUILD)/test/tests/%.o: tests/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -O0 -g1 -fsanitize=address -Itests/unit/store -c -o $@ $<

-include $(TEST_OBJECTS:.o=.d)

# The same tests under the thread sanitizer. setarch: it needs addresses where it expects them. The sandbox's test is left
# to `test`: the sanitizer's runtime makes system calls that the sandbox forbids.
TSAN_OBJECTS := $(patsubst $(BUILD)/test/%,$(BUILD)/tsan/%,$(TEST_OBJECTS))

.PHONY: test-tsan
test-tsan: build/tests/store/store_tests_tsan
	TSAN_OPTIONS=halt_on_error=1 timeout 300 setarch -R build/tests/store/store_tests_tsan --gtest_brief=1 \
		--gtest_filter=-DaemonPartsTest.TheSandbox*

build/tests/store/store_tests_tsan: $(TSAN_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -fsanitize=thread -o $@ $^ -lgtest -lgtest_main -lpthread

$(BUILD)/tsan/tests/%.o: tests/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -O0 -g1 -fsanitize=thread -Itests/unit/store -c -o $@ $<

$(BUILD)/tsan/%.o: $(SOURCE)/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -Wno-tsan -O1 -g1 -fsanitize=thread -c -o $@ $<

-include $(TSAN_OBJECTS:.o=.d)

# Fuzzing with libFuzzer (clang). FUZZ_SECONDS sets how long; the smoke run is for every test run.
FUZZ_CXX ?= clang++-19
FUZZ_SECONDS ?= 15
FUZZ_FLAGS := -std=gnu++20 -Wall -Wextra -Werror -I$(SOURCE) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_SOURCES := tests/fuzz/store/store_fuzz.cpp $(filter-out $(SOURCE)/transport/event_loop.cpp $(SOURCE)/transport/socket_server.cpp \
	$(SOURCE)/transport/ring_server.cpp $(SOURCE)/journal/%,$(CORE_SOURCES))
FUZZ_OBJECTS := $(patsubst %.cpp,$(BUILD)/fuzz/%.o,$(FUZZ_SOURCES))

.PHONY: fuzz fuzz-smoke
fuzz: FUZZ_SECONDS = 1800
fuzz fuzz-smoke: build/tests/store/store_fuzz
	@mkdir -p $(BUILD)/corpus
	python3 tests/fuzz/store/make_seeds.py $(BUILD)/corpus
	build/tests/store/store_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=20 -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/ $(BUILD)/corpus
	@echo "1 passed, 0 failed"

build/tests/store/store_fuzz: $(FUZZ_OBJECTS)
	@mkdir -p $(@D)
	$(FUZZ_CXX) -fsanitize=fuzzer,address,undefined -o $@ $^

$(BUILD)/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

-include $(FUZZ_OBJECTS:.o=.d)

# Compares with Debian's daemons: user instructions, system calls, scaling, memory.
BENCH_ARGUMENTS ?=
.PHONY: bench
bench: build/bin/tessera-store
	python3 tests/bench/store/bench.py $(BENCH_ARGUMENTS)
