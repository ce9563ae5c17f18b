"""OpenInference's instrumentations."""

import os
import warnings

from . import settings

SDK_NAME = None
SIGNALS = ()

_options = {}


def configure(signals):
    """Its own switches count where the user has set them."""
    # `gen_ai.*` beside its own attributes.
    os.environ.setdefault("OPENINFERENCE_ENABLE_GENAI_SEMCONV", "true")
    if not settings.captures_content():
        for part in ("INPUTS", "OUTPUTS", "INPUT_MESSAGES", "OUTPUT_MESSAGES", "INPUT_IMAGES", "PROMPTS", "CHOICES",
                     "EMBEDDINGS_TEXT", "EMBEDDINGS_VECTORS", "EMBEDDING_VECTORS", "RETRIEVAL_DOCUMENTS"):
            os.environ.setdefault("OPENINFERENCE_HIDE_%s" % part, "true")
    _options["tracer_provider"] = signals.tracer_provider
    # What it does with a library is not the application's to mend (`.text()` of LangChain's messages).
    warnings.filterwarnings("ignore", module=r"openinference\.instrumentation\b")


def instrument(name, instrumentor):
    """One library."""
    instrumentor.instrument(**_options)
