# SPDX-License-Identifier: MIT
"""What a flavour is made of, and the key under which its build is cached."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ExitCode, KitError
from .fragments import Option, merge
from .process import clean_environment
from .series import Patch, read_series
from .source import FoundSource

# Raise this when a change to the kit changes what the same inputs build.
RECIPE = 1

FRAGMENTS = {
    "micro": ("common.config", "micro.config"),
    "server": ("common.config", "server.config"),
}
# Options that the patches bring: the packaged source does not know them.
FRAGMENTS_OF_SERIES = {
    "micro": ("micro-series.config",),
}

# Part of every result, so the same on all machines.
MAKE_VARIABLES = {
    "KBUILD_BUILD_USER": "tessera",
    "KBUILD_BUILD_HOST": "tessera",
    "KBUILD_BUILD_VERSION": "1",
}


@dataclass(frozen=True)
class Inputs:
    """Everything that decides what a build gives."""

    flavour: str
    source: FoundSource
    patches: list[Patch]
    options: dict[str, Option]
    tools: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """Variables for the kernel's make."""
        return {**MAKE_VARIABLES, "KBUILD_BUILD_TIMESTAMP": self.source.pinned.timestamp}

    def key(self) -> str:
        """Names this build: equal inputs, equal key."""
        facts = {
            "recipe": RECIPE,
            "flavour": self.flavour,
            "source": self.source.sha256,
            "patches": [(patch.name, hashlib.sha256(patch.path.read_bytes()).hexdigest()) for patch in self.patches],
            "options": [(option.name, option.value) for option in self.options.values()],
            "tools": self.tools,
            "variables": self.variables(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def first_line(command: list[str]) -> str:
    """First line that a tool prints about itself."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=clean_environment({}))
    except FileNotFoundError as error:
        raise KitError(f"program {command[0]} is not installed", "run `make setup`", ExitCode.NOT_FOUND) from error
    except subprocess.CalledProcessError as error:
        raise KitError(f"`{' '.join(command)}` failed: {error.stderr.strip()}", "run `make setup`") from error
    return answer.stdout.split("\n", 1)[0].strip()


def tool_versions() -> dict[str, str]:
    """Compiler, assembler and compressor: other versions may give other bits."""
    return {tool: first_line([tool, "--version"]) for tool in ("gcc", "ld", "as", "xz", "zstd")}


def gather(kit: Path, flavour: str, source: FoundSource, with_patches: bool = True) -> Inputs:
    """Reads the kit's files for one flavour."""
    if flavour not in FRAGMENTS:
        raise KitError(f"there is no flavour {flavour!r}", f"choose one of: {', '.join(FRAGMENTS)}", ExitCode.CONFIGURATION)
    names = FRAGMENTS[flavour] + (FRAGMENTS_OF_SERIES.get(flavour, ()) if with_patches else ())
    options = merge([kit / "configs" / name for name in names])
    patches = read_series(kit / "patches") if with_patches else []
    return Inputs(flavour, source, patches, options, tool_versions())
