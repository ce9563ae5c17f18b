"""Signals, which are the application's.

SIGTERM that nobody handles: what is recorded is sent, and then the signal does what it does. The application does not see
it: it sets, finds and restores the default as ever. A server (uvicorn) that handles the signal, restores the default at its
end and raises the signal again is heard too.

Python runs our handler in its main thread, once that is back from C: later than without us where it computes there, and much
later where it has just begun to wait. To be told at once takes a descriptor (`signal.set_wakeup_fd`) that event loops want
for themselves and daemons close: not worth it. But a pool ends its workers at the very moment when they begin to wait. So a
child of fork has the default until it has something to send, and what multiprocessing starts until the application sets it.

And no thread of ours takes a signal: the application may have blocked it in all of its own, to wait for it.
"""

import _signal
import _thread
import contextlib
import functools
import os
import signal
import sys

# What a thread has done itself is told to it.
_ITS_OWN = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")

_flush = None
# Whether there is anything to send.
_wanted = False
# Threads that fork, and whether they had blocked SIGTERM themselves.
_forking = {}
# What C calls must not go away.
_kept = []


class _Default(int):
    """A handler that `signal` takes for SIG_DFL where it tells of it, since it has its value."""

    def __call__(self, number, frame):
        if _in_a_loop():
            # In this thread, since only the main one may change what a signal does.
            sys.modules["gevent"].spawn(_end, number)
        else:
            _end(number)


_on_term = _Default(signal.SIG_DFL)


def install(flush):
    """Once in a process."""
    global _flush
    _flush = flush
    _replace(signal.signal)
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)
    stand_in()


def stand_in():
    """From now on, in this process, there is something to send."""
    global _wanted
    _wanted = True
    if not _is_of_a_pool():
        try:
            _take_the_place()
        except ValueError:
            # Python allows it in the main thread only.
            _do_in_the_main_thread(_take_the_place)


def after_fork():
    """In the child, which has nothing to send yet."""
    global _wanted
    _wanted = False
    if _is_ours():
        _signal.signal(signal.SIGTERM, _signal.SIG_DFL)
    _after_fork()


@contextlib.contextmanager
def held(interruptions):
    """Threads that are started in this time are none that signals are delivered to. What the application's handlers raise at
    its end is put into the list: it is not for us."""
    all_but = set(signal.valid_signals()) - {getattr(signal, name, None) for name in _ITS_OWN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, all_but)
        yield
    finally:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except Exception as error:
            interruptions.append(error)


def _replace(original):
    @functools.wraps(original)
    def set_handler(signalnum, handler):
        before = original(signalnum, handler)
        if _wanted and signalnum == signal.SIGTERM and _is_default():
            _signal.signal(signal.SIGTERM, _on_term)
        return before

    signal.signal = set_handler


def _take_the_place():
    if _is_default() and not _is_handled_in_c():
        _signal.signal(signal.SIGTERM, _on_term)


def _is_default():
    # The very object: handlers may be compared in ways of their own.
    return _signal.getsignal(signal.SIGTERM) is _signal.SIG_DFL


def _is_ours():
    return _signal.getsignal(signal.SIGTERM) is _on_term


def _is_of_a_pool():
    """Whether multiprocessing, or celery's form of it, has started this process."""
    for name in ("multiprocessing.process", "billiard.process"):
        module = sys.modules.get(name)
        if module is not None and type(module.current_process()).__name__ != "_MainProcess":
            return True
    return False


def _is_handled_in_c():
    """A library can have set a handler of which Python does not know."""
    try:
        with open("/proc/self/status") as status:
            caught = next(line for line in status if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    except Exception:
        return False


def _end(number):
    # Who says it again does not want to wait.
    _signal.signal(number, _signal.SIG_DFL)
    try:
        _flush()
    finally:
        # As if we had not been there: it ends the process, or, for process 1 of a container, is ignored.
        os.kill(os.getpid(), number)


def _in_a_loop():
    """Whether this is gevent's loop, which cannot wait. A greenlet can."""
    gevent = sys.modules.get("gevent")
    try:
        return gevent is not None and isinstance(gevent.getcurrent(), type(gevent.get_hub()))
    except Exception:
        return False


def _before_fork():
    """Python forgets in the child what was heard until then, and the child would go on: it hears it later."""
    if _is_ours():
        _forking[_thread.get_ident()] = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork():
    if _forking.pop(_thread.get_ident(), True) is False:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


class _Call(object):
    """What Python asks whether it is true, to have something done."""

    def __init__(self, do):
        self.do = do

    def __bool__(self):
        try:
            self.do()
        except Exception:
            pass
        return False


def _do_in_the_main_thread(do):
    """As soon as it runs Python. Until then all is as without us."""
    try:
        import ctypes

        _kept.append(_Call(do))
        ask = ctypes.cast(ctypes.pythonapi.PyObject_IsTrue, ctypes.c_void_p)
        ctypes.pythonapi.Py_AddPendingCall(ask, ctypes.py_object(_kept[-1]))
    except Exception:
        pass
