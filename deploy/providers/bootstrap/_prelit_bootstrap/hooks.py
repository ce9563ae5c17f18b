"""Hears of imports, and is otherwise not there.

The finder knows the names it waits for; for any other it answers at once. Of a library that it waits for, the spec is
the one that the other finders give, with a loader in front of it that puts the real one back before it runs the module.
What is to be done is done when the outermost of nested imports is complete: while `fastapi` is being imported, the
`starlette` that it imports stays as it is.
"""

import sys

try:
    from _thread import get_ident
except ImportError:  # no threads

    def get_ident():
        return 0


_finder = None


def install(names):
    """Waits for libraries; those that are there already are told at once."""
    global _finder
    _finder = _Finder(names)
    sys.meta_path.insert(0, _finder)
    for name in names:
        if name in sys.modules:
            _finder.waiting.discard(name)
            _finder.complete.append(name)
    _finder.tell()


def wait_for(name):
    """Waits for one more; answers False if it is there already."""
    if name in sys.modules:
        return False
    _finder.waiting.add(name)
    return True


def uninstall():
    """Waits no more."""
    finder = _finder
    if finder is not None:
        finder.waiting.clear()
        try:
            sys.meta_path.remove(finder)
        except ValueError:
            pass


class _Finder(object):
    def __init__(self, names):
        self.waiting = set(names)
        self.complete = []
        # Thread -> how many imports of libraries that we wait for are going on in it.
        self.depths = {}

    def find_spec(self, name, path=None, target=None):
        if name not in self.waiting:
            return None
        finders = list(sys.meta_path)
        after = finders[finders.index(self) + 1 :] if self in finders else finders
        for finder in after:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self)
                elif hasattr(spec.loader, "load_module"):
                    spec.loader = _OldLoader(spec.loader, self)
                # Else it is a namespace package, which has no code of its own to wait for.
                return spec
        return None

    def run(self, name, load):
        """Runs a module, and tells if it is the outermost."""
        self.enter()
        try:
            result = load()
            if name in self.waiting:
                self.waiting.discard(name)
                self.complete.append(name)
        finally:
            outermost = self.leave()
        if outermost:
            self.tell()
        return result

    def enter(self):
        thread = get_ident()
        self.depths[thread] = self.depths.get(thread, 0) + 1

    def leave(self):
        thread = get_ident()
        depth = self.depths.get(thread, 1) - 1
        if depth:
            self.depths[thread] = depth
        else:
            self.depths.pop(thread, None)
        return depth == 0

    def tell(self):
        if not self.complete:
            return
        try:
            from . import activation

            # Another thread may be here too: each takes what it finds.
            names, self.complete = self.complete, []
            activation.imported(names)
        except Exception as error:
            from . import say_why

            uninstall()
            say_why(error)


class _Proxy(object):
    """In front of the loader of one module, until the module runs. What else is asked of it, the real one answers."""

    def __init__(self, loader, finder):
        self.__loader = loader
        self.__finder = finder

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
        return self.__loader, self.__finder


class _Loader(_Proxy):
    def create_module(self, spec):
        create = getattr(self._Proxy__loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module):
        loader, finder = self._put_back(module)
        finder.run(module.__name__, lambda: loader.exec_module(module))


class _OldLoader(_Proxy):
    """That of archives before Python 3.10."""

    def load_module(self, name):
        module = self._Proxy__finder.run(name, lambda: self._Proxy__loader.load_module(name))
        self._put_back(module)
        return module
