"""The notices of licences: one text for all distributions of an image, made of what their wheels hold."""

import sys
from pathlib import PurePosixPath


def notices(distributions):
    """By name and version: the licence that the metadata states, and every licence file in full. A distribution that
    says nothing of a licence ends the build."""
    parts = []
    for each in sorted({(each.name, each.version): each for each in distributions}.items()):
        (name, version), distribution = each
        headers = distribution.headers()
        stated = headers["License-Expression"] or next(
            (line.rpartition(" :: ")[2] for line in headers.get_all("Classifier") or () if line.startswith("License ::")),
            (headers["License"] or "").strip().partition("\n")[0],
        )
        files = sorted(path for path in distribution.files if is_licence(path))
        if not stated and not files:
            sys.exit(f"{name} {version} states no licence")
        home = headers["Home-page"] or next(iter(headers.get_all("Project-URL") or [""])).rpartition(", ")[2]
        parts.append(f"{'=' * 100}\n{name} {version}\nLicence: {stated or 'see below'}\n{home}\n".rstrip("\n") + "\n")
        for path in files:
            text = (distribution.folder / path).read_text(encoding="utf-8", errors="replace").strip()
            parts.append(f"{'-' * 100}\n{PurePosixPath(path).name}\n\n{text}\n")
    return "\n".join(parts)


def is_licence(path):
    """Whether a file of a distribution is a licence or a notice."""
    if ".dist-info/" not in path:
        return False
    name = PurePosixPath(path).name.upper()
    return name.startswith(("LICENSE", "LICENCE", "NOTICE", "COPYING", "AUTHORS"))
