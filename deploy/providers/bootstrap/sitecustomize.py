"""Python runs this at its start, because its folder is on PYTHONPATH: it makes instrumentation ready, and steps aside.

It leaves nothing that the application could trip over: its folder goes behind the application's own on sys.path, and the
`sitecustomize` that would have run without us runs now, under its own name; if there is none, or if it fails, Python
hears and says what it always does. Any Python 3 can read this, and Python 2 too.
"""

import sys


def _start():
    try:
        import _prelit_bootstrap

        _prelit_bootstrap.start()
    except Exception as error:
        try:
            text = "OpenLIT instrumentation not started: %s: %s" % (type(error).__name__, error)
            sys.stderr.write(" ".join(text.split()) + "\n")
        except Exception:
            pass


_start()
_ours = __file__.rpartition("/")[0]
sys.path[:] = [_entry for _entry in sys.path if _entry != _ours]
# Kept: Python 2 empties a module that nobody refers to.
_self = sys.modules.pop("sitecustomize", None)
try:
    # The other one. Where there is none, the ImportError with this name is what Python expects.
    import sitecustomize  # noqa: F401
finally:
    sys.path.append(_ours)
