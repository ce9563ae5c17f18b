"""The ways in which an application is run: as it is, with Prelit's packages, and as others would instrument it.

All on CPython 3.11, for which the original's packages are, and with the same versions of what the application imports.
"""

import os
import runpy
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
APPLICATIONS = ROOT / "tests" / "providers" / "applications"
PROVIDERS = ("openlit", "openinference", "openllmetry")
PYTHON = "3.11"

_prepare = runpy.run_path(str(ROOT / "tests" / "providers" / "prepare"))
prepared = _prepare["prepared"]
pythons = _prepare["found"]


def environment(lock, python=PYTHON):
    """A virtual environment with what a lock names."""
    known = pythons()
    if python not in known:
        raise SystemExit(f"measure: no CPython {python} on the PATH or below ~/.pyenv")
    prepared.CACHE.mkdir(parents=True, exist_ok=True)
    return _prepare["environment"](python, known[python], lock)


def bare(python):
    """A Python with nothing."""
    return environment(APPLICATIONS / "environments" / "bare.txt", python)


class Way:
    """How one starts an application, and what is on its path before its own."""

    def __init__(self, name, lock="application", path=(), before=(), **more):
        self.name, self.path, self.more = name, [str(folder) for folder in path], more
        self.folder = environment(HERE / "environments" / f"{lock}.txt")
        self.before = [str(self.folder / "bin" / word) for word in before]

    def command(self, *arguments):
        return [*self.before, str(self.folder / "bin" / "python"), *arguments]

    def environ(self, receiver, **more):
        """What the contract gives to the application, and where its own modules are."""
        return {
            "PATH": os.environ["PATH"],
            # Packages are compiled, but for Prelit's: no image has those of every Python, and the volume is read-only.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([*self.path, str(HERE / "application"), str(APPLICATIONS)]),
            "OTEL_SERVICE_NAME": "chat",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "false",
            "TRACELOOP_TRACE_CONTENT": "false",
            "OPENAI_API_KEY": "none",
            **self.more,
            **more,
        }


def ways():
    packages = original() / "lib" / f"python{PYTHON}" / "site-packages"
    return [
        Way("without"),
        *(Way(f"Prelit, {provider}", path=[prepared.packages(provider)]) for provider in PROVIDERS),
        # It fetches a list of prices at each start. Here nobody listens, which is heard at once.
        Way("the original's", path=[HERE / "original", packages], OPENLIT_PRICING_JSON="http://127.0.0.1:1/prices"),
        Way("`opentelemetry-instrument`", "opentelemetry-instrument", before=["opentelemetry-instrument"]),
    ]


def original():
    return environment(HERE / "environments" / "original.txt")
