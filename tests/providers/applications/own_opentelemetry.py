"""Has an OpenTelemetry of its own, and asks by `openai` in a span of its own, which goes to a place of its own."""

import sys

from openai_chat import main
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class Own(SpanExporter):
    names = []

    def export(self, spans):
        self.names.extend(span.name for span in spans if span.instrumentation_scope.name == "own")
        return SpanExportResult.SUCCESS


if __name__ == "__main__":
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Own()))
    trace.set_tracer_provider(provider)
    with trace.get_tracer("own").start_as_current_span("work"):
        code = main()
    print("own spans:", Own.names)
    sys.exit(code)
