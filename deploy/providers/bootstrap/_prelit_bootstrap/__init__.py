"""Instrumentation that waits: it starts when the application imports a library that the provider instruments.

Until then there is one finder on sys.meta_path and nothing else: this module and `table` are all that every Python
process of a container pays for, so they import nothing that Python has not imported itself.

- `hooks`: the finder;
- `table`: which libraries, written by the build;
- `activation`: what happens when the first is imported, in the order of its steps: `fit` (which packages suit this
  Python), `conflicts` (what the application has itself), `telemetry` (providers and exporters), `provider` (the one of
  this image), `ending` (flush, fork, signals).
"""

import os
import sys

_started = False


def start():
    """Installs the finder, once in a process."""
    global _started
    if _started or sys.version_info < (3, 4):
        return
    _started = True
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    from . import hooks, table

    hooks.install(table.LIBRARIES)


def say(text):
    """One line on stderr, whatever the text is; nothing if that fails."""
    try:
        sys.stderr.write("OpenLIT instrumentation " + " ".join(text.split()) + "\n")
        sys.stderr.flush()
    except Exception:
        pass


def say_why(error, what="not started"):
    """An error of ours, in one line."""
    say("%s: %s: %s" % (what, type(error).__name__, error))
