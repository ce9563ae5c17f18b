#!/usr/bin/env python3
"""The init container's program: copies a provider's packages into the volume.

    INSTRUMENTATION_PROVIDER   whose; by default `openlit`, or the one that the image has
    TARGET_PATH                the volume; by default /instrumentation-packages

Arguments are the user's own packages, as pip takes them (`-- PACKAGE...`), and are installed when ours are in place.

The packages are in `/instrumentations/PROVIDER`, with a manifest of their sizes and digests. All of them are written
beside their place, compared with the manifest, and moved into place; `sitecustomize.py`, without which no Python takes
notice of the rest, comes last. So a run that was killed or found the volume full leaves nothing that could be taken for
complete. It says one line (and pip what it has to say), writes nowhere else, and exits with 1 when anything is not as it
should be.

Needs Python 3.8 or later; any user, and a root that may be read-only.
"""

import hashlib
import json
import os
import shutil
import sys
import time

# `/instrumentations`, seen from `/usr/local/bin/setup-instrumentation.py`.
ROOT = os.path.normpath(os.path.join(os.path.abspath(__file__), "..", "..", "..", "..", "instrumentations"))
MANIFEST = "prelit-manifest.json"
ENTRY = "sitecustomize.py"
SCRATCH = ".prelit-new-"


class Failure(Exception):
    """What is wrong, in words."""


def main():
    started = time.monotonic()
    try:
        source = source_of(os.environ.get("INSTRUMENTATION_PROVIDER", ""))
        target = os.environ.get("TARGET_PATH") or "/instrumentation-packages"
        files = manifest_of(source)
        total = install(source, files, target)
        spent = time.monotonic() - started
        what = f"{os.path.basename(source)}: {len(files)} files, {total / 1e6:.0f} MB in {spent:.1f} s"
        print(f"setup-instrumentation: {what} to {target}", flush=True)
        if sys.argv[1:]:
            import custom_packages

            wrong = custom_packages.install(sys.argv[1:], target, SCRATCH)
            if wrong:
                raise Failure(wrong)
    except Failure as failure:
        print(f"setup-instrumentation: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        print(f"setup-instrumentation: {error.strerror or error}{name}", file=sys.stderr)
        return 1
    return 0


def source_of(provider):
    """The folder of a provider."""
    present = sorted(entry.name for entry in os.scandir(ROOT) if entry.is_dir()) if os.path.isdir(ROOT) else []
    if not provider:
        provider = "openlit" if "openlit" in present or len(present) != 1 else present[0]
    if provider not in present:
        raise Failure(f"no packages of the provider {provider!r} in {ROOT}: it has {', '.join(present) or 'none'}")
    return os.path.join(ROOT, provider)


def manifest_of(source):
    """From path to size and SHA-256, of all files that are to be copied."""
    path = os.path.join(source, MANIFEST)
    try:
        with open(path, "rb") as file:
            files = json.load(file)["files"]
        names = [name for name, (size, digest) in files.items() if os.path.isabs(name) or ".." in name.split("/")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Failure(f"{path} cannot be read: {error}") from error
    if names or ENTRY not in files:
        raise Failure(f"{path} is no manifest of a provider")
    return files


def install(source, files, target):
    """Copies into a new folder on the volume, then moves what is in it to its place. Returns the bytes copied."""
    if not os.path.isdir(target):
        raise Failure(f"{target} is no folder: is the volume mounted there, and TARGET_PATH right?")
    for entry in os.scandir(target):
        if entry.name.startswith(SCRATCH):
            shutil.rmtree(entry.path)
    new = os.path.join(target, f"{SCRATCH}{os.getpid()}")
    os.mkdir(new, 0o755)
    try:
        total = copy(source, files, new)
        place(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return total


def copy(source, files, new):
    """Copies the files, and compares what was read with the manifest. Plain system calls: there are thousands of files, and
    an init container has a fraction of a CPU. Half of them are the same in several versions of a package: these are written
    once, and linked."""
    # Whoever runs the application may read them.
    os.umask(0o022)
    total, folders, written = 0, {""}, {}
    for name in sorted([*files, MANIFEST]):
        size, digest = files.get(name, (None, None))
        make(new, os.path.dirname(name), folders)
        path = os.path.join(new, name)
        if digest in written and link(written[digest], path):
            continue
        content = read(os.path.join(source, name))
        if digest and (len(content) != size or hashlib.sha256(content).hexdigest() != digest):
            raise Failure(f"{os.path.join(source, name)} is not what the manifest says: the image is broken")
        write(path, content)
        total += len(content)
        if digest:
            written[digest] = path
    return total


def link(there, path):
    """A second name of a file; false where the volume has no such thing, or the file has too many."""
    try:
        os.link(there, path)
    except OSError:
        return False
    return True


def read(path):
    """A file, whole."""
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def write(path, content):
    """A new file. A volume that is full is an error of `write`, or a part that is missing, for which it is asked again."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


def make(new, folder, folders):
    """Makes a folder, once."""
    if folder in folders:
        return
    make(new, os.path.dirname(folder), folders)
    os.mkdir(os.path.join(new, folder), 0o755)
    folders.add(folder)


def place(new, target):
    """Moves everything to its place. An earlier run's entry point goes first, ours comes last."""
    entry = os.path.join(target, ENTRY)
    if os.path.lexists(entry):
        os.unlink(entry)
    for name in sorted(os.listdir(new), key=lambda name: name == ENTRY):
        path = os.path.join(target, name)
        if os.path.isdir(path) and not os.path.islink(path):
            old = os.path.join(new, f"old-{name}")
            os.rename(path, old)
        os.rename(os.path.join(new, name), path)


if __name__ == "__main__":
    sys.exit(main())
