"""Where each distribution is stored: what is the same for several targets is stored once.

A folder holds what serves exactly the same targets, so that a handful of folders makes the path of a Python. Only whole
wheels are shared, and never a part of a regular package: distributions that put files into the same regular package
(`openinference.instrumentation` and what is below it) are one unit, which is shared only if all of it is the same.
Namespace packages (`opentelemetry`, `google`) may be spread over folders.
"""

from collections import defaultdict
from pathlib import PurePosixPath


def units_of(distributions):
    """The distributions of one target, those together that share a regular package."""
    regular = {}
    for distribution in distributions:
        for path in distribution.files:
            if PurePosixPath(path).name == "__init__.py":
                owner = regular.setdefault(str(PurePosixPath(path).parent), distribution)
                if owner is not distribution:
                    raise SystemExit(f"{path} is in {owner.name} and in {distribution.name}")
    parents = {distribution: distribution for distribution in distributions}

    def root(distribution):
        while parents[distribution] is not distribution:
            distribution = parents[distribution]
        return distribution

    for distribution in distributions:
        for path in distribution.files:
            for folder in PurePosixPath(path).parents:
                owner = regular.get(str(folder))
                if owner is not None and root(owner) is not root(distribution):
                    parents[root(distribution)] = root(owner)
    units = defaultdict(set)
    for distribution in distributions:
        units[root(distribution)].add(distribution)
    return [frozenset(unit) for unit in units.values()]


def groups_of(variants):
    """From (target, minor version of OpenTelemetry) -> distributions: set of these pairs -> distributions."""
    serves = defaultdict(set)
    for pair, distributions in variants.items():
        for unit in units_of(distributions):
            serves[unit].add(pair)
    groups = defaultdict(set)
    for unit, pairs in serves.items():
        groups[frozenset(pairs)].update(unit)
    return groups
