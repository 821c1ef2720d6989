# SPDX-License-Identifier: MIT
"""The cached components: Debian root, control domain's kernel and initramfs, its disk, and the guests' images."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from .cache import cached, hash_inputs, progress
from .cpio import CpioWriter, add_tree
from .modules import ModuleSet
from .tree import DebianTree, TreeError

IMAGE_DIRECTORY = Path(__file__).resolve().parent.parent
LISTS = IMAGE_DIRECTORY / "lists"
FILES = IMAGE_DIRECTORY / "files"
CODE = Path(__file__).resolve().parent
SUITE = "bookworm"


def read_list(name: str) -> list[str]:
    """Lines of a list file without comments and blank lines."""
    lines = (LISTS / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def debian_root() -> Path:
    """Tar file with all packages of the list unpacked (not configured: our own init needs no maintainer scripts)."""
    packages = read_list("packages.txt")

    def build(directory: Path) -> None:
        progress(f"fetching {len(packages)} Debian packages and what they need (once; about a minute)")
        started = time.monotonic()
        command = ["mmdebstrap", "--variant=extract", "--quiet", f"--include={','.join(packages)}",
                   "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", SUITE, "-"]
        with open(directory / "root.tar", "wb") as output:
            subprocess.run(command, stdout=output, check=True)
        progress(f"Debian root ready after {time.monotonic() - started:.0f} s")

    return cached("debian-root", hash_inputs([LISTS / "packages.txt"], SUITE), build) / "root.tar"


def kernel_version(tree: DebianTree, flavour: str) -> str:
    """Version string of the only installed kernel of a flavour ('amd64' or 'cloud-amd64')."""
    names = [name.removeprefix("boot/vmlinuz-") for name in tree.match("boot/vmlinuz-*")]
    found = [name for name in names if name.endswith(f"-{flavour}") and ("cloud" in name) == ("cloud" in flavour)]
    if len(found) != 1:
        raise TreeError(f"expected one '{flavour}' kernel in the Debian root, found {found}")
    return found[0]


def add_busybox(writer: CpioWriter, tree: DebianTree) -> None:
    """Adds busybox and a link for each of its commands that no real program provides; call it last."""
    data = tree.read("usr/bin/busybox")
    if not writer.contains("usr/bin/busybox"):
        writer.add_file("usr/bin/busybox", data, 0o755)
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch, "busybox")
        program.write_bytes(data)
        program.chmod(0o755)
        commands = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for command in commands:
        if not any(writer.contains(f"usr/{directory}/{command}") for directory in ("bin", "sbin")):
            writer.add_symlink(f"usr/bin/{command}", "/usr/bin/busybox")


def link_busybox(root: Path) -> None:
    """Makes the links of `add_busybox` in an unpacked Debian root."""
    commands = subprocess.run([root / "usr/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout
    for command in commands.split():
        places = [root / "usr" / directory / command for directory in ("bin", "sbin")]
        if not any(place.exists() or place.is_symlink() for place in places):
            places[0].symlink_to("/usr/bin/busybox")


def link_run(root: Path) -> None:
    """Makes the links to /run that Debian's base-files makes when it is configured."""
    for name, target in (("var/run", "/run"), ("var/lock", "/run/lock")):
        if (root / name).is_dir():
            (root / name).rmdir()
        (root / name).symlink_to(target)


def add_skeleton(writer: CpioWriter) -> None:
    """Adds merged-/usr links, mount points and the console device that the kernel opens for init."""
    for name in ("bin", "sbin", "lib", "lib64"):
        writer.add_directory(f"usr/{name}")
        writer.add_symlink(name, f"usr/{name}")
    for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "root", "var/lib", "var/log", "etc"):
        writer.add_directory(name)
    writer.add_symlink("var/run", "/run")
    writer.add_symlink("var/lock", "/run/lock")
    writer.add_device("dev/console", "c", 5, 1)


def add_from_tree(writer: CpioWriter, tree: DebianTree, patterns: list[str]) -> None:
    """Adds the files that patterns select, the libraries they need and the links on the way."""
    selected: list[str] = []
    for pattern in patterns:
        found = tree.match(tree.real_directory(pattern))
        if not found:
            raise TreeError(f"'{pattern}' of the list is in no package")
        selected += [name for name in found if not tree.lookup(name).isdir()]
    for name in tree.library_closure(selected + ["usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"]):
        for link in tree.link_chain(name)[:-1]:
            if not writer.contains(link):
                writer.add_symlink(link, tree.link_target(link))
        real = tree.link_chain(name)[-1]
        if not writer.contains(real):
            writer.add_file(real, tree.read(real), tree.lookup(real).mode & 0o777)
    if not writer.contains("usr/lib64/ld-linux-x86-64.so.2"):
        writer.add_symlink("usr/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")


