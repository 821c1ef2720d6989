# SPDX-License-Identifier: MIT
# Control-domain and guest images; they land in the cache outside the tree.

PYTHON ?= python3

.PHONY: all disk

all:
	$(PYTHON) toolstack/image/build_image.py control guest

disk:
	$(PYTHON) toolstack/image/build_image.py control-disk
