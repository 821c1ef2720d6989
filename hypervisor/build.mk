# SPDX-License-Identifier: MIT
# Builds build/tessera, the bootable hypervisor: freestanding objects, one link to find the symbols, one to embed them.

CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
# Compilations are remembered where ccache is installed; `CXX=...` on the command line goes without.
CXX := $(if $(shell command -v ccache),ccache )$(CXX)
PYTHON ?= python3

.DEFAULT_GOAL := all
include hypervisor/configs/config.mk
# CONFIG_DIRECTORY=build/debug DEFCONFIG=debug builds build/debug/tessera beside it.
B := $(CONFIG_DIRECTORY)/hypervisor
image := $(CONFIG_DIRECTORY)/tessera

ARCH := hypervisor/arch/x86_64
sources := $(wildcard hypervisor/lib/*.cpp hypervisor/core/*.cpp hypervisor/core/*/*.cpp $(ARCH)/*/*.cpp \
                      hypercalls/dispatch/*.cpp hypercalls/handlers/*.cpp hypercalls/abi/*.cpp)
asm_sources := $(wildcard $(ARCH)/*/*.S)
objects := $(sources:%.cpp=$(B)/%.o) $(asm_sources:%.S=$(B)/%.S.o)

common := -Ihypervisor -I. -I$(B) -I$(CONFIG_DIRECTORY)/generated -DHV_FREESTANDING=1 -ffreestanding -mno-red-zone -g -MMD -MP
# clang takes -mgeneral-regs-only for a reason to refuse what the standard library declares with floating point. Nothing of ours
# has any, so without SSE there is none in the code either.
general_registers := $(if $(findstring clang,$(CXX)),-mno-mmx -mno-sse,-mgeneral-regs-only)
CXXFLAGS := -std=gnu++20 $(common) $(config_cxxflags) -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables \
            -fno-stack-protector -fcf-protection=none $(general_registers) -fpie -fvisibility=hidden \
            -mcmodel=small -Wall -Wextra -Werror $(EXTRA_CXXFLAGS)
ifneq ($(findstring clang,$(CXX)),)
CXXFLAGS += -Wthread-safety
endif
ASFLAGS := $(common) -D__ASSEMBLY__
LDFLAGS := -nostdlib -static $(if $(findstring clang,$(CXX)),,-no-pie) -Wl,-z,noexecstack -Wl,-z,max-page-size=0x1000 -Wl,--build-id=sha1 -Wl,--no-warn-rwx-segments -Wl,--no-relax

# Static libraries of the distribution that unpack kernels (see arch/x86_64/decompress).
archives := $(foreach lib,lzma z lz4 zstd,$(shell $(CXX) -print-file-name=lib$(lib).a))

.PHONY: all clean
all: $(image)

$(B)/entry_offsets.s: $(ARCH)/entry/offsets.cxx hypervisor/build.mk $(config_header)
	@mkdir -p $(@D)
	@$(CXX) $(CXXFLAGS) -MF $(B)/entry_offsets.d -MT $@ -x c++ -S -o $@ $<

$(B)/entry_offsets.h: $(B)/entry_offsets.s
	@sed -n 's/^.*->\([A-Za-z0-9_]*\) [$$]*\(-*[0-9]*\).*$$/#define \1 \2/p' $< > $@

# All C++ is optimised as one: what is small or called from one place becomes part of its caller. The linker tells the
# compiler what assembly and libraries name, so everything else is its own to inline. The object that comes out of the
# first link, and the debugging sections that were set aside for it, serve the second. The exception defines functions
# (memcpy and its like) that the compiler makes up calls of when everything else is already compiled.
ifeq ($(CONFIG_OPTIMISE_WHOLE)$(findstring clang,$(CXX)),y)
lto := -flto=1 -flto-partition=one
lto_excluded := $(ARCH)/boot/memory_functions.cpp
lto_objects := $(filter-out $(lto_excluded:%.cpp=$(B)/%.o),$(filter $(sources:%.cpp=$(B)/%.o),$(objects)))
lto_link := $(CXXFLAGS) -w $(lto) -save-temps
linked := $(B)/tessera.first.ltrans0.ltrans.o $(lto_objects:=.debug.temp.o) $(filter-out $(lto_objects),$(objects))

$(lto_objects): OBJECT_FLAGS := $(lto)
else
linked := $(objects)
endif

$(B)/%.o: %.cpp hypervisor/build.mk $(config_header)
	@mkdir -p $(@D)
	@echo "  CXX $<"
	@$(CXX) $(CXXFLAGS) $(OBJECT_FLAGS) -c -o $@ $<

$(B)/%.S.o: %.S hypervisor/build.mk $(B)/entry_offsets.h $(config_header)
	@mkdir -p $(@D)
	@echo "  AS  $<"
	@$(CXX) $(ASFLAGS) -c -o $@ $<

linker_script := $(ARCH)/boot/tessera.lds
symbols := $(ARCH)/panic/gensymbols.py

$(B)/symbols_empty.S: $(symbols)
	@mkdir -p $(@D)
	@$(PYTHON) $(symbols) --empty > $@.tmp && mv $@.tmp $@

$(B)/tessera.first: $(objects) $(linker_script) $(B)/symbols_empty.S
	@$(CXX) $(ASFLAGS) -MF $(B)/symbols_empty.d -c -o $(B)/symbols_empty.o $(B)/symbols_empty.S
	@echo "  LD  $@"
	@$(CXX) $(lto_link) $(LDFLAGS) -Wl,-T,$(linker_script) -o $@ $(objects) $(B)/symbols_empty.o $(archives)

$(image): $(B)/tessera.first $(symbols)
	@$(PYTHON) $(symbols) $(if $(CONFIG_SYMBOL_TABLE),$(B)/tessera.first,--empty) > $(B)/symbols.S
	@$(CXX) $(ASFLAGS) -MF $(B)/symbols.d -c -o $(B)/symbols.o $(B)/symbols.S
	@$(CXX) $(LDFLAGS) -Wl,-T,$(linker_script) -Wl,-Map,$(B)/tessera.map -o $(B)/tessera.elf $(linked) $(B)/symbols.o $(archives)
	@cp $(B)/tessera.elf $(B)/tessera.tmp && strip --strip-debug $(B)/tessera.tmp && mv $(B)/tessera.tmp $@
	@echo "  LD  $@"

clean:
	rm -rf $(B) $(image)

-include $(objects:.o=.d) $(B)/entry_offsets.d
