# SPDX-License-Identifier: MIT
"""Builds a kernel from its inputs, or takes it from the cache when the same inputs were built before."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .artefacts import NAMES, is_whole, write_bill_of_materials, write_sums
from .errors import ExitCode, KitError
from .flavour import Inputs
from .fragments import check_took_effect, read_config, write_merged
from .process import Command, Progress, run_logged, say
from .series import apply_series
from .source import installed_version, unpack

# Unpacked tree, objects and temporary files of the larger flavour.
NEEDED_BYTES = 4 << 30


@dataclass(frozen=True)
class Workshop:
    """Where a build works and how."""

    cache: Path
    jobs: int
    log: Path
    needed_bytes: int = NEEDED_BYTES
    compiler: str = "gcc"


def cache_directory() -> Path:
    """Directory of the kit's cache: below $TESSERA_CACHE, else ~/.cache/tessera."""
    root = os.environ.get("TESSERA_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "tessera") / "guest-kernel"


def choose_compiler(*, through_ccache: bool = True) -> str:
    """The compiler command for make: through ccache when that is wanted and installed."""
    return "ccache gcc" if through_ccache and shutil.which("ccache") else "gcc"


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Holds a lock file, so that two work trees do not build the same kernel at once."""
    with lock.open("w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of this kernel is running; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch_directory(cache: Path) -> Iterator[Path]:
    """A directory to work in, gone afterwards; those of builders that were killed before they could clear up go first.

    Its builder holds a lock on it, which ends with the builder however that ends.
    """
    with exclusive(cache / ".scratch.lock"):
        for old in cache.glob(".scratch-*"):
            remove_if_abandoned(old)
        scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=cache))
        held = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(held)


def remove_if_abandoned(scratch: Path) -> None:
    """Removes a builder's scratch directory unless that builder still holds its lock."""
    if not scratch.is_dir():
        return
    handle = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
    say(f"removing what a killed build left in {scratch}")
    shutil.rmtree(scratch, ignore_errors=True)


def obtain(inputs: Inputs, shop: Workshop, *, rebuild: bool = False) -> Path:
    """Returns the cache directory that holds the artefacts of these inputs, building them when it has to."""
    try:
        shop.cache.mkdir(parents=True, exist_ok=True)
        entry = shop.cache / f"{inputs.flavour}-{inputs.key()}"
        with exclusive(shop.cache / f".{entry.name}.lock"):
            if not rebuild and is_whole(entry):
                say(f"{inputs.flavour}: taken from the cache ({entry.name})")
                return entry
            build_into(entry, inputs, shop)
            return entry
    except OSError as error:
        raise KitError(f"{error.filename2 or error.filename or shop.cache}: {error.strerror}", "is the disk full or read-only? TESSERA_CACHE chooses another place",
                       ExitCode.NO_RESOURCES) from error


def build_into(entry: Path, inputs: Inputs, shop: Workshop) -> None:
    """Builds in a scratch directory that is gone afterwards, and puts the artefacts into the cache as a whole."""
    free = shutil.disk_usage(shop.cache).free
    if free < shop.needed_bytes:
        raise KitError(f"{shop.cache} has {free >> 20} MiB free, a build needs {shop.needed_bytes >> 20} MiB",
                       "free some space, or set TESSERA_CACHE to another disk", ExitCode.NO_RESOURCES)
    shop.log.parent.mkdir(parents=True, exist_ok=True)
    shop.log.unlink(missing_ok=True)
    with scratch_directory(shop.cache) as scratch:
        say(f"{inputs.flavour}: unpacking {inputs.source.tarball}")
        tree = unpack(inputs.source, scratch / "source", shop.log)
        prepare(tree, inputs, shop)
        compile_kernel(tree, inputs, shop)
        result = scratch / "result"
        result.mkdir()
        collect(tree, result, inputs, shop)
        if entry.exists():
            shutil.rmtree(entry)
        result.rename(entry)


def make(tree: Path, inputs: Inputs, shop: Workshop, *targets: str) -> list[str]:
    """A make command line for the kernel tree."""
    assignments = [f"{name}={value}" for name, value in inputs.variables().items()]
    return ["make", "-C", str(tree), f"-j{shop.jobs}", "ARCH=x86_64", f"CC={shop.compiler}", *assignments, *targets]


def prepare(tree: Path, inputs: Inputs, shop: Workshop) -> None:
    """Applies the series and makes the configuration."""
    found = installed_version(inputs.source.pinned.package) or "of unknown version"
    if not inputs.source.is_pinned:
        say(f"note: this kernel source is not the one of {inputs.source.pinned.version} that the series was made for")
    apply_series(tree, inputs.patches, inputs.source.pinned.version, found)
    say(f"{inputs.flavour}: {len(inputs.patches)} patches applied, configuring")
    wanted = tree / ".wanted.config"
    write_merged(inputs.options, wanted)
    run_logged(Command("configuring the kernel", [*make(tree, inputs, shop, "allnoconfig")], shop.log,
                       variables={"KCONFIG_ALLCONFIG": str(wanted)}))
    check_took_effect(inputs.options, read_config(tree / ".config"))


def compile_kernel(tree: Path, inputs: Inputs, shop: Workshop) -> None:
    """Compiles the image, and the modules when the flavour has any."""
    targets = ["bzImage"]
    if read_config(tree / ".config").get("CONFIG_MODULES") == "y":
        targets.append("modules")
    steps = shop.cache / f".{inputs.flavour}.steps"
    expected = int(steps.read_text(encoding="ascii")) if steps.is_file() else 0
    progress = Progress(f"{inputs.flavour}: compiling", expected)
    run_logged(Command("compiling the kernel", make(tree, inputs, shop, *targets), shop.log, hint=f"the whole output is in {shop.log}",
                       on_line=progress.line))
    progress.close()
    steps.write_text(str(progress.done), encoding="ascii")


def collect(tree: Path, result: Path, inputs: Inputs, shop: Workshop) -> None:
    """Copies the artefacts out of a built tree."""
    files = {"vmlinuz": "arch/x86/boot/bzImage", "vmlinux": "vmlinux", "config": ".config", "System.map": "System.map"}
    for name, place in files.items():
        if not (tree / place).is_file():
            raise KitError(f"the build did not make {place}", f"the whole output is in {shop.log}")
        shutil.copyfile(tree / place, result / name)
    pack_modules(tree, result / "modules.tar", inputs, shop)
    write_bill_of_materials(inputs, result)
    write_sums(result)
    for name in NAMES:
        (result / name).chmod(0o644)


def pack_modules(tree: Path, archive: Path, inputs: Inputs, shop: Workshop) -> None:
    """Packs `lib/modules/...`; a flavour without modules gets an archive without members."""
    root = tree / ".modules"
    root.mkdir()
    if read_config(tree / ".config").get("CONFIG_MODULES") == "y":
        run_logged(Command("installing the modules", make(tree, inputs, shop, f"INSTALL_MOD_PATH={root}", "INSTALL_MOD_STRIP=1", "modules_install"),
                           shop.log, hint=f"the whole output is in {shop.log}"))
    for link in (*root.glob("lib/modules/*/build"), *root.glob("lib/modules/*/source")):
        link.unlink()
    members = sorted(entry.name for entry in root.iterdir())
    options = ["--sort=name", f"--mtime={inputs.source.pinned.timestamp}", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"]
    arguments = ["tar", "-c", *options, "-C", str(root), "-f", str(archive), *(members or ["--files-from=/dev/null"])]
    run_logged(Command("packing the modules", arguments, shop.log))


def boot_image_size(directory: Path) -> int:
    """Size of the compressed image in bytes."""
    return (directory / "vmlinuz").stat().st_size
