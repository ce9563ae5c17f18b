"""An application that has set up OpenTelemetry itself: its own counts, and we take nothing away from it."""

from .real import RealTest, each_python, slow

SET_UP = """
from opentelemetry import metrics, trace, _logs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
own, meters = TracerProvider(resource=Resource({"service.name": "mine"})), MeterProvider()
own.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(own)
metrics.set_meter_provider(meters)
"""

CALL = """
import os, requests
requests.get(os.environ["CALLED"] + "/called")
"""

TELL = """
with trace.get_tracer("mine").start_as_current_span("mine"): pass
print(trace.get_tracer_provider() is own, metrics.get_meter_provider() is meters)
print(sorted(span.name for span in exporter.get_finished_spans()))
"""


@slow
class OwnSdk(RealTest):
    packages = "own-opentelemetry"

    def told(self, text):
        """Nothing is said that is not ours: above all not that a provider must not be overridden."""
        self.write("main.py", text)
        out, err = self.ran("main.py")
        self.assertTrue(all(line.startswith("OpenLIT instrumentation initialized") for line in err.splitlines()), err)
        return out.splitlines()

    @each_python
    def test_set_up_before(self):
        """What is instrumented goes where the application sends its spans, and nowhere else."""
        self.assertEqual(self.told(SET_UP + CALL + TELL), ["True True", "['GET', 'mine']"])
        self.assertEqual(self.receiver.called("/v1/traces"), 0)

    @each_python
    def test_set_up_after(self):
        """What the application sets counts for its own spans."""
        lines = self.told("import requests\n" + SET_UP + CALL + TELL)
        self.assertEqual(lines[0], "True True")
        self.assertIn("mine", lines[1])
        # The call is told once: to the application, or to us.
        self.assertEqual(lines[1].count("GET") + len(self.receiver.wait(0)), 1)

    @each_python
    def test_the_api_alone(self):
        """A tracer that was made before there was a provider goes to ours."""
        self.told(
            "from opentelemetry import metrics, trace\ntracer = trace.get_tracer('mine')\n"
            "counter = metrics.get_meter('mine').create_counter('mine')\n"
            "import requests\nwith tracer.start_as_current_span('mine'): counter.add(1)\n"
        )
        self.assertEqual(self.receiver.wait(1), ["mine"])
        self.assertEqual(self.receiver.called("/v1/metrics"), 1)
