# SPDX-License-Identifier: MIT
"""Keeps big build results outside the work tree, keyed by a hash of their inputs and published in one step."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """Directory of all cached images: $TESSERA_CACHE, else ~/.cache/tessera."""
    return Path(os.environ.get("TESSERA_CACHE") or Path.home() / ".cache" / "tessera")


def hash_inputs(paths: list[Path], extra: str = "") -> str:
    """Short hash over names and contents of files, and of all files below directories."""
    digest = hashlib.sha256(extra.encode())
    for path in paths:
        files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
        for item in files:
            if "__pycache__" not in item.parts:
                digest.update(f"{item.name}\0".encode() + item.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """
    Returns the directory `<cache>/images/<kind>-<key>`; calls `build(directory)` first when it is not there yet.
    A half-built directory is never visible, and two processes never build the same thing at once.
    """
    root = cache_root() / "images"
    root.mkdir(parents=True, exist_ok=True)
    result = root / f"{kind}-{key}"
    if result.is_dir():
        return result
    with open(root / f".{kind}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if result.is_dir():
            return result
        scratch = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=root))
        try:
            scratch.chmod(0o755)
            build(scratch)
            scratch.rename(result)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    return result


def progress(text: str) -> None:
    """One line of progress on stderr (stdout is for results)."""
    print(f"[image] {text}", file=sys.stderr, flush=True)
