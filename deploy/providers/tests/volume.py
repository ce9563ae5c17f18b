"""A volume with the real bootstrap, and with packages and libraries made for the tests."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

# Does to a class of a library what an instrumentation would, and says what it was given.
INSTRUMENTOR = """
import sys
class Instrumentor:
    def instrument(self, **options):
        import {library}
        {library}.instrumented = True
"""

PROVIDER = """
SDK_NAME = None
SIGNALS = ()
def configure(signals):
    pass
def instrument(name, instrumentor):
    instrumentor.instrument()
"""

# Stands for the SDK: writes down what it is told.
TELEMETRY = """
import os
class Provider:
    def force_flush(self):
        with open(os.environ["FLUSHED"], "a") as file:
            file.write("%d flush\\n" % os.getpid())
class Signals:
    providers = [Provider()]
    sessions = []
def start(sdk_name, wanted):
    return Signals()
"""


class VolumeTest(unittest.TestCase):
    """Each test has a volume, and a folder for the application's own packages."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.volume, self.site = self.scratch / "volume", self.scratch / "site"
        self.flushed = self.scratch / "flushed"
        shutil.copytree(HERE / "bootstrap", self.volume, ignore=shutil.ignore_patterns("__pycache__"))
        self.site.mkdir()
        self.write(self.volume / "_prelit_bootstrap/provider.py", PROVIDER)
        self.write(self.volume / "_prelit_bootstrap/telemetry.py", TELEMETRY)
        self.instrumentations("library", "framework")

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())

    def instrumentations(self, *libraries, **change):
        """Writes what the build would, for libraries that the tests make."""
        packages = self.volume / "prelit-packages"
        known = {
            "instrumentors": {
                name: {"class": f"prelit_test_{name}:Instrumentor", "modules": [name], "libraries": [f"{name} >= 2.0"]}
                for name in libraries
            },
            "own": "1.45",
            "generations": {"1.45": {"folders": ["some-folder"], "distributions": {"ours": {"version": "1", "demanded": {}}}}},
        }
        known.update(change)
        for minor in range(9, 15):
            for libc in ("glibc", "musl"):
                self.write(packages / f"cp3{minor}-{libc}.json", json.dumps(known))
        for name in libraries:
            self.write(packages / "some-folder" / f"prelit_test_{name}.py", INSTRUMENTOR.format(library=name))
        self.write(
            self.volume / "_prelit_bootstrap/table.py",
            f"PROVIDER = 'test'\nMACHINE = {os.uname().machine!r}\nLIBRARIES = {tuple(libraries)!r}\n",
        )

    def library(self, name, version="2.1", text="instrumented = False\n"):
        """A library of the application."""
        self.write(self.site / name / "__init__.py", text)
        self.write(self.site / f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n")

    def run_python(self, *arguments, env=None, volume=True, check=0):
        """Runs this Python, as the application would be run."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
        path = [str(self.volume)] if volume else []
        environment.update(
            PYTHONPATH=os.pathsep.join([*path, str(self.site)]),
            PYTHONDONTWRITEBYTECODE="1",
            FLUSHED=str(self.flushed),
            OTEL_SERVICE_NAME="chat",
            OTEL_EXPORTER_OTLP_ENDPOINT="http://user:secret@collector:4318",
        )
        environment.update(env or {})
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=60
        )
        if check is not None:
            self.assertEqual(done.returncode, check, done.stderr)
        return done

    def code(self, text, **options):
        """Runs a program, and returns what it writes."""
        return self.run_python("-c", textwrap.dedent(text), **options)

    def endings(self):
        """What the stand-in for the SDK was told."""
        return self.flushed.read_text().splitlines() if self.flushed.exists() else []


SERVED = sys.version_info >= (3, 9)
