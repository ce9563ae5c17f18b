"""Signals, which are the application's.

SIGTERM that nobody handles: what is recorded is sent, and then the signal does what it does. The application does not see
it: it sets, finds and restores the default as ever. A server (uvicorn) that handles the signal, restores the default at its
end and raises the signal again is heard too.

Python runs our handler in its main thread, once that is back from C: later than without us where it computes there. To be
told at once takes a descriptor (`signal.set_wakeup_fd`) that event loops want for themselves and daemons close: not worth it.

And no thread of ours takes a signal: the application may have blocked it in all of its own, to wait for it.
"""

import contextlib
import functools
import os
import signal
import sys

# Python's own: ours stand in their places.
_set_handler, _get_handler = signal.signal, signal.getsignal

# What a thread has done itself is told to it.
_ITS_OWN = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")

_flush = None
# Whether the default is back for the time of a fork.
_away = False
# What C calls must not go away.
_kept = []


def install(flush):
    """Once in a process."""
    global _flush
    _flush = flush
    signal.signal, signal.getsignal = _signal, _getsignal
    try:
        _stand_in()
    except ValueError:
        # Python allows it in the main thread only.
        _do_in_the_main_thread(_stand_in)
    os.register_at_fork(before=_go_away, after_in_parent=_come_back, after_in_child=_come_back)


@contextlib.contextmanager
def held():
    """Threads that are started in this time are none that signals are delivered to."""
    all_but = set(signal.valid_signals()) - {getattr(signal, name, None) for name in _ITS_OWN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, all_but)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stand_in():
    if _get_handler(signal.SIGTERM) == signal.SIG_DFL and not _is_handled_in_c():
        _set_handler(signal.SIGTERM, _on_term)


def _is_handled_in_c():
    """A library can have set a handler of which Python does not know."""
    try:
        with open("/proc/self/status") as status:
            caught = next(line for line in status if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    except Exception:
        return False


@functools.wraps(_set_handler)
def _signal(signalnum, handler):
    # Handlers may be compared in ways of their own.
    default = signalnum == signal.SIGTERM and isinstance(handler, int) and handler == signal.SIG_DFL
    before = _set_handler(signalnum, _on_term if default else handler)
    return signal.SIG_DFL if before is _on_term else before


@functools.wraps(_get_handler)
def _getsignal(signalnum):
    handler = _get_handler(signalnum)
    return signal.SIG_DFL if handler is _on_term else handler


def _on_term(number, frame):
    if _get_handler(number) is not _on_term:
        # Called by the handler that came after it.
        return
    if _in_a_loop():
        # In this thread, since only the main one may change what a signal does.
        sys.modules["gevent"].spawn(_end, number)
    else:
        _end(number)


def _end(number):
    try:
        _flush()
    finally:
        # As if we had not been there: it ends the process, or, for process 1 of a container, is ignored.
        _set_handler(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _in_a_loop():
    """Whether this is gevent's loop, which cannot wait. A greenlet can."""
    gevent = sys.modules.get("gevent")
    try:
        return gevent is not None and isinstance(gevent.getcurrent(), type(gevent.get_hub()))
    except Exception:
        return False


def _go_away():
    """Before a fork: Python forgets in the child what was heard until then, and the child would go on."""
    global _away
    if _get_handler(signal.SIGTERM) is _on_term:
        try:
            _set_handler(signal.SIGTERM, signal.SIG_DFL)
            _away = True
        except ValueError:
            # Another thread than the main one forks.
            pass


def _come_back():
    """After it, in both."""
    global _away
    if _away:
        try:
            if _get_handler(signal.SIGTERM) == signal.SIG_DFL:
                _set_handler(signal.SIGTERM, _on_term)
            _away = False
        except ValueError:
            # The main thread does, which forks too.
            pass


def _do_in_the_main_thread(do):
    """As soon as it runs Python. Until then all is as without us."""

    def call(_):
        try:
            do()
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
        except Exception:
            pass
        return 0

    try:
        import ctypes

        _kept.append(ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(call))
        ctypes.pythonapi.Py_AddPendingCall(_kept[-1], None)
    except Exception:
        pass
