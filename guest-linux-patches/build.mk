# SPDX-License-Identifier: MIT
# Guest kernels: build/guest/FLAVOUR from Debian's kernel source, the patch series and the fragments in configs/.

PYTHON ?= python3
JOBS ?= $(shell nproc)
FLAVOUR ?= micro
kit := guest-linux-patches

.PHONY: all guest-kernel guest-kernel-unpatched guest-kernel-rebase test test-guest-kernel bench-guest

all: guest-kernel

guest-kernel:
	@$(PYTHON) $(kit)/build_guest_kernel.py --flavour $(FLAVOUR) --jobs $(JOBS)

# The same configuration without the patches, to measure against.
guest-kernel-unpatched:
	@$(PYTHON) $(kit)/build_guest_kernel.py --flavour $(FLAVOUR) --jobs $(JOBS) --unpatched

# The builder's own tests, on a toy kernel.
test:
	@PYTHONPATH=$(kit):tests/unit/guest-kernel $(PYTHON) -m unittest discover -s tests/unit/guest-kernel -p 'test_*.py'

# Report, patch by patch, what applies to the packaged source or to SOURCE=tarball; WRITE=1 refreshes moved patches.
guest-kernel-rebase:
	@$(PYTHON) $(kit)/rebase_guest_kernel.py $(if $(SOURCE),--source $(SOURCE)) $(if $(WRITE),--write)

# The built kernel as guests on Tessera and on stock Xen, micro against the packaged one, and a second build (long).
test-guest-kernel: guest-kernel $(if $(filter micro,$(FLAVOUR)),guest-kernel-unpatched)
	@$(PYTHON) $(kit)/check_guest_kernel.py --kernel build/guest/$(FLAVOUR) $(if $(HYPERVISORS),--hypervisors $(HYPERVISORS))

# Instructions and entries into the hypervisor per workload, without and with the patches.
HYPERVISOR ?= tessera
bench-guest: guest-kernel guest-kernel-unpatched
	@$(PYTHON) $(kit)/bench_guest.py --hypervisor $(HYPERVISOR) --baseline build/guest/$(FLAVOUR)-unpatched/vmlinuz --kernel build/guest/$(FLAVOUR)/vmlinuz
