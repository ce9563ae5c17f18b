"""Django is instrumented when its first handler is made, and not before.

The instrumentation adds to the settings, and makes empty ones where there are none yet: in a `wsgi.py`, Django is imported
before the settings are named.
"""


def instrument(instrumentor):
    """Waits for the first call of `load_middleware`."""
    from django.core.handlers.base import BaseHandler

    original = BaseHandler.__dict__["load_middleware"]

    def load_middleware(self, *arguments, **options):
        if BaseHandler.__dict__.get("load_middleware") is load_middleware:
            BaseHandler.load_middleware = original
        try:
            instrumentor.instrument()
        except Exception as error:
            from . import say_why

            say_why(error, "of django failed")
        return original(self, *arguments, **options)

    BaseHandler.load_middleware = load_middleware
