# SPDX-License-Identifier: MIT
# Whole machines in QEMU: system tests, the demonstration and the bootable image.

PYTHON ?= python3
HYPERVISOR ?= tessera
INTERACTIVE ?= 0

.PHONY: all test test-extra unit demo demo-vs-xen iso

all:

unit:
	$(PYTHON) -W ignore::ResourceWarning -m unittest discover --start-directory tests/system/unit --pattern '*_test.py'

# Which cases to run, as shell patterns; `suite.py --list` names them all.
CASES ?=

test: unit
	$(PYTHON) tests/system/suite.py --hypervisor $(HYPERVISOR) $(CASES)
	@echo "The harness and the machines were tested; both counts are above."

# The machines for which `test` has no time: libvirt, the store under systemd, odd ends of guests.
test-extra:
	$(PYTHON) tests/system/suite.py --hypervisor $(HYPERVISOR) --extra

demo:
	$(PYTHON) tests/system/demo.py --hypervisor $(HYPERVISOR) $(if $(filter 1 yes,$(INTERACTIVE)),--interactive)

demo-vs-xen:
	$(PYTHON) tests/system/demo.py --compare

iso:
	$(PYTHON) tests/system/make_iso.py --output build/tessera.iso
