# SPDX-License-Identifier: MIT
# Makes build/.config with kconfig-frontends and build/generated/config.hpp from it.
#
# As a fragment of its own it runs menuconfig, olddefconfig, defconfig, debug_defconfig, release_defconfig and
# savedefconfig. hypervisor/build.mk includes it too: whatever includes config.hpp depends on $(config_header), whose
# time changes only when a value does, and may use the CONFIG_ variables, since build/.config is included here.
#
# CONFIG_DIRECTORY=build/debug keeps a second configuration beside the usual one; DEFCONFIG=debug names what it starts
# from when there is none yet.

PYTHON ?= python3
DEFCONFIG ?= release
CONFIG_DIRECTORY ?= build

config_file := $(CONFIG_DIRECTORY)/.config
config_header := $(CONFIG_DIRECTORY)/generated/config.hpp
config_kconfig := hypervisor/Kconfig
config_defconfigs := hypervisor/configs
config_generator := hypervisor/configs/genconfig.py
config_environment := KCONFIG_CONFIG=$(config_file)

.PHONY: config menuconfig olddefconfig defconfig debug_defconfig release_defconfig savedefconfig
.DEFAULT_GOAL ?= config

config: $(config_header)

defconfig: $(DEFCONFIG)_defconfig

debug_defconfig release_defconfig:
	@mkdir -p $(CONFIG_DIRECTORY)
	@$(config_environment) kconfig-conf --defconfig=$(config_defconfigs)/$@ $(config_kconfig) >/dev/null
	@$(PYTHON) $(config_generator) --kconfig $(config_kconfig) --config $(config_file) --output $(config_header)
	@echo "config: $(config_file) from $(config_defconfigs)/$@"

menuconfig: | $(config_file)
	@test -t 0 || { echo 'config: error: menuconfig needs a terminal' >&2; \
		echo 'config: hint: make debug_defconfig or release_defconfig asks nothing' >&2; exit 2; }
	@$(config_environment) kconfig-mconf $(config_kconfig)
	@$(PYTHON) $(config_generator) --kconfig $(config_kconfig) --config $(config_file) --output $(config_header)

olddefconfig: | $(config_file)
	@$(config_environment) kconfig-conf --olddefconfig $(config_kconfig) >/dev/null
	@$(PYTHON) $(config_generator) --kconfig $(config_kconfig) --config $(config_file) --output $(config_header)
	@echo "config: $(config_file) is complete"

savedefconfig: | $(config_file)
	@$(config_environment) kconfig-conf --savedefconfig=$(CONFIG_DIRECTORY)/defconfig $(config_kconfig) >/dev/null
	@echo "config: $(CONFIG_DIRECTORY)/defconfig lists what differs from the defaults"

# A first configuration when there is none, and new options at their defaults when Kconfig has changed.
$(config_file): $(config_kconfig)
	@mkdir -p $(@D)
	@if [ -e $@ ]; then $(config_environment) kconfig-conf --olddefconfig $(config_kconfig) >/dev/null; \
	else $(config_environment) kconfig-conf --defconfig=$(config_defconfigs)/$(DEFCONFIG)_defconfig $(config_kconfig) >/dev/null; fi
	@touch $@

# The generator leaves an unchanged header alone, so that nothing is rebuilt for it; the stamp says that it was looked at.
$(CONFIG_DIRECTORY)/generated/config.stamp: $(config_file) $(config_generator)
	@mkdir -p $(@D)
	@$(PYTHON) $(config_generator) --kconfig $(config_kconfig) --config $(config_file) --output $(config_header)
	@touch $@

$(config_header): $(CONFIG_DIRECTORY)/generated/config.stamp ;

-include $(config_file)

# What the options of the menu "Build" mean to the compiler. GCC is told to inline more than -O2 does, which
# `make bench-hypervisor` shows on nearly every path; clang knows no such parameters.
config_inlining := $(if $(findstring clang,$(CXX)),,--param max-inline-insns-auto=30 --param inline-min-speedup=15)
config_cxxflags := $(if $(CONFIG_OPTIMISE_DEBUG),-Og,-O2 $(config_inlining)) \
                   $(if $(CONFIG_FRAME_POINTERS),-fno-omit-frame-pointer,-fomit-frame-pointer)
