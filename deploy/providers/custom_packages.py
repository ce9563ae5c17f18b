"""Installs the user's own packages beside a provider's, into a folder that Python looks into last.

pip runs with the Python of the init image, and the application may run any other. What is pure Python serves both; what has
compiled parts is refused, since nobody here knows which Python it would be for.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata

# It has a dash, so that no import finds the folder itself.
FOLDER = "custom-packages"
COMPILED = (".so", ".pyd", ".dylib")


def install(arguments, target, scratch):
    """Installs what pip's arguments name, all of it or nothing. Returns what is wrong, in words.

    What is written on the way is on the volume too, in a folder that begins with `scratch`: the root may be read-only.
    """
    os.umask(0o022)
    work = tempfile.mkdtemp(prefix=scratch, dir=target)
    try:
        new = os.path.join(work, FOLDER)
        pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-compile"]
        if subprocess.call([*pip, "--target", new, *arguments], env={**os.environ, "TMPDIR": work}):
            return "customPackages: pip failed, and says why above"
        compiled = compiled_in(new)
        if compiled:
            return (
                f"customPackages: {', '.join(compiled)}: packages with compiled parts must be in the application's own image, "
                "where they are made for its Python (noDeps: true leaves out what other packages depend on)"
            )
        place = os.path.join(target, FOLDER)
        if os.path.lexists(place):
            os.rename(place, os.path.join(work, "old"))
        os.rename(new, place)
        return None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def compiled_in(folder):
    """Name and version of what is not pure Python, by what its wheel says and by the files that it has."""
    found = []
    for distribution in metadata.distributions(path=[folder]):
        says = (distribution.read_text("WHEEL") or "").lower().replace(" ", "").splitlines()
        if "root-is-purelib:false" in says or any(path.suffix in COMPILED for path in distribution.files or ()):
            found.append(f"{distribution.metadata['Name']} {distribution.version}")
    return sorted(found)
