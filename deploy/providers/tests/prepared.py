"""What the slow tests stand on, made once and kept outside the checkout: images, and applications' packages.

The folder is `providers` in `$PRELIT_TEST_TOOLS`, or else in `$XDG_CACHE_HOME/prelit-ci`. Names have the digest of what a folder is made from.
"""

import fcntl
import functools
import hashlib
import os
import platform
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROVIDERS = HERE.parent
# With the tools of the other tests, if they are there.
TOOLS = os.environ.get("PRELIT_TEST_TOOLS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prelit-ci"
CACHE = Path(TOOLS).resolve() / "providers"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
ASK = "import platform, sys; print(platform.python_implementation(), *sys.version_info[:3])"


@functools.lru_cache(None)
def pythons(oldest=9):
    """The CPythons of this machine, on the PATH and below ~/.pyenv, from the oldest that is served: minor -> program."""
    found = {}
    folders = [Path(each) for each in os.environ["PATH"].split(os.pathsep)]
    for folder in folders + sorted(Path.home().glob(".pyenv/versions/*/bin")):
        for minor in range(oldest, 15):
            program = folder / ("python3.%d" % minor)
            if minor not in found and program.exists():
                said = subprocess.run([str(program), "-I", "-c", ASK], capture_output=True, text=True).stdout
                if said.startswith("CPython 3 %d " % minor):
                    found[minor] = program
    return dict(sorted(found.items()))


@functools.lru_cache(None)
def image(provider):
    """What a provider's image holds beside Python."""
    sources = [path for path in sorted(PROVIDERS.rglob("*")) if path.is_file() and is_source(path)]
    stamp = digest(part for path in sources for part in (str(path.relative_to(PROVIDERS)).encode(), path.read_bytes()))
    name = "%s-%s" % (provider, ARCHITECTURE)

    def make(folder):
        command = [sys.executable, PROVIDERS / "build", folder / "new", "--provider", provider]
        run(*command, "--architecture", ARCHITECTURE)
        for part in (folder / "new" / name).iterdir():
            part.rename(folder / part.name)

    forget(CACHE.glob("images-*"), CACHE / ("images-" + stamp))
    return kept(CACHE / ("images-" + stamp) / name, make)


def packages(provider):
    """The folder that a provider's init container copies to the volume."""
    return image(provider) / "instrumentations" / provider


def is_source(path):
    parts = path.relative_to(PROVIDERS).parts
    return parts[0] != "tests" and "__pycache__" not in parts and path.suffix != ".md"


@functools.lru_cache(None)
def environment(name, minor):
    """The folder with the packages of `environments/NAME.txt` for a Python."""
    lock, python = HERE / "environments" / (name + ".txt"), pythons()[minor]
    tools = runpy.run_path(str(PROVIDERS / "build"))["tools"]()

    def make(folder):
        install = [tools / "bin" / "python", "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode"]
        where = ["--python", python, "--target", folder, "--link-mode", "copy"]
        run(*install, *where, "--require-hashes", "--only-binary", ":all:", "--requirement", lock)

    stamp = digest([lock.read_bytes(), str(python).encode()])
    return kept(CACHE / "environments" / ("%s-cp3%d-%s" % (name, minor, stamp)), make)


def kept(folder, make):
    """A folder that is made once, whoever else wants it at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(str(folder) + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            print("prepare %s" % folder, file=sys.stderr, flush=True)
            new = folder.parent / (folder.name + ".new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            make(new)
            new.rename(folder)
    return folder


def forget(folders, but):
    """Removes what is older than a day, and which another checkout hardly still uses."""
    for folder in folders:
        if folder != but and folder.stat().st_mtime < time.time() - 86400:
            shutil.rmtree(folder, ignore_errors=True)


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


def digest(parts):
    total = hashlib.sha256()
    for part in parts:
        total.update(b"%d:" % len(part) + part)
    return total.hexdigest()[:12]
