# SPDX-License-Identifier: MIT
# Checks of the sources: `all` runs every one of them, `test` the quick ones that belong to the test suite.

PYTHON ?= python3

.PHONY: all test layout analysis format
.DEFAULT_GOAL := all

all:
	@status=0; \
	$(PYTHON) tests/lint/run.py || status=1; \
	$(PYTHON) tests/lint/compiler_checks.py format || status=1; \
	$(MAKE) --no-print-directory -f tests/lint/build.mk analysis || status=1; \
	exit $$status

# An option that nothing uses yet harms nobody, so `options` is left to `all`. The second compiler's check of `analysis` has
# flags of its own; that the build's are good for it, too, shows one file, compiled as `make hypervisor CXX=clang++-19` does.
test:
	@$(MAKE) --no-print-directory -f hypervisor/build.mk CXX=clang++-19 B=build/lint/clang build/lint/clang/hypervisor/lib/format.o
	@$(PYTHON) tests/lint/compiler_checks.py format
	@$(PYTHON) tests/lint/run.py sizes licences dependencies paths placeholders python generated

layout:
	@$(PYTHON) tests/lint/compiler_checks.py format

# Analyser and second compiler read generated headers too.
analysis:
	@$(MAKE) --no-print-directory -f hypervisor/configs/config.mk config
	@$(MAKE) --no-print-directory -f hypervisor/build.mk build/hypervisor/entry_offsets.h
	@status=0; \
	$(PYTHON) tests/lint/compiler_checks.py clang || status=1; \
	$(PYTHON) tests/lint/compiler_checks.py tidy || status=1; \
	exit $$status

format:
	@$(PYTHON) tests/lint/compiler_checks.py rewrite
