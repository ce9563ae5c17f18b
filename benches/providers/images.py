"""How large the images are, and how long their copies take."""

import contextlib
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from figures import spread, table
from ways import PROVIDERS, PYTHON, bare, original, prepared, pythons

# What the init container may use by default: so many microseconds of each so many.
QUOTA, PERIOD = 20_000, 100_000
# The Python of the images, or what is nearest.
IMAGE = "3.13"


def sizes():
    rows = []
    for provider in PROVIDERS:
        rows.append([provider, *size(prepared.image(provider).parents[1])])
    rows.append([f"the packages of the original's, for {PYTHON} alone", *size(original() / "lib")])
    table("What an image holds beside its Python:", ["", "files", "size", "compressed"], rows)


def size(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
            archive.add(folder, "")
        compressed = packed.tell()
    return str(len(files)), f"{total / 1e6:.0f} MB", f"{compressed / 1e6:.0f} MB"


def copies(runs):
    version = IMAGE if IMAGE in pythons() else list(pythons())[-1]
    python = bare(version) / "bin" / "python"
    rows = []
    with a_fifth() as limit:
        for provider in PROVIDERS:
            free, limited = [], []
            for _ in range(runs):
                free.append(copy(python, provider))
                if limit:
                    limited.append(copy(python, provider, limit))
            rows.append([provider, spread(free, 2, " s"), spread(limited, 2, " s") if limited else "not measured: no cgroup"])
    where = "memory" if in_memory(tempfile.gettempdir()) else "a disk's cache"
    table(f"The init container's program, CPython {version}, into {where}:", ["", "CPU free", "limit of 200m"], rows)


def copy(python, provider, limit=None):
    """Seconds from the start of the init container's program to its end."""
    program = prepared.image(provider).parents[1] / "usr/local/bin/setup-instrumentation.py"
    with tempfile.TemporaryDirectory() as volume:
        environment = {"PATH": os.environ["PATH"], "TARGET_PATH": volume, "INSTRUMENTATION_PROVIDER": provider}
        join = (lambda: limit.write_text(str(os.getpid()))) if limit else None
        started = time.perf_counter()
        subprocess.run([python, program], env=environment, stdout=subprocess.DEVNULL, preexec_fn=join, check=True)
        return time.perf_counter() - started


@contextlib.contextmanager
def a_fifth():
    """The file by which a process joins a group that has a fifth of a CPU, or nothing where no group can be made."""
    root, name = Path("/sys/fs/cgroup"), f"prelit-bench-{os.getpid()}"
    first, second = root / name, root / "cpu" / name
    kinds = {
        first: {"cpu.max": f"{QUOTA} {PERIOD}"},
        second: {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(QUOTA)},
    }
    for group, files in kinds.items():
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if all((group / file).exists() for file in files):
                for file, text in files.items():
                    (group / file).write_text(text)
                yield group / "cgroup.procs"
                return
        finally:
            group.rmdir()
    print("measure: no cgroup can be made, so the limit of 200m is not measured: it needs root", file=sys.stderr)
    yield None


def in_memory(folder):
    said = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True)
    return said.stdout.strip() == "tmpfs"
