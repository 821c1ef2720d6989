# SPDX-License-Identifier: MIT
"""Collects what a finished build gives, describes it, and publishes it in one step."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from .errors import ExitCode, KitError
from .flavour import Inputs
from .source import file_sha256

NAMES = ("vmlinuz", "vmlinux", "config", "System.map", "modules.tar", "sbom.json")
SUMS = "SHA256SUMS"


def write_bill_of_materials(inputs: Inputs, directory: Path) -> None:
    """Writes `sbom.json` in SPDX 2.3: the source, the patches, the tools and the artefacts with their hashes."""
    source = inputs.source
    name = f"tessera-guest-kernel-{inputs.flavour}"
    key = inputs.key()
    artefacts = [item for item in NAMES if item != "sbom.json"]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:tessera:guest-kernel:{inputs.flavour}:{key}",
        "creationInfo": {"created": source.pinned.timestamp.replace(" ", "T").replace("TUTC", "Z"), "creators": ["Tool: tessera-kernelkit"]},
        "packages": [
            {"SPDXID": "SPDXRef-kernel", "name": name, "versionInfo": key, "licenseDeclared": "GPL-2.0-only WITH Linux-syscall-note",
             "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION", "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
             "comment": "built with " + "; ".join(inputs.tools.values())},
            {"SPDXID": "SPDXRef-source", "name": source.pinned.package, "versionInfo": source.pinned.version if source.is_pinned else "unknown",
             "supplier": "Organization: Debian", "licenseDeclared": "GPL-2.0-only WITH Linux-syscall-note", "licenseConcluded": "NOASSERTION",
             "copyrightText": "NOASSERTION", "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
             "checksums": [{"algorithm": "SHA256", "checksumValue": source.sha256}]},
        ],
        "files": [describe_file(f"patch-{number}", patch.path, f"./patches/{patch.name}") for number, patch in enumerate(inputs.patches)]
        + [describe_file(f"artefact-{number}", directory / item, f"./{item}") for number, item in enumerate(artefacts)],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-kernel"},
                          {"spdxElementId": "SPDXRef-kernel", "relationshipType": "GENERATED_FROM", "relatedSpdxElement": "SPDXRef-source"}]
        + [{"spdxElementId": f"SPDXRef-patch-{number}", "relationshipType": "PATCH_FOR", "relatedSpdxElement": "SPDXRef-source"}
           for number, _ in enumerate(inputs.patches)]
        + [{"spdxElementId": "SPDXRef-kernel", "relationshipType": "CONTAINS", "relatedSpdxElement": f"SPDXRef-artefact-{number}"}
           for number, _ in enumerate(artefacts)],
    }
    (directory / "sbom.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def describe_file(identifier: str, path: Path, name: str) -> dict[str, object]:
    """One file of the bill of materials."""
    return {"SPDXID": f"SPDXRef-{identifier}", "fileName": name, "licenseConcluded": "GPL-2.0-only", "copyrightText": "NOASSERTION",
            "checksums": [{"algorithm": "SHA256", "checksumValue": file_sha256(path)}]}


def write_sums(directory: Path) -> None:
    """Writes `SHA256SUMS` in the form that `sha256sum -c` reads."""
    (directory / SUMS).write_text("".join(f"{file_sha256(directory / name)}  {name}\n" for name in NAMES), encoding="utf-8")


def is_whole(directory: Path) -> bool:
    """Whether a directory holds every artefact with the contents that its sums say."""
    try:
        lines = (directory / SUMS).read_text(encoding="utf-8").splitlines()
        sums = dict(reversed(line.split("  ", 1)) for line in lines)
        return set(sums) == set(NAMES) and all(file_sha256(directory / name) == value for name, value in sums.items())
    except (OSError, ValueError):
        return False


def publish(cached: Path, target: Path) -> None:
    """Makes `target` a copy of `cached`; whoever looks sees the old artefacts, none, or all of the new ones."""
    try:
        if is_whole(target) and (target / SUMS).read_bytes() == (cached / SUMS).read_bytes():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name in (*NAMES, SUMS):
                shutil.copy2(cached / name, fresh / name)
            fresh.chmod(0o755)
            replace_directory(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise KitError(f"{target} cannot be written: {error.strerror}", "is the disk full or read-only?", ExitCode.NO_RESOURCES) from error


def replace_directory(fresh: Path, target: Path) -> None:
    """Puts `fresh` in the place of `target`, which goes away as a whole."""
    old = fresh.with_name(fresh.name + "-old")
    if target.exists():
        os.rename(target, old)
    try:
        os.rename(fresh, target)
    except OSError:
        if old.exists():
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