def control_image() -> Path:
    """Directory with `vmlinuz`, `initrd`, `xen` (the stock hypervisor, for comparison) and `manifest.json`."""
    def build(directory: Path) -> None:
        tree = DebianTree(debian_root())
        version = kernel_version(tree, "amd64")
        progress(f"packing the control domain's initramfs (kernel {version})")
        writer = CpioWriter()
        add_skeleton(writer)
        add_from_tree(writer, tree, read_list("control-files.txt"))
        count = ModuleSet(tree, version).add_to(writer, read_list("control-modules.txt"))
        add_tree(writer, FILES / "control")
        add_busybox(writer, tree)
        (directory / "initrd").write_bytes(writer.finish())
        (directory / "vmlinuz").write_bytes(tree.read(f"boot/vmlinuz-{version}"))
        hypervisors = tree.match("boot/xen-*.gz")
        (directory / "xen").write_bytes(gzip.decompress(tree.read(hypervisors[0])))
        manifest = {"kernel": version, "modules": count, "libraries": sorted(
            name.rsplit("/", 1)[1] for name in writer.names() if ".so" in name)}
        (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        progress(f"control domain ready: {(directory / 'initrd').stat().st_size / 1e6:.0f} MB, {count} modules")

    return cached("control", hash_inputs([LISTS, FILES / "control", CODE]), build)


def guest_image() -> Path:
    """Directory with `vmlinuz-amd64`, `vmlinuz-cloud`, an `initrd-…` for each, and `disk.ext4` (a root file system)."""
    def build(directory: Path) -> None:
        tree = DebianTree(debian_root())
        progress("packing the guests' kernels, initramfs and disk")
        for name, flavour in (("amd64", "amd64"), ("cloud", "cloud-amd64")):
            version = kernel_version(tree, flavour)
            (directory / f"vmlinuz-{name}").write_bytes(tree.read(f"boot/vmlinuz-{version}"))
            writer = CpioWriter()
            add_skeleton(writer)
            ModuleSet(tree, version).add_to(writer, read_list("guest-modules.txt"))
            add_tree(writer, FILES / "guest-initramfs")
            add_busybox(writer, tree)
            (directory / f"initrd-{name}").write_bytes(gzip.compress(writer.finish(), 6, mtime=0))
        write_guest_disk(directory / "disk.ext4", tree)

    return cached("guest", hash_inputs([LISTS, FILES / "guest-initramfs", FILES / "guest-disk", CODE]), build)


def write_guest_disk(path: Path, tree: DebianTree, mebibytes: int = 12) -> None:
    """Writes a small ext4 root with busybox, an init table and a login on hvc0."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        shutil.copytree(FILES / "guest-disk", root, dirs_exist_ok=True, symlinks=True)
        for name in ("bin", "dev", "proc", "sys", "run", "tmp", "root", "mnt", "var"):
            (root / name).mkdir(exist_ok=True)
        (root / "bin/busybox").write_bytes(tree.read("usr/bin/busybox"))
        (root / "bin/busybox").chmod(0o755)
        commands = subprocess.run([root / "bin/busybox", "--list"], check=True, capture_output=True, text=True)
        for command in commands.stdout.split():
            if command != "busybox":
                (root / "bin" / command).symlink_to("busybox")
        (root / "sbin").symlink_to("bin")
        make_ext4(path, root, mebibytes)


def make_ext4(path: Path, root: Path, mebibytes: int) -> None:
    """Makes an ext4 image from a directory; files belong to root also when the builder is somebody else."""
    with open(path, "wb") as image:
        image.truncate(mebibytes << 20)
    command = ["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-m", "0", "-d", str(root), str(path)]
    if os.geteuid() != 0:
        command = ["fakeroot", "sh", "-c", 'chown -R 0:0 "$1" && shift && exec "$@"', "sh", str(root), *command]
    subprocess.run(command, check=True)


def control_disk() -> Path:
    """Raw disk with the whole Debian root on ext4; its /init is the same as the initramfs's."""
    def build(directory: Path) -> None:
        tree = DebianTree(debian_root())
        progress("writing the control domain's disk")
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            tree.extract_all(root)
            shutil.copytree(FILES / "control", root, dirs_exist_ok=True, symlinks=True)
            link_busybox(root)
            link_run(root)
            subprocess.run(["/usr/sbin/depmod", "--basedir", str(root), kernel_version(tree, "amd64")], check=True)
            make_ext4(directory / "root.ext4", root, 1024)

    return cached("control-disk", hash_inputs([LISTS / "packages.txt", FILES / "control", CODE]), build) / "root.ext4"
