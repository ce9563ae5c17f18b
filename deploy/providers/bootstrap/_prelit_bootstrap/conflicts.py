"""What the application brings itself, and whether ours can live with it.

Only names of folders are read: `NAME-VERSION.dist-info` stands beside what was installed.
"""

import os
import re

from .settings import StayOut
from .versions import satisfies

_METADATA = re.compile(r"(.+?)-([^-]+)(?:-.*)?\.(?:dist|egg)-info$")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*([^;]*)")


def canonical(name):
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def own_distributions(path, ours):
    """From name to version, of what the application finds on its path, where the first counts."""
    found = {}
    for folder in path:
        if folder in ours:
            continue
        for name in names_in(folder or "."):
            match = _METADATA.match(name)
            if match is not None:
                found.setdefault(canonical(match.group(1)), match.group(2))
    return found


def names_in(folder):
    """The names in a folder, or at the top of an archive."""
    try:
        return os.listdir(folder)
    except OSError:
        pass
    if not os.path.isfile(folder):
        return ()
    import zipfile

    try:
        with zipfile.ZipFile(folder) as archive:
            return {name.partition("/")[0] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return ()


def generation(generations, newest, own):
    """What goes with the OpenTelemetry that the application has: an SDK works with the API of its minor version."""
    version = own.get("opentelemetry-api")
    if version is None:
        return generations[newest]
    minor = ".".join(version.split(".")[:2])
    if minor not in generations:
        have = ", ".join(sorted(generations, key=lambda each: [int(part) for part in each.split(".")]))
        raise StayOut("the application has opentelemetry-api %s, and there are packages for %s" % (version, have))
    return generations[minor]


def found(distributions, own):
    """Why ours cannot be added to the application's, in words; None if they can."""
    for name in sorted(distributions):
        if name not in own:
            continue
        for demander, specifiers in sorted(distributions[name]["demanded"].items()):
            # What the application's own distributions demand is its own affair.
            if demander in own or all(satisfies(own[name], specifier) for specifier in specifiers):
                continue
            version = distributions[demander]["version"]
            wanted = ", ".join(specifiers)
            return "the application has %s %s, and %s %s needs %s" % (name, own[name], demander, version, wanted)
    return None


def unmet(libraries, own):
    """Whether a library is there in a version that can be instrumented: "" if so, None if it is not there at all, and
    otherwise what is wrong. One of several libraries is enough."""
    answer = None if libraries else ""
    for requirement in libraries:
        name, specifiers = _REQUIREMENT.match(requirement).groups()
        version = own.get(canonical(name))
        if version is None:
            continue
        if all(satisfies(version, each) for each in specifiers.split(",") if each.strip()):
            return ""
        answer = "%s %s is there, and %s is what can be instrumented" % (canonical(name), version, requirement.strip())
    return answer
