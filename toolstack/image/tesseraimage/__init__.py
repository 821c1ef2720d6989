# SPDX-License-Identifier: MIT
"""Builds the control-domain and guest images from Debian packages and caches them outside the work tree."""
