"""What is done while a library that is waited for is imported.

Its spec is the one that the other finders give, with a loader in front of it that puts the real one back before it runs
the module. What is to be done is done when the outermost of nested imports is complete: while `fastapi` is being imported,
the `starlette` that it imports stays as it is.
"""

import sys

import _prelit_bootstrap

from . import say_why

try:
    from _thread import get_ident
except ImportError:  # no threads

    def get_ident():
        return 0


# Thread -> how many imports of libraries that we wait for are going on in it.
_depths = {}
# Libraries that have been imported, and that nobody has been told of.
_complete = []


def there_already():
    """Those that were imported before us are told at once."""
    waiting = _prelit_bootstrap.finder.waiting
    names = waiting.intersection(sys.modules)
    waiting -= names
    _complete.extend(sorted(names))
    _tell()


def wait_for(name):
    """Waits for one more; answers False if it is there already."""
    if name in sys.modules:
        return False
    _prelit_bootstrap.finder.waiting.add(name)
    return True


def uninstall():
    """Waits no more."""
    finder = _prelit_bootstrap.finder
    finder.waiting.clear()
    try:
        sys.meta_path.remove(finder)
    except ValueError:
        pass


def find_spec(name, path, target):
    """What the finders behind ours find, with our loader in front of theirs."""
    finders = list(sys.meta_path)
    ours = _prelit_bootstrap.finder
    for finder in finders[finders.index(ours) + 1 :] if ours in finders else finders:
        find = getattr(finder, "find_spec", None)
        spec = find(name, path, target) if find is not None else None
        if spec is not None:
            if hasattr(spec.loader, "exec_module"):
                spec.loader = _Loader(spec.loader)
            elif hasattr(spec.loader, "load_module"):
                spec.loader = _OldLoader(spec.loader)
            # Else it is a namespace package, which has no code of its own to wait for.
            return spec
    return None


def _run(name, load):
    """Runs a module, and tells if it is the outermost. If it fails, what it has imported is there all the same."""
    thread = get_ident()
    _depths[thread] = _depths.get(thread, 0) + 1
    try:
        result = load()
        waiting = _prelit_bootstrap.finder.waiting
        if name in waiting:
            waiting.discard(name)
            _complete.append(name)
        return result
    finally:
        depth = _depths.pop(thread, 1) - 1
        if depth:
            _depths[thread] = depth
        else:
            _tell()


def _tell():
    global _complete
    if not _complete:
        return
    try:
        from . import activation

        # Another thread may be here too: each takes what it finds.
        names, _complete = _complete, []
        activation.imported(names)
    except Exception as error:
        uninstall()
        say_why(error)
        return
    if activation.interruptions:
        raise activation.interruptions.pop()


class _Proxy(object):
    """In front of the loader of one module, until the module runs. What else is asked of it, the real one answers."""

    def __init__(self, loader):
        self.__loader = loader

    def __getattr__(self, name):
        if name.startswith("_Proxy__"):
            raise AttributeError(name)
        return getattr(self.__loader, name)

    def _put_back(self, module):
        spec = getattr(module, "__spec__", None)
        if spec is not None and spec.loader is self:
            spec.loader = self.__loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self.__loader
        return self.__loader


class _Loader(_Proxy):
    def create_module(self, spec):
        create = getattr(self._Proxy__loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module):
        loader = self._put_back(module)
        _run(module.__name__, lambda: loader.exec_module(module))


class _OldLoader(_Proxy):
    """That of archives before Python 3.10."""

    def load_module(self, name):
        module = _run(name, lambda: self._Proxy__loader.load_module(name))
        self._put_back(module)
        return module
