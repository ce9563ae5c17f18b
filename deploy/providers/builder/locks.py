"""Requirements and locks.

A lock is one file for all targets: uv resolves for every Python at once and writes markers where Pythons differ. So
all targets of a Python have the same versions, and a version that lacks a wheel for one of them fails the build.
"""

import subprocess
import sys
from pathlib import Path

from .targets import PYTHONS

HERE = Path(__file__).resolve().parent.parent


def uv(*arguments):
    """Runs uv. A failure ends the build."""
    command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise SystemExit(f"uv failed: {' '.join(command[4:])}\n{result.stdout}")


def lock_of(provider):
    """The lock of a provider."""
    return HERE / provider / "requirements.txt"


def lock(provider):
    """Resolves a provider's requirements anew. The command that made it stands in the lock's head."""
    folder = HERE / provider
    uv(
        *("pip", "compile", folder / "requirements.in", "--output-file", lock_of(provider)),
        # Not needed at run time, or the application's own: see the file.
        *("--excludes", folder / "excluded.txt"),
        *("--universal", "--python-version", PYTHONS[0], "--only-binary", ":all:"),
        *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--upgrade"),
        *("--custom-compile-command", "deploy/providers/build --lock"),
    )
