"""Versions and what is demanded of them, as PEP 440 has it: what the bootstrap needs before any package is there."""

import re

_VERSION = re.compile(
    r"\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?"
    r"(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?([-_.]?dev[-_.]?(\d*))?(?:\+[a-z0-9.]+)?\s*$",
    re.IGNORECASE,
)
_STAGES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_SPECIFIER = re.compile(r"\s*(~=|===|==|!=|<=|>=|<|>)\s*(\S+?)\s*$")


def key(text):
    """What a version is compared by; None if it is none."""
    match = _VERSION.match(text)
    if match is None:
        return None
    epoch, release, stage, number, post, post_too, dev, dev_number = match.groups()
    numbers = [int(part) for part in release.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    if stage:
        before = (_STAGES.get(stage.lower(), stage.lower()), int(number or 0))
    else:
        # A development release without a stage comes before every stage, a release after.
        before = ("", 0) if dev and post is None and post_too is None else ("z", 0)
    after = -1 if post is None and post_too is None else int(post or post_too or 0)
    return int(epoch or 0), tuple(numbers), before, after, (0, int(dev_number or 0)) if dev else (1, 0)


def satisfies(version, specifier):
    """Whether a version satisfies one specifier. What cannot be read is taken to."""
    match = _SPECIFIER.match(specifier)
    if match is None:
        return True
    operator, wanted = match.groups()
    if operator == "===":
        return version == wanted
    if wanted.endswith(".*"):
        same = _starts_with(version, wanted[:-2])
        return same if operator == "==" else not same
    have, want = key(version), key(wanted)
    if have is None or want is None:
        return True
    if operator == "~=":
        return have >= want and _starts_with(version, wanted.rpartition(".")[0])
    return {
        "==": have == want,
        "!=": have != want,
        "<=": have <= want,
        ">=": have >= want,
        # A pre-release of the version itself is not before it, and a post-release not after it.
        "<": have < want and (have[:2] != want[:2] or want[2] != ("z", 0) or have[2] == ("z", 0)),
        ">": have > want and (have[:2] != want[:2] or want[3] >= 0 or have[3] < 0),
    }[operator]


def _starts_with(version, prefix):
    have, start = _numbers(version), _numbers(prefix)
    if have is None or start is None:
        return True
    have += [0] * (len(start) - len(have))
    return have[: len(start)] == start


def _numbers(text):
    """The epoch and the numbers of a release, as many as are written."""
    match = _VERSION.match(text)
    return match and [int(part) for part in [match.group(1) or 0, *match.group(2).split(".")]]
