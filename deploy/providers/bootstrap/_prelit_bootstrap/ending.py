"""What is recorded is sent before a process ends, and a forked process goes on by itself.

| how it ends | what is done |
|---|---|
| by itself | `atexit`, in a bounded time |
| SIGTERM that nobody handles, or nobody any more | flush, then the signal does what it does (`term`) |
| SIGTERM for a child of `multiprocessing` or `billiard` that nobody handles | nothing: `terminate` is no end in good order |
| SIGTERM that the application handles | its handler, and then one of the others |
| a child of `multiprocessing` or `billiard`, which skips `atexit` | their own finalizers |
| a worker of celery, which ends without any of that | its signal |

A thread of its own does the sending: the one that waits for it can give up, and at the end of a process no thread can be
started any more.
"""

import atexit
import os
import queue
import sys
import threading

from . import say, settings, table, term

# How long an endpoint that does not answer may hold up the end, in seconds.
PATIENCE = 3.0

_signals = None
_orders = None
# Names of modules that know of us.
_told = set()


def install(signals):
    """Once in a process, when the SDK has been started."""
    global _signals
    _signals = signals
    _signals.first = recorded
    _start_thread()
    atexit.register(flush)
    _tell_others()
    term.install(flush)
    os.register_at_fork(after_in_child=_after_fork)


def recorded():
    """The first time that a child of fork records anything: until then it has nothing to lose."""
    try:
        say(settings.summary(table.PROVIDER))
        term.stand_in()
    except Exception:
        pass


def flush():
    """Sends what is recorded, and waits for it a bounded time. Nothing is shut down: what ends its threads here is the end
    of the process."""
    # This kind of queue can be used in a signal handler, whatever it interrupts.
    sent = type(_orders)()
    _orders.put(sent)
    try:
        sent.get(timeout=PATIENCE)
    except queue.Empty:
        pass


def _start_thread():
    """Thread and queue go together: gevent has its own of both, and may put them in the place of these later."""
    global _orders
    _orders = queue.SimpleQueue()
    with term.held([]):
        threading.Thread(target=_work, args=(_orders,), name="prelit-flush", daemon=True).start()


def _work(orders):
    while True:
        sent = orders.get()
        for provider in _signals.providers:
            try:
                provider.force_flush()
            except Exception:
                pass
        sent.put(None)


def _after_fork():
    """In the child. The SDK starts its threads again by itself."""
    from . import activation

    activation.after_fork()
    _signals.forked = True
    term.after_fork()
    try:
        _start_thread()
        from . import telemetry

        telemetry.keep_name(_signals)
    except Exception:
        # There may be as many threads as there can be.
        pass
    for session in _signals.sessions:
        try:
            # Its connections are the parent's too.
            session.close()
        except Exception:
            pass
    _tell_others()


def _tell_others():
    """Those who make children that skip `atexit`."""
    for name, tell in (("multiprocessing.util", _tell_util), ("billiard.util", _tell_util), ("celery.signals", _tell_celery)):
        module = sys.modules.get(name)
        if module is not None and name not in _told:
            _told.add(name)
            try:
                tell(module)
            except Exception:
                pass


def _tell_util(util):
    """Children run finalizers before they end. They drop those of before they began, so ours are made after that too."""

    def finalize(_):
        util.Finalize(None, flush, exitpriority=-100)

    finalize(None)
    util.register_after_fork(_signals, finalize)


def _tell_celery(signals):
    signals.worker_process_shutdown.connect(lambda **_: flush(), weak=False)
