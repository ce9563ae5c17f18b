"""Writes what an image holds:

    instrumentations/PROVIDER/sitecustomize.py, _prelit_bootstrap/   the bootstrap, with the provider's own module
    instrumentations/PROVIDER/prelit-packages/GROUP/                 packages, by the targets that they serve
    instrumentations/PROVIDER/prelit-packages/TARGET.json            what the bootstrap knows of a target
    instrumentations/PROVIDER/prelit-manifest.json                   every file with its size and SHA-256
    instrumentations/PROVIDER/NOTICES.txt                            the licences
    usr/local/bin/setup-instrumentation.py, custom_packages.py       copies it all into the volume, and installs the user's own

The same locks give the same bytes.
"""

import hashlib
import json
import os
import pprint
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .constraints import constraints_of, contradiction
from .generations import minor_of, variants_of
from .groups import groups_of
from .instrumentors import followers_of, instrumentors_of
from .locks import lock_of
from .notices import notices
from .targets import ARCHITECTURES, name_of, targets_of
from .wheels import install

HERE = Path(__file__).resolve().parent.parent
PACKAGES = "prelit-packages"
MANIFEST = "prelit-manifest.json"


def build(provider, architecture, others, out):
    """Builds one image's folder and returns a line about it. `others` are the generations of OpenTelemetry."""
    if out.exists():
        shutil.rmtree(out)
    root = out / "instrumentations" / provider
    with tempfile.TemporaryDirectory(prefix="prelit-providers-") as scratch, ThreadPoolExecutor(4) as pool:
        targets = targets_of(architecture)
        each = pool.map(lambda target: install(lock_of(provider), target, Path(scratch) / target.name), targets)
        installed = dict(zip(targets, each))
        variants = {}
        for target, distributions in installed.items():
            wrong = contradiction(constraints_of(distributions, target))
            if wrong:
                sys.exit(f"{provider}, {target.name}: {wrong}")
            for minor, chosen in variants_of(target, distributions, others).items():
                variants[target, minor] = chosen
        paths = store(groups_of(variants), variants, root / PACKAGES)
        for target in targets:
            describe(provider, target, installed[target], variants, paths, root / PACKAGES)
        bootstrap(provider, architecture, installed, root)
        every = [each for distributions in variants.values() for each in distributions]
        (root / "NOTICES.txt").write_text(notices(every), encoding="utf-8")
    size = manifest(root)
    programs = out / "usr" / "local" / "bin"
    programs.mkdir(parents=True)
    for name, mode in (("setup-instrumentation.py", 0o755), ("custom_packages.py", 0o644)):
        shutil.copyfile(HERE / name, programs / name)
        (programs / name).chmod(mode)
    files = sum(1 for path in root.rglob("*") if path.is_file())
    return f"{out}: {size / 1e6:.1f} MB in {files} files"


def store(groups, variants, packages):
    """Puts each group into its folder. Returns what `variants` has -> its folders, those first that serve the fewest."""
    paths = {pair: [] for pair in variants}
    for served, distributions in sorted(groups.items(), key=lambda group: (len(group[0]), folder_of(group[0], variants))):
        name = folder_of(served, variants)
        for pair in served:
            paths[pair].append(name)
        for distribution in sorted(distributions, key=lambda each: each.name):
            for path in distribution.files:
                to = packages / name / path
                if to.exists():
                    sys.exit(f"{path} is in two distributions, one of them {distribution.name}")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(distribution.folder / path, to)
    return paths


def folder_of(served, variants):
    """A name for what serves these pairs. It has a dash, so that no module can have it."""
    targets = {target for target, _ in served}
    name = name_of(targets, {target for target, _ in variants})
    minors = {minor for _, minor in served}
    if served == {pair for pair in variants if pair[0] in targets}:
        return name
    return f"opentelemetry-{'-'.join(sorted(minors))}-{name}"


def describe(provider, target, distributions, variants, paths, packages):
    """What the bootstrap reads when it starts instrumentation in this Python."""
    instrumentors = instrumentors_of(provider, distributions)
    write_json(
        packages / f"{target.name}.json",
        {
            "instrumentors": {
                name: {"class": cls, "modules": modules, "libraries": libraries}
                for name, (modules, cls, libraries) in instrumentors.items()
            },
            "own": minor_of(distributions),
            "generations": {
                minor: {"folders": paths[each, minor], "distributions": constraints_of(chosen, target)}
                for (each, minor), chosen in variants.items()
                if each == target
            },
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
