# SPDX-License-Identifier: MIT
"""The rules that a source tree has to keep; each check returns the places where one is broken."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from functions import cxx_functions, python_functions
from source_tree import CXX_SUFFIXES, SourceTree

FILE_LINES = 500
FUNCTION_LINES = 80
EXCEPTIONS = Path("tests/lint/exceptions.txt")
GENERATED = Path("tests/lint/generated.txt")

Check = Callable[[SourceTree], list[str]]


def read_exceptions(tree: SourceTree) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Returns the exceptions as {(rule, place): reason} and the lines of the list that are malformed."""
    allowed: dict[tuple[str, str], str] = {}
    problems: list[str] = []
    if not (tree.root / EXCEPTIONS).is_file():
        return allowed, problems
    for number, line in enumerate(tree.text(EXCEPTIONS).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"^(file-lines|function-lines)\s+(\S+)\s+because\s+(\S.*)$", line)
        if match:
            allowed[match[1], match[2]] = match[3]
        else:
            problems.append(f"{EXCEPTIONS}:{number}: not `RULE PLACE because REASON`: {line}")
    return allowed, problems


def _function_places(tree: SourceTree) -> list[tuple[str, int, int, str]]:
    """Returns (place for the exception list, first line, length, path) of every function."""
    places = []
    for path in tree.code:
        if path.suffix in CXX_SUFFIXES:
            found = cxx_functions(tree.text(path))
        elif path.suffix == ".py":
            found = python_functions(tree.text(path))
        else:
            continue
        places += [(f"{path}:{function.name}", function.first_line, function.lines, str(path)) for function in found]
    return places


def check_sizes(tree: SourceTree) -> list[str]:
    """Files have at most 500 lines and functions at most 80; exceptions state a reason and are needed."""
    allowed, problems = read_exceptions(tree)
    used: set[tuple[str, str]] = set()
    for path in tree.code:
        lines = len(tree.text(path).splitlines())
        if lines > FILE_LINES:
            used.add(("file-lines", str(path)))
            if ("file-lines", str(path)) not in allowed:
                problems.append(f"{path}: {lines} lines, at most {FILE_LINES}")
    for place, first, lines, path in _function_places(tree):
        if lines > FUNCTION_LINES:
            used.add(("function-lines", place))
            if ("function-lines", place) not in allowed:
                problems.append(f"{path}:{first}: {place.rsplit(':', 1)[-1]} has {lines} lines, at most {FUNCTION_LINES}")
    problems += [f"{EXCEPTIONS}: no longer needed: {rule} {place}" for rule, place in allowed.keys() - used]
    return problems


def check_licences(tree: SourceTree) -> list[str]:
    """Every source file names its licence in its first lines; kernel patches are GPL-2.0-only, all else is MIT."""
    problems = []
    for path in tree.code:
        head = "\n".join(tree.text(path).splitlines()[:4])
        match = re.search(r"SPDX-License-Identifier:\s*(\S+)", head)
        if not match:
            problems.append(f"{path}:1: no SPDX-License-Identifier line")
        elif match[1] not in ("MIT", "GPL-2.0-only"):
            problems.append(f"{path}:1: licence {match[1]} is neither MIT nor GPL-2.0-only")
        elif match[1] == "GPL-2.0-only" and path.parts[0] != "guest-linux-patches":
            problems.append(f"{path}:1: only kernel patches are GPL-2.0-only")
    return problems


# What the sources under a folder may include, by folder: dependencies point one way. The most specific entry counts.
LIB, PORT, CORE, ARCH = "hypervisor/lib", "hypervisor/port", "hypervisor/core", "hypervisor/arch"
MAY_INCLUDE = {
    LIB: (LIB,),
    # The seam speaks of frames, addresses and virtual CPUs, so it names the core's types; it holds no policy.
    PORT: (LIB, PORT, CORE, "hypercalls/abi"),
    # Counters are numbered by the rows of the table, which is data without dependencies.
    CORE: (LIB, PORT, CORE, "hypercalls/abi", "hypercalls/table"),
    ARCH: (LIB, PORT, CORE, ARCH, "hypercalls"),
    "hypercalls/abi": ("hypercalls/abi", LIB),
    "hypercalls/table": ("hypercalls/table",),
    "hypercalls": ("hypercalls", LIB, PORT, CORE),
    "toolstack": ("toolstack", LIB),
    "xenstore-like": ("xenstore-like", LIB),
}
# Include paths as compilers resolve them: `lib/x.hpp` stands for `hypervisor/lib/x.hpp`.
SHORT_ROOTS = {name: f"hypervisor/{name}" for name in ("lib", "core", "port", "arch")}
TOP_FOLDERS = ("hypervisor", "hypercalls", "toolstack", "xenstore-like", "guest-linux-patches", "tests")


def _owner(path: str, folders: tuple[str, ...] | list[str]) -> str | None:
    """Returns the longest folder of the list that holds a path."""
    holding = [folder for folder in folders if path == folder or path.startswith(folder + "/")]
    return max(holding, key=len) if holding else None


def resolve_include(tree: SourceTree, source: Path, included: str) -> str | None:
    """Returns the tree's path of an included file, or None when it is not one of ours."""
    beside = os.path.normpath(source.parent / included)
    if (tree.root / beside).is_file():
        return beside
    first, _, rest = included.partition("/")
    if not rest:
        return None
    if source.parts[0] in ("hypervisor", "hypercalls") and first in SHORT_ROOTS:
        return f"{SHORT_ROOTS[first]}/{rest}"
    candidates = [included] if first in TOP_FOLDERS else []
    candidates += [f"{SHORT_ROOTS[first]}/{rest}"] if first in SHORT_ROOTS else []
    return next((name for name in candidates if (tree.root / name).is_file()), None)


