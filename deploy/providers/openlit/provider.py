"""OpenLIT's SDK, library by library: what `openlit.init` sets up, without importing what it could instrument, and
without fetching a list of prices."""

import os

from . import settings

SDK_NAME = "openlit"
SIGNALS = ("metrics", "logs")

_options = {}


def configure(signals):
    """The SDK's configuration, from its own variables where they are set."""
    # Its tracing of its own would double what is instrumented.
    os.environ["HAYSTACK_AUTO_TRACE_ENABLED"] = "false"
    from openlit._config import OpenlitConfig
    from openlit.cli.config import build_config_from_environment

    own = build_config_from_environment()
    own["capture_message_content"] = settings.captures_content()
    environment = own.get("environment", "default")
    service = own.get("service_name", "default")
    disable_metrics = own.get("disable_metrics", False) or not settings.exports("metrics")
    metrics = None
    if not disable_metrics:
        from openlit.otel.metrics import setup_meter
        from opentelemetry.metrics import get_meter

        metrics, error = setup_meter(service, environment, get_meter("openlit.otel.metrics", "0.1.0"), None, None)
        disable_metrics = error is not None
    prices = _prices(own.get("pricing_json"))
    disable_events = own.get("disable_events", False) or not settings.exports("logs")
    OpenlitConfig().update_config(
        environment,
        service,
        None,
        None,
        False,
        own["capture_message_content"],
        metrics,
        disable_metrics,
        prices,
        disable_events,
        own.get("capture_db_parameters", False),
        own.get("max_content_length"),
        own.get("custom_span_attributes"),
        own.get("custom_metrics_attributes"),
        openlit_api_key=os.environ.get("OPENLIT_API_KEY"),
        openlit_url=os.environ.get("OPENLIT_URL"),
    )
    _options.update(
        environment=environment,
        application_name=service,
        pricing_info=prices,
        capture_message_content=own["capture_message_content"],
        disable_metrics=disable_metrics,
        disable_events=disable_events,
        capture_db_parameters=own.get("capture_db_parameters", False),
    )


def instrument(name, instrumentor):
    """One library. OpenTelemetry's own instrumentations take no options."""
    if type(instrumentor).__module__.startswith("openlit."):
        instrumentor.instrument(**_options)
    elif name == "django":
        from . import django

        django.instrument(instrumentor)
    else:
        instrumentor.instrument()


def _prices(path):
    """A list of prices that the user names. It may be a URL: then it is fetched beside the application's work, and counts
    from when it is there."""
    if not path:
        return {}
    from openlit.__helpers import fetch_pricing_info

    if "://" not in path:
        return fetch_pricing_info(path)
    prices = {}

    def fetch():
        from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        prices.update(fetch_pricing_info(path))

    import threading

    threading.Thread(target=fetch, name="prelit-prices", daemon=True).start()
    return prices
