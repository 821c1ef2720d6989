# SPDX-License-Identifier: MIT
# The entry points of the tree; every rule lives in the build.mk beside what it builds.

JOBS ?= $(shell nproc)
FLAVOUR ?= micro
PYTHON ?= python3

.DEFAULT_GOAL := all
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# A fragment gets our job count unless the caller already gave one with -j.
part = +@$(MAKE) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) -f $(1) $(2)

# Whatever produces something needs the packages; `make setup` is quick when nothing is missing.
build_goals := all hypervisor store toolstack guest-kernel guest-kernel-rebase image demo demo-vs-xen iso test lint format \
               test-guest-kernel test-extra fuzz bench-store bench-hypervisor bench-guest
config_goals := menuconfig olddefconfig defconfig debug_defconfig release_defconfig savedefconfig

.PHONY: help setup clean $(build_goals) $(config_goals)

all: hypervisor store toolstack ## Build the hypervisor, the store daemon and the toolstack

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo '  make $(config_goals): the configuration, build/.config'

setup: ## Install the Debian packages of .ci/packages.txt that are missing
	@sh .ci/bootstrap
	@$(PYTHON) .ci/install_packages.py .ci/packages.txt

$(build_goals) $(config_goals): | setup

hypervisor: ## Build build/tessera, the bootable hypervisor
	$(call part,hypervisor/build.mk,all)

store: ## Build build/bin/tessera-store
	$(call part,xenstore-like/build.mk,all)

toolstack: ## Build build/bin/vmctl
	$(call part,toolstack/build.mk,all)

guest-kernel: ## Build the guest kernel FLAVOUR (micro or server)
	$(call part,guest-linux-patches/build.mk,guest-kernel FLAVOUR=$(FLAVOUR))

guest-kernel-rebase: ## Move the patch series to another kernel source
	$(call part,guest-linux-patches/build.mk,guest-kernel-rebase)

bench-guest: all ## Print what the patched guest kernel saves (HYPERVISOR=tessera or stock)
	$(call part,guest-linux-patches/build.mk,bench-guest FLAVOUR=$(FLAVOUR))

test-guest-kernel: all ## Boot the built guest kernel here and on stock Xen, judge its goals, build it again
	$(call part,guest-linux-patches/build.mk,test-guest-kernel FLAVOUR=$(FLAVOUR))

image: ## Build the control-domain image (cached outside the tree)
	$(call part,toolstack/image/build.mk,all)

demo: all ## Boot the machine in QEMU and show two guests at work (INTERACTIVE=1 for a shell)
	$(call part,guest-linux-patches/build.mk,guest-kernel FLAVOUR=$(FLAVOUR))
	$(call part,tests/system/build.mk,demo)

demo-vs-xen: all ## Time the demo's guests here and on stock Xen under the same QEMU
	$(call part,guest-linux-patches/build.mk,guest-kernel FLAVOUR=$(FLAVOUR))
	$(call part,tests/system/build.mk,demo-vs-xen)

iso: hypervisor ## Write build/tessera.iso, a GRUB image that boots by multiboot2
	$(call part,tests/system/build.mk,iso)

test: ## Run every test; PARTS="cunit store" runs some of them
	+@$(PYTHON) .ci/suite.py --jobs $(JOBS) $(PARTS)

test-extra: all ## Run the machine tests for which `make test` has no time
	$(call part,guest-linux-patches/build.mk,guest-kernel FLAVOUR=micro)
	$(call part,tests/system/build.mk,test-extra)

lint: ## Check formatting, clang-tidy, sizes, dependency direction, licence lines, generated files
	$(call part,tests/lint/build.mk,all)

format: ## Rewrite C++ sources with clang-format
	$(call part,tests/lint/build.mk,format)

fuzz: ## Run the hypercall fuzzer (SECONDS_TO_RUN=600)
	$(call part,tests/fuzz/build.mk,fuzz)

bench-store: ## Compare the store daemon with Debian's two
	$(call part,xenstore-like/build.mk,bench)

bench-hypervisor: hypervisor ## Count the instructions of each operation here and on stock Xen
	$(call part,tests/bench/hypervisor/build.mk,bench)

$(config_goals):
	$(call part,hypervisor/configs/config.mk,$@)

clean: ## Remove build/ (the cache outside the tree stays)
	rm -rf build
