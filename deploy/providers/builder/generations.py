"""Which versions of OpenTelemetry an application may bring.

Its API comes with libraries that know nothing of us (FastAPI has it), in the version of the day when they were installed,
and an SDK works with the API of its own minor version only. So for each of these there are the SDK, the exporters and
OpenTelemetry's own instrumentations, which are pure Python; a patch release more or less makes no difference.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.specifiers import SpecifierSet

from .constraints import constraints_of, contradiction
from .locks import HERE, uv
from .targets import PYTHONS, Target
from .wheels import install

FOLDER = HERE / "opentelemetry"
# The first minor version of 1.x that a provider of ours can live with.
FIRST = 38
# Packages that are not stable yet count on their own: 1.45 goes with 0.66b.
AHEAD = 21


def minor_of(distributions):
    """The minor version of the API among them."""
    api = next(each for each in distributions if each.name == "opentelemetry-api")
    return ".".join(api.version.split(".")[:2])


def newest_locked():
    """The newest minor version in a provider's lock."""
    found = []
    for lock in HERE.glob("*/requirements.txt"):
        found += [int(minor) for minor in re.findall(r"^opentelemetry-api==1\.(\d+)\.", lock.read_text(), re.MULTILINE)]
    return max(found)


def lock():
    """Resolves every generation anew, after the providers."""
    FOLDER.mkdir(exist_ok=True)
    for minor in range(FIRST, newest_locked() + 1):
        file = FOLDER / f"1.{minor}.in"
        stable = ["exporter-otlp-proto-http", "sdk"]
        lines = [f"opentelemetry-{name}==1.{minor}.*" for name in stable]
        beta = minor + AHEAD
        lines += [f"opentelemetry-instrumentation{name}>=0.{beta}b0,<0.{beta + 1}b0" for name in instrumentations()]
        try:
            file.write_text("\n".join(lines) + "\n")
            uv(
                *("pip", "compile", file, "--output-file", FOLDER / f"1.{minor}.txt"),
                *("--excludes", FOLDER / "excluded.txt"),
                # No newer Python than what the oldest of ours could demand is excluded by the wheels' own metadata.
                *("--universal", "--python-version", PYTHONS[1], "--only-binary", ":all:"),
                *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--upgrade"),
                *("--custom-compile-command", "deploy/providers/build --lock"),
            )
        finally:
            file.unlink()


def instrumentations():
    """OpenTelemetry's own instrumentations that a provider needs: `` is what they have in common."""
    text = (HERE / "openlit" / "requirements.txt").read_text()
    names = set(re.findall(r"^opentelemetry-instrumentation(-[a-z0-9-]+)?==", text, re.MULTILINE))
    return sorted(names)


def generations(folder):
    """Minor version -> its distributions. They are pure Python, so one installation is every target's."""
    newest = Target(PYTHONS[-1], "glibc", "amd64")
    files = sorted(file for file in FOLDER.glob("*.txt") if file.name != "excluded.txt")
    with ThreadPoolExecutor(4) as pool:
        installed = list(pool.map(lambda file: install(file, newest, Path(folder) / file.stem), files))
    return {minor_of(distributions): distributions for distributions in installed}


def variants_of(target, distributions, others):
    """What a target has: minor version -> all its distributions, of which the lock's own is the first."""
    own = minor_of(distributions)
    train = {each.name for each in distributions} & {each.name for newer in others.values() for each in newer}
    rest = [each for each in distributions if each.name not in train]
    found = {own: distributions}
    for minor, generation in others.items():
        if minor == own:
            continue
        chosen = [each for each in generation if each.name in train]
        fits = all(SpecifierSet(each.headers()["Requires-Python"] or "").contains(target.python) for each in chosen)
        if fits and contradiction(constraints_of(rest + chosen, target)) is None:
            found[minor] = sorted(rest + chosen, key=lambda each: each.name)
    return found
