"""What our distributions demand of each other, for the bootstrap: where the application has one of them in another
version, it stays out."""

import re

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from .wheels import canonical

# What a distribution needs and does not say: OpenLIT imports `ConsoleLogRecordExporter`, a name of 1.39.
UNSAID = {"openlit": ["opentelemetry-sdk>=1.39.0"]}


def constraints_of(distributions, target):
    """Of a target's distributions: name -> the version that is here, and who demands which versions of it."""
    table = {each.name: {"version": each.version, "demanded": {}} for each in distributions}
    for each in distributions:
        for text in [*(each.headers().get_all("Requires-Dist") or ()), *UNSAID.get(each.name, ())]:
            requirement = Requirement(text)
            name = canonical(requirement.name)
            if name not in table or not requirement.specifier:
                continue
            if requirement.marker is None or requirement.marker.evaluate(target.environment()):
                specifiers = sorted(relaxed(name, str(each)) for each in requirement.specifier)
                table[name]["demanded"].setdefault(each.name, []).extend(specifiers)
    return table


def relaxed(name, specifier):
    """OpenTelemetry's packages demand the very release that they were made with; any patch of it will do."""
    match = re.fullmatch(r"(?:==|~=)(1\.\d+|0\.\d+)(?:\.\d+|b\d+)", specifier)
    return f"=={match[1]}.*" if match and name.startswith("opentelemetry-") else specifier


def contradiction(table):
    """What is demanded of ours and is not so, in words; None if all is well."""
    for name, entry in table.items():
        for demander, specifiers in entry["demanded"].items():
            if not SpecifierSet(",".join(specifiers)).contains(entry["version"], prereleases=True):
                return f"{demander} needs {name}{','.join(specifiers)}, and {entry['version']} is locked"
    return None
