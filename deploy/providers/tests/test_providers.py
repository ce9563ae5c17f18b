"""Each provider, with a real library: what the variables of the contract and the standard ones do."""

import json
import os

from . import prepared
from .real import RealTest, each_python, slow

CHAT = """
import os, openai
client = openai.OpenAI(base_url=os.environ["CALLED"] + "/v1", api_key="s3cret-key")
for _ in range(int(os.environ.get("TIMES", "1"))):
    answer = client.chat.completions.create(model="model", messages=[{"role": "user", "content": "the question"}])
print(answer.choices[0].message.content)
"""


class Provider:
    """What is asked of each."""

    span = "chat model"

    def chat(self, **variables):
        """The whole text of the spans that a chat gives, and what is said."""
        del self.receiver.spans[:], self.receiver.headers[:], self.receiver.requests[:]
        out, err = self.ran("-c", CHAT, **variables)
        self.assertEqual(out, "the answer\n")
        return b"".join(span for name, span in self.receiver.spans if name == self.span), err

    @each_python
    def test_content_is_captured_unless_it_is_not(self):
        span, err = self.chat()
        self.assertIn(b"the question", span)
        self.assertIn(b"the answer", span)
        self.assertIn(b"gen_ai.", span)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn("initialized: provider %s, " % self.provider, err)
        span, _ = self.chat(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="false")
        self.assertIn(b"gen_ai.", span)
        for text in (b"the question", b"the answer", b"s3cret"):
            self.assertNotIn(text, b"".join(span for _, span in self.receiver.spans))

    @each_python
    def test_switches(self):
        self.chat(OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20one,x-tenant=me")
        self.assertEqual(
            {(each["authorization"], each["x-tenant"]) for each in self.receiver.headers}, {("Bearer one", "me")}
        )
        self.chat(
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=self.receiver.url + "/v1/traces",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
        )
        self.assertEqual(self.receiver.called("/v1/traces"), 1)
        for nothing in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
                        {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_SAMPLER": "always_off"}):
            span, err = self.chat(**nothing)
            self.assertEqual((self.receiver.called("/v1/traces"), span), (0, b""), nothing)
            self.assertEqual("initialized" in err, "EXPORTER" in str(nothing) or "SAMPLER" in str(nothing))
        self.chat(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5", TIMES="40")
        seen = sum(name == self.span for name, _ in self.receiver.spans)
        self.assertTrue(5 <= seen <= 35, seen)
        self.chat(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="openai")
        self.assertNotIn(self.span, [name for name, _ in self.receiver.spans])


@slow
class OpenLit(Provider, RealTest):
    provider = "openlit"


@slow
class OpenInference(Provider, RealTest):
    provider = "openinference"
    span = "ChatCompletion"


@slow
class OpenLLMetry(Provider, RealTest):
    provider = "openllmetry"
    span = "openai.chat"


@slow
class Images(RealTest):
    """What the build has made of the locks."""

    def test_what_stands_on_a_path(self):
        """Every distribution once, in its version, and no file twice; and nothing that serves no Python. What is in each is
        asked of wheels that are made up, in test_builder."""
        for provider in ("openlit", "openinference", "openllmetry"):
            packages = prepared.packages(provider) / "prelit-packages"
            lists = {folder.name: files_of(folder) for folder in packages.iterdir() if folder.is_dir()}
            known = sorted(packages.glob("*.json"))
            self.assertEqual(len(known), 12)
            used = set()
            for each in known:
                for minor, generation in json.loads(each.read_text())["generations"].items():
                    used |= set(generation["folders"])
                    there = [path for folder in generation["folders"] for path in lists[folder]]
                    self.assertEqual(len(there), len(set(there)), (provider, each.stem, minor))
                    wanted = {name: entry["version"] for name, entry in generation["distributions"].items()}
                    found = [path.split("/")[0] for path in there if path.endswith(".dist-info/METADATA")]
                    self.assertEqual(len(found), len(wanted), (provider, each.stem, minor))
                    pairs = (name[: -len(".dist-info")].rpartition("-") for name in found)
                    self.assertEqual({canonical(name): version for name, _, version in pairs}, wanted)
            self.assertEqual(used, set(lists), provider)

    def test_they_are_small(self):
        for provider in ("openlit", "openinference", "openllmetry"):
            size = sum(path.stat().st_size for path in prepared.packages(provider).rglob("*") if path.is_file())
            self.assertLess(size, 150e6, provider)


def files_of(folder):
    return [os.path.relpath(os.path.join(top, name), str(folder)) for top, _, names in os.walk(str(folder)) for name in names]


def canonical(name):
    return name.lower().replace("_", "-").replace(".", "-")
