# SPDX-License-Identifier: MIT
# Unit tests of the build, test and lint scripts.

PYTHON ?= python3

.PHONY: all test
.DEFAULT_GOAL := test

all:

test:
	@$(PYTHON) -m unittest discover --start-directory tests/unit/scripts --pattern '*_test.py'
