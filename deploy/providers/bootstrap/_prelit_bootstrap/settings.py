"""The environment, as the injection contract writes it."""

import os
import re
import sys

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class StayOut(Exception):
    """Why instrumentation is not started, in words."""


def text(name):
    """A variable's text, without what surrounds it; empty where it is absent."""
    return os.environ.get(name, "").strip()


def disabled_instrumentors():
    """The standard switch: names, or `*`."""
    return {name.strip() for name in text("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS").split(",") if name.strip()}


def captures_content():
    """Whether the text of messages is recorded. It is, unless the variable says no."""
    value = text("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT").lower()
    return value not in ("false", "0", "no", "off", "no_content")


def check():
    """What these packages cannot do. What an exporter would only find out later, and then say with the secret in it, too."""
    for signal in ("", "TRACES_", "METRICS_", "LOGS_"):
        name = "OTEL_EXPORTER_OTLP_%sENDPOINT" % signal
        if text(name) and not is_url(text(name)):
            raise StayOut("%s is no URL of a host: %s" % (name, without_credentials(text(name))))
        name = "OTEL_EXPORTER_OTLP_%sHEADERS" % signal
        if not is_headers(text(name)):
            raise StayOut("%s holds what no header can" % name)
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        if text(name) not in ("", "http/protobuf"):
            raise StayOut("%s is %s: these packages speak http/protobuf" % (name, text(name)))


def is_url(value):
    """Whether a value is a URL that can be sent to."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not value.split()[1:]
    except ValueError:
        return False


def is_headers(value):
    """Whether no line ends in it, as it is or encoded."""
    from urllib.parse import unquote

    return not any(character in "\r\n\0" for character in value + unquote(value))


def exports(signal):
    """Whether a signal (`traces`, `metrics`, `logs`) is exported: by default, or by the name `otlp`."""
    value = text("OTEL_%s_EXPORTER" % signal.upper())
    return not value or "otlp" in [name.strip() for name in value.split(",")]


def resource_attributes():
    """What has a variable of its own in the contract, for where OTEL_RESOURCE_ATTRIBUTES does not have it."""
    variables = {
        "service.namespace": "OTEL_SERVICE_NAMESPACE",
        "service.version": "OTEL_SERVICE_VERSION",
        "service.instance.id": "OTEL_SERVICE_INSTANCE_ID",
        "deployment.environment": "OTEL_DEPLOYMENT_ENVIRONMENT",
        "deployment.environment.name": "OTEL_DEPLOYMENT_ENVIRONMENT",
    }
    return {attribute: text(name) for attribute, name in variables.items() if text(name)}


def without_credentials(url):
    """A URL without user, password, query and fragment: they may hold secrets. What is behind a colon and no port is a
    password, in which a slash may stand: then its `@` comes late."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url.rpartition("@")[2]
    host = re.match(r"[^/?#]*", rest).group()
    if "@" in host:
        rest = rest[host.rindex("@") + 1 :]
    elif separator and not re.match(r"(\[.*\]|[^:]*)(:\d*)?$", host):
        rest = rest.rpartition("@")[2] if "@" in rest else ""
    return scheme + separator + re.match(r"[^?#]*", rest).group()


def summary(provider):
    """The line that says that this process is instrumented."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    service = text("OTEL_SERVICE_NAME") or "unknown"
    endpoint = without_credentials(text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or text(ENDPOINT)) or "the default"
    return "initialized: provider %s, Python %s, service %s, endpoint %s" % (provider, version, service, endpoint)
