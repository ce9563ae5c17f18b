"""OpenLLMetry's instrumentations."""

import os

from . import settings

SDK_NAME = None
SIGNALS = ("metrics", "logs")

_options = {}


def configure(signals):
    """Its own switches count where the user has set them."""
    os.environ.setdefault("TRACELOOP_TRACE_CONTENT", "true" if settings.captures_content() else "false")
    if not settings.exports("metrics"):
        os.environ.setdefault("TRACELOOP_METRICS_ENABLED", "false")
    _options["tracer_provider"] = signals.tracer_provider


def instrument(name, instrumentor):
    """One library."""
    instrumentor.instrument(**_options)
