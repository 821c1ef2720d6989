# SPDX-License-Identifier: MIT
"""Boots the kit's kernels as guests in QEMU and counts what they cost."""
