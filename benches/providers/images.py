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
        rows.append([provider, *size(prepared.image(provider))])
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
        for kind, place in places().items():
            for provider in PROVIDERS:
                image = prepared.image(provider)
                commands = {
                    "free": ([python, image / "usr/local/bin/setup-instrumentation.py"], None),
                    "limited": ([python, image / "usr/local/bin/setup-instrumentation.py"], limit),
                    # What any program would take there.
                    "cp": (["cp", "-r", f"{image}/instrumentations/{provider}/."], None),
                }
                taken = {name: [] for name in commands}
                for _ in range(runs):
                    for name, (command, group) in commands.items():
                        taken[name].append(copy(command, provider, place, group))
                rows.append([f"{provider}, to {kind}", *(spread(each, 2, " s") for each in taken.values())])
    header = ["", "CPU free", "limit of 200m" if limit else "no limit could be set", "`cp -r`"]
    table(f"The init container's program, by CPython {version}:", header, rows)


def places():
    """Where a volume may be."""
    found = {"disk": tempfile.gettempdir(), "memory": "/dev/shm"}
    return {kind: place for kind, place in found.items() if os.path.isdir(place) and in_memory(place) == (kind == "memory")}


def in_memory(folder):
    said = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True)
    return said.stdout.strip() == "tmpfs"


def copy(command, provider, place, group=None):
    """Seconds from the start of a program that copies to its end."""
    with tempfile.TemporaryDirectory(dir=place) as volume:
        environment = {"PATH": os.environ["PATH"], "TARGET_PATH": volume, "INSTRUMENTATION_PROVIDER": provider}
        if command[0] == "cp":
            command = [*command, volume]
        join = (lambda: group.write_text(str(os.getpid()))) if group else None
        started = time.perf_counter()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, preexec_fn=join, check=True)
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

