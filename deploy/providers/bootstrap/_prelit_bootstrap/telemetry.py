"""Providers and exporters: what the SDK would make of the environment, with what it leaves open.

Always batched, always OTLP over HTTP. The exporters get sessions of their own, so that a forked process can drop the
connections that it shares with its parent.
"""

import logging
import re
import sys
import time

from . import settings


class Signals(object):
    """What was started: providers to flush, HTTP sessions to renew, and a meter for those that want one."""

    def __init__(self):
        self.providers = []
        self.sessions = []
        self.tracer_provider = None
        # What the environment says of the resource.
        self.named = None
        # Whether this is a child of fork that has not recorded anything yet, and what is done when it does.
        self.forked = False
        self.first = None


def start(sdk_name, wanted):
    """Sets the global providers, where the application has not set them itself."""
    quiet()
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    signals = Signals()
    resource = describe(sdk_name)
    signals.named = named(resource)
    existing = trace.get_tracer_provider()
    if isinstance(existing, TracerProvider):
        # The application's own: what it does with spans is its affair.
        signals.tracer_provider = existing
    else:
        signals.tracer_provider = traces(signals, resource)
        publish(signals.tracer_provider, trace, "_TRACER_PROVIDER", trace.set_tracer_provider)
    if "metrics" in wanted and settings.exports("metrics"):
        metrics(signals, resource)
    if "logs" in wanted and settings.exports("logs"):
        logs(signals, resource)
    return signals


def describe(sdk_name):
    """The resource: what the SDK reads from the environment, and what the contract has in variables of its own."""
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()
    missing = {name: value for name, value in settings.resource_attributes().items() if name not in resource.attributes}
    missing["telemetry.distro.name"] = "prelit"
    if sdk_name:
        missing["telemetry.sdk.name"] = sdk_name
    return resource.merge(Resource(missing))


def named(resource):
    """The part of the resource that an SDK since 1.44 makes anew in a child of fork, whatever the environment says of it."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    name = "service.instance.id"
    known = name in OTELResourceDetector().detect().attributes or name in settings.resource_attributes()
    return Resource({name: resource.attributes[name]}) if known else None


def keep_name(signals):
    """In a child of fork: spans and logs keep it. Metrics do not: those of several processes must be told apart."""
    for provider in signals.providers:
        if signals.named is not None and not hasattr(provider, "get_meter"):
            try:
                provider._update_resource(signals.named)
            except Exception:
                # An SDK before 1.44 has no such method, and leaves the resource as it is.
                pass


def traces(signals, resource):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(announcer(signals))
    if settings.exports("traces"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=session(signals))))
    signals.providers.append(provider)
    return provider


def announcer(signals):
    """Tells once when a child of fork records something."""
    from opentelemetry.sdk.trace import SpanProcessor

    class Announcer(SpanProcessor):
        def on_start(self, span, parent_context=None):
            if signals.forked:
                signals.forked = False
                signals.first()

        def force_flush(self, timeout_millis=30000):
            # Whatever is false here keeps those after it from being flushed.
            return True

    return Announcer()


def publish(provider, module, variable, set_it):
    """Makes a provider the global one. The application may set its own once: that is left to it, and then its own counts."""
    if getattr(module, variable, provider) is None:
        setattr(module, variable, provider)
    else:
        set_it(provider)


def metrics(signals, resource):
    from opentelemetry import metrics
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.metrics import _internal
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    if isinstance(metrics.get_meter_provider(), MeterProvider):
        return
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(session=session(signals)))
    provider = MeterProvider(resource=resource, metric_readers=[reader], shutdown_on_exit=False)
    publish(provider, _internal, "_METER_PROVIDER", metrics.set_meter_provider)
    # Meters that were made before there was a provider.
    tell = getattr(getattr(_internal, "_PROXY_METER_PROVIDER", None), "on_set_meter_provider", None)
    if tell is not None:
        tell(provider)
    signals.providers.append(provider)


def logs(signals, resource):
    from opentelemetry import _logs
    from opentelemetry._logs import _internal
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    if isinstance(_logs.get_logger_provider(), LoggerProvider):
        return
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(session=session(signals))))
    publish(provider, _internal, "_LOGGER_PROVIDER", _logs.set_logger_provider)
    signals.providers.append(provider)


def session(signals):
    import requests

    made = requests.Session()
    signals.sessions.append(made)
    return made


def quiet():
    """What the packages log goes to stderr, a line each, and not into the application's logs."""
    handler = _OneLine()
    for name in ("opentelemetry", "openlit", "openinference"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.propagate = False


class _OneLine(logging.Handler):
    """Warnings and errors, each once a minute, and of all exporters together one: an endpoint that is away is the same for
    spans and metrics. Without traceback, and without what may be a secret."""

    def __init__(self):
        logging.Handler.__init__(self, logging.WARNING)
        self.last = {}

    def emit(self, record):
        try:
            now = time.monotonic()
            key = "exporter" if record.name.startswith("opentelemetry.exporter.") else (record.name, record.msg)
            if now - self.last.get(key, now - 60) < 60:
                return
            self.last[key] = now
            # It would show the header, which may be a secret.
            headers = record.name == "opentelemetry.util.re"
            text = "OTEL_EXPORTER_OTLP_HEADERS is not name=value,name=value" if headers else record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = "%s (%s: %s)" % (text, type(record.exc_info[1]).__name__, record.exc_info[1])
            sys.stderr.write("OpenLIT instrumentation: %s\n" % without_secrets(" ".join(text.split()))[:500])
        except Exception:
            pass


def without_secrets(text):
    """A text without what stands before the host of a URL, and without its query."""
    return re.sub(r"(/[^\s?]*)\?\S+", r"\1", re.sub(r"[^\s/'\"@]+@(?=[^\s@])", "", text))
