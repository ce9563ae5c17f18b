"""Instrumentation that waits: it starts when the application imports a library that the provider instruments.

Until then there is one finder on sys.meta_path and nothing else. This module and `table` are all that every Python
process of a container pays for. Python compiles them each time, since the volume can keep no bytecode: so they are short,
and import nothing that Python has not imported itself.

- `table`: which libraries, written by the build;
- `hooks`: what is done while one of them is imported;
- `activation`: what happens when the first has been imported, in the order of its steps: `fit` (which packages suit this
  Python), `conflicts` (what the application has itself), `telemetry` (providers and exporters), `provider` (the one of
  this image), `ending` (flush, fork) and `term` (signals).
"""

import os
import sys

finder = None


def start():
    """Installs the finder, once in a process."""
    global finder
    if finder or sys.version_info < (3, 4) or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    from . import table

    finder = Finder(table.LIBRARIES)
    sys.meta_path.insert(0, finder)
    if not finder.waiting.isdisjoint(sys.modules):
        from . import hooks

        hooks.there_already()


class Finder(object):
    """Knows the names that it waits for; of any other it knows nothing, and says so at once."""

    def __init__(self, names):
        self.waiting = set(names)

    def find_spec(self, name, path=None, target=None):
        if name not in self.waiting:
            return None
        try:
            from . import hooks
        except Exception as error:
            self.waiting.clear()
            return say_why(error)
        return hooks.find_spec(name, path, target)


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
