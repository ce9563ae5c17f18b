"""What the lock installs for a target: distributions as their wheels have them.

uv installs for a foreign Python and platform: wheels only, with hashes, without looking for dependencies.
"""

import csv
import hashlib
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path

from .locks import uv

# Not needed to run: stubs for type checkers.
UNNEEDED = (".pyi",)


@dataclass(frozen=True)
class Distribution:
    """One distribution in the folder where it was installed. Equal are those whose wheels hold the same bytes."""

    name: str
    version: str
    digest: str
    folder: Path = field(compare=False)
    files: tuple = field(compare=False)
    metadata: Path = field(compare=False)

    def headers(self):
        """Its METADATA."""
        return HeaderParser().parsestr((self.metadata / "METADATA").read_text(encoding="utf-8"))


def install(lock, target, folder):
    """Installs what a lock says for a target, and returns the distributions."""
    uv(
        *("pip", "install", "--target", folder, "--requirement", lock),
        *("--python-version", target.python, "--python-platform", target.platform),
        *("--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "hardlink"),
    )
    return sorted(map(distribution, folder.glob("*.dist-info")), key=lambda each: each.name)


def distribution(metadata):
    """The distribution that a `.dist-info` folder describes."""
    folder, records = metadata.parent, []
    with open(metadata / "RECORD", encoding="utf-8", newline="") as lines:
        for path, digest, _ in csv.reader(lines):
            # Written by the installer, or a program.
            if path.startswith("../") or path.startswith("bin/") or not digest:
                continue
            if path.startswith(f"{metadata.name}/") and Path(path).name in ("INSTALLER", "REQUESTED"):
                continue
            records.append((path, digest))
    records.sort()
    headers = HeaderParser().parsestr((metadata / "METADATA").read_text(encoding="utf-8"))
    return Distribution(
        name=canonical(headers["Name"]),
        version=headers["Version"],
        digest=hashlib.sha256(repr(records).encode()).hexdigest(),
        folder=folder,
        files=tuple(path for path, _ in records if not path.endswith(UNNEEDED)),
        metadata=metadata,
    )


def canonical(name):
    """A distribution's name as PyPI compares it."""
    return name.lower().replace("_", "-").replace(".", "-")
