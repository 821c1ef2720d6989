# SPDX-License-Identifier: MIT
"""An ordinary Debian root file system for a guest: systemd, udev, what containers need, and a kernel's modules unpacked into it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from .workload import ROOT as PROJECT

from tesseraimage.cache import cached, hash_inputs, progress  # noqa: E402
from tesseraimage.components import SUITE, make_ext4  # noqa: E402

PACKAGES = ("systemd-sysv", "systemd-container", "udev", "dbus", "kmod", "iproute2", "iputils-ping", "nftables", "procps", "xfsprogs", "btrfs-progs",
            "apparmor")
SIZE_MIB = 1024
HOSTNAME = "server"

__all__ = ["HOSTNAME", "PROJECT", "write_disk"]


def debian_tar() -> Path:
    """Tar file of a minimal Debian with the packages above, configured; kept in the cache of the images."""
    def build(directory: Path) -> None:
        progress(f"installing a Debian root with {', '.join(PACKAGES)} (once; some minutes)")
        subprocess.run(["mmdebstrap", "--variant=minbase", "--quiet", f"--include={','.join(PACKAGES)}", SUITE, str(directory / "root.tar")], check=True)

    return cached("server-root", hash_inputs([], " ".join((SUITE, *PACKAGES))), build) / "root.tar"


def write_disk(modules: Path, image: Path) -> None:
    """Writes the root file system with the modules, a root without password and a file-system table; needs root, as mmdebstrap's tar has devices."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "root")
        root.mkdir()
        for archive in (debian_tar(), modules):
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "--numeric-owner", "-f", str(archive), "-C", str(root)], check=True)
        (root / "etc/hostname").write_text(f"{HOSTNAME}\n", encoding="ascii")
        (root / "etc/fstab").write_text("/dev/xvda / ext4 rw 0 1\n", encoding="ascii")
        shadow = root / "etc/shadow"
        shadow.write_text("".join(f"root::{line.split(':', 2)[2]}\n" if line.startswith("root:") else f"{line}\n"
                                  for line in shadow.read_text(encoding="ascii").splitlines()), encoding="ascii")
        make_ext4(image, root, SIZE_MIB)
