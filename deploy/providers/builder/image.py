"""Writes what an image holds:

    instrumentations/PROVIDER/sitecustomize.py, _prelit_bootstrap/   the bootstrap, with the provider's own module
    instrumentations/PROVIDER/prelit-packages/GROUP/                 packages, by the targets that they serve
    instrumentations/PROVIDER/prelit-packages/TARGET.json            what the bootstrap knows of a target
    instrumentations/PROVIDER/prelit-manifest.json                   every file with its size and SHA-256
    instrumentations/PROVIDER/NOTICES.txt                            the licences
    usr/local/bin/setup-instrumentation.py                           copies it all into the volume

The same locks give the same bytes.
"""

import hashlib
import json
import os
import pprint
import shutil
import sys
import tempfile
from pathlib import Path

from .constraints import constraints_of
from .groups import groups_of
from .instrumentors import followers_of, instrumentors_of
from .notices import notices
from .targets import ARCHITECTURES, name_of, targets_of
from .wheels import install

HERE = Path(__file__).resolve().parent.parent
PACKAGES = "prelit-packages"
MANIFEST = "prelit-manifest.json"


def build(provider, architecture, out):
    """Builds one image's folder and returns a line about it."""
    if out.exists():
        shutil.rmtree(out)
    root = out / "instrumentations" / provider
    with tempfile.TemporaryDirectory(prefix="prelit-providers-", dir=parent_of(out)) as scratch:
        targets = targets_of(architecture)
        installed = {target: install(provider, target, Path(scratch) / target.name) for target in targets}
        paths = store(groups_of(installed), targets, root / PACKAGES)
        for target in targets:
            describe(provider, target, installed[target], paths[target], root / PACKAGES)
        bootstrap(provider, architecture, installed, root)
        every = [each for distributions in installed.values() for each in distributions]
        (root / "NOTICES.txt").write_text(notices(every), encoding="utf-8")
    size = manifest(root)
    script = out / "usr" / "local" / "bin" / "setup-instrumentation.py"
    script.parent.mkdir(parents=True)
    shutil.copyfile(HERE / "setup-instrumentation.py", script)
    script.chmod(0o755)
    files = sum(1 for path in root.rglob("*") if path.is_file())
    return f"{out}: {size / 1e6:.1f} MB in {files} files"


def parent_of(out):
    """Beside the result, so that files are moved and not copied."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def store(groups, targets, packages):
    """Puts each group into its folder. Returns target -> its folders, those first that serve the fewest."""
    paths = {target: [] for target in targets}
    for served, distributions in sorted(groups.items(), key=lambda group: (len(group[0]), name_of(group[0], targets))):
        name = name_of(served, targets)
        for target in served:
            paths[target].append(name)
        for distribution in sorted(distributions, key=lambda each: each.name):
            for path in distribution.files:
                to = packages / name / path
                if to.exists():
                    sys.exit(f"{provider_file(path)} is in two distributions, one of them {distribution.name}")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(distribution.folder / path, to)
                to.chmod(0o644)
    return paths


def provider_file(path):
    """A file's name for a message."""
    return f"the file {path}"


def describe(provider, target, distributions, folders, packages):
    """What the bootstrap reads when it starts instrumentation in this Python."""
    instrumentors = instrumentors_of(provider, distributions)
    write_json(
        packages / f"{target.name}.json",
        {
            "folders": folders,
            "instrumentors": {
                name: {"class": cls, "modules": modules, "libraries": libraries}
                for name, (modules, cls, libraries) in instrumentors.items()
            },
            "distributions": constraints_of(distributions, target),
        },
    )


def bootstrap(provider, architecture, installed, root):
    """The bootstrap, the provider's own module, and the table of libraries of all targets together."""
    shutil.copytree(HERE / "bootstrap", root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    package = root / "_prelit_bootstrap"
    shutil.copyfile(HERE / provider / "provider.py", package / "provider.py")
    followers = followers_of(provider)
    libraries = sorted(
        {
            module
            for target, distributions in installed.items()
            for name, (modules, _, _) in instrumentors_of(provider, distributions).items()
            if name not in followers
            for module in modules
        }
    )
    (package / "table.py").write_text(
        '"""Written by the build: whose packages these are, and the libraries whose import starts instrumentation."""\n\n'
        f"PROVIDER = {provider!r}\nMACHINE = {ARCHITECTURES[architecture]!r}\n"
        f"LIBRARIES = {pprint.pformat(tuple(libraries), width=118)}\n",
        encoding="utf-8",
    )
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def manifest(root):
    """Writes the list of all files, and returns their size."""
    files, total = {}, 0
    for path in sorted(root.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            files[str(path.relative_to(root))] = [len(content), hashlib.sha256(content).hexdigest()]
            total += len(content)
    write_json(root / MANIFEST, {"version": 1, "files": files})
    return total


def write_json(path, value):
    """One line: it is read by programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
    os.chmod(path, 0o644)
