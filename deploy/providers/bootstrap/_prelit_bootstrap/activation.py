"""What happens when a library that the provider instruments has been imported.

The first one starts instrumentation: the packages go to the end of sys.path, the SDK is set up, and from then on each
library is instrumented when it has been imported. Where that cannot be, one line says why, and the hooks are gone.
"""

import os
import sys

from . import conflicts, fit, hooks, say, say_why, settings, table

try:
    from _thread import allocate_lock
except ImportError:  # no threads
    from dummy_threading import Lock as allocate_lock

VOLUME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = os.path.join(VOLUME, "prelit-packages")
# What the user asked for beside: pure Python, and found after everything else.
CUSTOM = os.path.join(VOLUME, "custom-packages")

# Never held while anything is imported: an import may wait for another thread's.
_lock = allocate_lock()
_queue = []
_busy = False
_session = None
# What handlers of the application's signals have raised in our time.
interruptions = []


def imported(names):
    """Takes note of libraries. One thread at a time does what is to be done; it also does what others bring, and what its
    own work imports."""
    global _busy
    with _lock:
        _queue.extend(names)
        if _busy:
            return
        _busy = True
    while True:
        with _lock:
            if not _queue:
                _busy = False
                return
            name = _queue.pop(0)
        try:
            _handle(name)
        except Exception as error:
            stay_out(error)


def stay_out(error):
    """Says why, and hears no more. If nothing was instrumented, the application finds nothing of ours on its path."""
    hooks.uninstall()
    with _lock:
        del _queue[:]
    if _session is not None and _session.provider is None:
        ours = [*_session.folders, CUSTOM]
        sys.path[:] = [folder for folder in sys.path if folder not in ours]
    if isinstance(error, settings.StayOut):
        say("not started: %s" % error)
    else:
        say_why(error)


def after_fork():
    """In the child: what another thread of the parent was doing, nobody does here."""
    global _lock, _busy
    _lock = allocate_lock()
    _busy = False


def _handle(name):
    global _session
    if _session is None:
        _session = _Session(fit.target(table.MACHINE))
    _session.library(name)


class _Session(object):
    """What is known of this Python, and what has been done in this process."""

    def __init__(self, target):
        import json

        with open(os.path.join(PACKAGES, "%s.json" % target)) as file:
            known = json.load(file)
        self.generations = known["generations"]
        self.newest = known["own"]
        self.folders = []
        self.waiting = {
            name: each for name, each in known["instrumentors"].items() if name not in settings.disabled_instrumentors()
        }
        if "*" in settings.disabled_instrumentors():
            self.waiting = {}
        self.provider = None
        self.said = False

    def library(self, module):
        """Instruments a library by everything that waits for it."""
        names = sorted(name for name, each in self.waiting.items() if module in each["modules"])
        if not names:
            return
        own = conflicts.own_distributions(sys.path, self.folders)
        for name in names:
            each = self.waiting.pop(name)
            missing = conflicts.unmet(each["libraries"], own)
            if missing is None:
                # A module of the same name, and not this library.
                continue
            if missing:
                say("leaves %s alone: %s" % (name, missing))
                continue
            if self.provider is None:
                self.begin()
            self.instrument(name, each["class"])

    def begin(self):
        """Starts the SDK."""
        settings.check()
        # A process that multiprocessing spawns has its parent's sys.path.
        own = conflicts.own_distributions(sys.path, [CUSTOM])
        chosen = conflicts.generation(self.generations, self.newest, own)
        found = conflicts.found(chosen["distributions"], own)
        if found:
            raise settings.StayOut(found)
        self.folders = [os.path.join(PACKAGES, folder) for folder in chosen["folders"]]
        custom = [CUSTOM] if os.path.isdir(CUSTOM) else []
        sys.path.extend(folder for folder in self.folders + custom if folder not in sys.path)
        from . import ending, provider, telemetry, term

        with term.held(interruptions):
            signals = telemetry.start(provider.SDK_NAME, provider.SIGNALS)
            ending.install(signals)
            provider.configure(signals)
        self.provider = provider
        # Those that start nothing are heard of from now on.
        for each in list(self.waiting.values()):
            for module in each["modules"]:
                if module not in table.LIBRARIES and not hooks.wait_for(module):
                    _queue.append(module)

    def instrument(self, name, path):
        """One library, by one instrumentation. If it fails, the others go on."""
        try:
            module, _, attribute = path.partition(":")
            __import__(module)
            instrumentor = getattr(sys.modules[module], attribute)()
            self.provider.instrument(name, instrumentor)
        except Exception as error:
            say_why(error, "of %s failed" % name)
            return
        if not self.said:
            self.said = True
            say(settings.summary(table.PROVIDER))
