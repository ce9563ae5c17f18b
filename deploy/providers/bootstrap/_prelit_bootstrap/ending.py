"""What is recorded is sent before a process ends, and a forked process goes on by itself.

| how it ends | what is done |
|---|---|
| by itself | `atexit`, in a bounded time |
| SIGTERM that nobody handles, or nobody any more | flush, then the signal does what it does |
| SIGTERM that the application handles | its handler, and then one of the others |
| a child of `multiprocessing` or `billiard`, which skips `atexit` | their own finalizers |

A thread of its own does the sending: the one that waits for it can give up, and at the end of a process no thread can be
started any more.
"""

import atexit
import functools
import os
import queue
import signal
import sys
import threading

# How long an endpoint that does not answer may hold up the end, in seconds.
PATIENCE = 3.0

_signals = None
_orders = None


def install(signals):
    """Once in a process, when the SDK has been started."""
    global _signals
    _signals = signals
    _start_thread()
    atexit.register(lambda: _order("shutdown"))
    # This may be a child already.
    _for_children(lambda util: util.Finalize(None, flush, exitpriority=-100))
    _handle_term()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def flush():
    """Sends what is recorded, and waits for it a bounded time."""
    _order("force_flush")


def _order(what):
    # This kind of queue can be used in a signal handler, whatever it interrupts.
    answer = queue.SimpleQueue()
    _orders.put((what, answer))
    try:
        answer.get(timeout=PATIENCE)
    except queue.Empty:
        pass


def _start_thread():
    global _orders
    _orders = queue.SimpleQueue()
    threading.Thread(target=_work, args=(_orders,), name="prelit-flush", daemon=True).start()


def _work(orders):
    while True:
        what, answer = orders.get()
        for provider in _signals.providers:
            try:
                getattr(provider, what)()
            except Exception:
                pass
        answer.put(None)


def _handle_term():
    """Stands in for the default: where the signal would end the process at once, what is recorded is sent before. The
    application does not see it: it sets, finds and restores the default as ever. A server (uvicorn) that handles the
    signal, restores the default at its end and raises the signal again is heard too."""
    original, get = signal.signal, signal.getsignal

    def on_term(number, frame):
        flush()
        # As if we had not been there: it ends the process, or, for process 1 of a container, is ignored.
        original(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    @functools.wraps(original)
    def set_handler(signalnum, handler):
        ours = signalnum == signal.SIGTERM and handler == signal.SIG_DFL
        before = original(signalnum, on_term if ours else handler)
        return signal.SIG_DFL if before is on_term else before

    @functools.wraps(get)
    def get_handler(signalnum):
        handler = get(signalnum)
        return signal.SIG_DFL if handler is on_term else handler

    signal.signal, signal.getsignal = set_handler, get_handler
    if get(signal.SIGTERM) == signal.SIG_DFL:
        try:
            original(signal.SIGTERM, on_term)
        except ValueError:
            # Python allows it in the main thread only.
            pass


def _after_fork():
    """In the child. The SDK starts its threads again by itself."""
    from . import activation

    activation.after_fork()
    _signals.forked = True
    _start_thread()
    try:
        from . import telemetry

        telemetry.keep_name(_signals)
    except Exception:
        pass
    for session in _signals.sessions:
        try:
            # Its connections are the parent's too.
            session.close()
        except Exception:
            pass
    # Finalizers of the parent are dropped after this, so ours is registered after that.
    _for_children(lambda util: util.register_after_fork(_signals, lambda _: util.Finalize(None, flush, exitpriority=-100)))


def _for_children(register):
    for name in ("multiprocessing.util", "billiard.util"):
        util = sys.modules.get(name)
        if util is not None:
            try:
                register(util)
            except Exception:
                pass
