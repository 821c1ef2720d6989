# SPDX-License-Identifier: MIT
"""Builds the guest kernels: Debian's kernel source, the patch series and a set of configuration fragments in, a kernel out."""
