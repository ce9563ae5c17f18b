"""What our distributions demand of each other, for the bootstrap: where the application has one of them in another
version, it stays out."""

from packaging.requirements import Requirement

from .wheels import canonical


def constraints_of(distributions, target):
    """Of a target's distributions: name -> the version that is here, and who demands which versions of it."""
    table = {each.name: {"version": each.version, "demanded": {}} for each in distributions}
    for each in distributions:
        for text in each.headers().get_all("Requires-Dist") or ():
            requirement = Requirement(text)
            name = canonical(requirement.name)
            if name not in table or not requirement.specifier:
                continue
            if requirement.marker is None or requirement.marker.evaluate(target.environment()):
                specifiers = sorted(map(str, requirement.specifier))
                table[name]["demanded"].setdefault(each.name, []).extend(specifiers)
    return table