def check_dependencies(tree: SourceTree) -> list[str]:
    """Includes follow lib <- core <- handlers; arch sees all of these; toolstack and store use lib at most."""
    problems = []
    for path in tree.cxx:
        owner = _owner(str(path), list(MAY_INCLUDE))
        if owner is None:
            continue
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            target = resolve_include(tree, path, match[1]) if match else None
            if target and _owner(target, MAY_INCLUDE[owner]) is None:
                problems.append(f"{path}:{number}: {owner} may not use {target}")
    return problems


_FOREIGN_PATH = re.compile(r"(?<![\w.${}])/(?:home/(?!\$|\{|<|user\b)[\w.-]+|Users/[\w.-]+|work/[\w.-]+)")


def check_paths(tree: SourceTree) -> list[str]:
    """No file names a place that exists on one person's machine only."""
    problems = []
    for path in tree.files:
        if path.parts[:2] == ("tests", "lint") or path.suffix in (".patch", ".png"):
            continue
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            if match := _FOREIGN_PATH.search(line):
                problems.append(f"{path}:{number}: the path of one machine: {match[0]}")
    return problems


_PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")


def check_placeholders(tree: SourceTree) -> list[str]:
    """No mark of unfinished work stands in the sources."""
    problems = []
    for path in tree.code:
        if path.parts[:2] == ("tests", "lint"):
            continue
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            if match := _PLACEHOLDER.search(line):
                problems.append(f"{path}:{number}: {match[0]}")
    return problems


def check_python(tree: SourceTree) -> list[str]:
    """Python compiles, and every function states the types of its parameters and its result."""
    problems = []
    for path in tree.python:
        try:
            module = ast.parse(tree.text(path))
        except SyntaxError as error:
            problems.append(f"{path}:{error.lineno}: {error.msg}")
            continue
        for node in ast.walk(module):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
            if untyped or node.returns is None:
                what = f"parameters {', '.join(untyped)}" if untyped else "its result"
                problems.append(f"{path}:{node.lineno}: {node.name} does not state the type of {what}")
    return problems


def check_options(tree: SourceTree) -> list[str]:
    """Every option of Kconfig is used by something, and every use names an option that exists."""
    kconfig = Path("hypervisor/Kconfig")
    if not (tree.root / kconfig).is_file():
        return [f"{kconfig}: missing"]
    declared = set(re.findall(r"^config ([A-Z0-9_]+)$", tree.text(kconfig), re.MULTILINE))
    choices = [set(re.findall(r"^config ([A-Z0-9_]+)$", block, re.MULTILINE))
               for block in re.findall(r"^choice$.*?^endchoice$", tree.text(kconfig), re.MULTILINE | re.DOTALL)]
    constants = {"k" + "".join(word.capitalize() for word in name.split("_")): name for name in declared}
    # What config.mk makes of options counts when the hypervisor's build uses it.
    build = Path("hypervisor/build.mk")
    flags_used = (tree.root / build).is_file() and "$(config_cxxflags)" in tree.text(build)
    used = {"OPTIMISE_SPEED", "OPTIMISE_DEBUG", "FRAME_POINTERS"} & declared if flags_used else set()
    problems = []
    for path in tree.code:
        if path.parts[0] not in ("hypervisor", "hypercalls", "tests") or path.parts[:2] == ("hypervisor", "configs"):
            continue
        if path.parts[:3] == ("tests", "unit", "scripts") or path == kconfig:
            continue
        text = tree.text(path)
        used |= {name for name in re.findall(r"\bCONFIG_([A-Z0-9_]+)\b", text) if path.suffix in (".mk", ".S", ".lds")}
        for constant in re.findall(r"\bconfig::(k\w+)", text):
            if constant in constants:
                used.add(constants[constant])
            else:
                problems.append(f"{path}: no option of {kconfig} gives hv::config::{constant}")
    for members in choices:
        # What is left when the other members are off needs no mention.
        used |= members if len(members - used) <= 1 else set()
    problems += [f"{kconfig}: nothing uses {name}" for name in sorted(declared - used)]
    return problems


def check_generated(tree: SourceTree) -> list[str]:
    """Each generated file that is kept in the tree equals what its generator writes now."""
    problems = []
    for number, line in enumerate(tree.text(GENERATED).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, command = line.partition(":")
        if not command.strip():
            problems.append(f"{GENERATED}:{number}: not `FILE: COMMAND`")
            continue
        result = subprocess.run(shlex.split(command), cwd=tree.root, check=False, capture_output=True, text=True)
        if result.returncode != 0:
            problems.append(f"{name}: its generator ended with {result.returncode}: {result.stderr.strip()[-200:]}")
        elif not (tree.root / name).is_file():
            problems.append(f"{name}: missing; write it with {command.strip()}")
        elif result.stdout != tree.text(Path(name)):
            problems.append(f"{name}: out of date; write it with {command.strip()}")
    return problems


CHECKS: dict[str, Check] = {
    "sizes": check_sizes,
    "licences": check_licences,
    "dependencies": check_dependencies,
    "paths": check_paths,
    "placeholders": check_placeholders,
    "python": check_python,
    "options": check_options,
    "generated": check_generated,
}
