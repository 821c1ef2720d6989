# SPDX-License-Identifier: MIT
# Builds the store daemon, its tests and its benchmark. Run from the repository root.
CXX ?= g++
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
RELEASE_FLAGS := $(FLAGS) -O2 -g -fno-plt -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
RELEASE_OBJECTS := $(patsubst $(SOURCE)/%.cpp,$(BUILD)/release/%.o,$(CORE_SOURCES) $(DAEMON_SOURCES))

.PHONY: all
all: build/bin/tessera-store

build/bin/tessera-store: $(RELEASE_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -O2 -pie -Wl,-z,relro,-z,now,--as-needed -o $@ $^ $(LIBRARIES)

$(BUILD)/release/%.o: $(SOURCE)/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(RELEASE_FLAGS) -c -o $@ $<

-include $(RELEASE_OBJECTS:.o=.d)
