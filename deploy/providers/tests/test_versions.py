"""Versions: what PEP 440 and pip say."""

import sys
import types
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "bootstrap"))

from _prelit_bootstrap import conflicts, settings, versions  # noqa: E402

# Written by the build.
sys.modules.setdefault("_prelit_bootstrap.table", types.ModuleType("_prelit_bootstrap.table"))
from _prelit_bootstrap import telemetry  # noqa: E402

SPECIFIERS = (
    "==1.0", "==1.0.*", "!=1.0.*", "!=1.0", ">=1.0", ">1.0", "<1.0", "<=1.0", "~=1.0", "~=1.0.1", "===1.0", "<2", ">=2.14.3",
    "==0.66.*", ">=0.52b0", "==1.45.*", "<1.0b1", ">1.0b1", ">=1.0rc1", "==1!1.0", "<=1.0.post1", "~=1.45.1", ">1.0.post1",
)  # fmt: skip
VERSIONS = (
    "1.0", "1.0.0", "1.0.1", "1.0.post1", "1.0rc1", "1.0b1", "1.0a1", "1.0.dev1", "1.0b1.dev2", "0.66b1", "0.66b2", "0.9", "1.1",
    "1.45.2", "2.0", "2.14.3", "10.0", "1!1.0", "1.0+local", "v1.0", "1.0-1", "1.0.2.dev3", "1.10", "1.9", "1",
)  # fmt: skip


class Versions(unittest.TestCase):
    def test_as_packaging_does_it(self):
        try:
            from pip._vendor.packaging.specifiers import SpecifierSet
            from pip._vendor.packaging.version import Version
        except ImportError:
            self.skipTest("there is no pip to compare with")
        self.assertEqual(
            [str(Version(each)) for each in sorted(VERSIONS, key=lambda each: (versions.key(each), Version(each)))],
            [str(each) for each in sorted(map(Version, VERSIONS))],
        )
        for specifier in SPECIFIERS:
            for version in VERSIONS:
                expected = SpecifierSet(specifier).contains(version, prereleases=True)
                # Names of folders have no local version in a demand, and `===` compares texts.
                if "+" in version or specifier.startswith("==="):
                    continue
                self.assertEqual(versions.satisfies(version, specifier), expected, (version, specifier))

    def test_what_cannot_be_read_is_no_reason(self):
        self.assertTrue(versions.satisfies("unknown", ">=2.0"))
        self.assertTrue(versions.satisfies("1.0", "whatever"))


class Libraries(unittest.TestCase):
    def test_one_of_several_is_enough(self):
        for libraries, own, expected in (
            (["openai >= 1.92.0"], {"openai": "2.0"}, ""),
            (["openai>=1.92.0,<3"], {"openai": "3.0"}, "openai 3.0 is there, and openai>=1.92.0,<3 is what can be instrumented"),
            (["openai >= 1.92.0"], {}, None),
            (["langchain_core >= 0.1.0"], {"langchain-core": "0.3"}, ""),
            (["httpx >= 0.18.0", "httpx2 >= 2.0.0"], {"httpx2": "2.1"}, ""),
            (["google-genai"], {"google-genai": "1"}, ""),
            (["pydantic-ai[slim] >= 1; extra == 'x'"], {"pydantic-ai": "1.2"}, ""),
            ([], {}, ""),
        ):
            self.assertEqual(conflicts.unmet(libraries, own), expected)


class Credentials(unittest.TestCase):
    def test_an_endpoint_is_shown_without_them(self):
        for url, shown in (
            ("http://collector:4318", "http://collector:4318"),
            ("https://user:secret@host:4318/otlp?token=secret#secret", "https://host:4318/otlp"),
            ("https://host?token=secret", "https://host"),
            ("user:secret@host:4318", "host:4318"),
            ("http://[::1]:4318/a@b", "http://[::1]:4318/a@b"),
            ("http://user:sec/ret@host:4318/otlp", "http://host:4318/otlp"),
            ("http://user:sec?ret@host:4318", "http://host:4318"),
            ("http://user:secret", "http://"),
            ("http://host?token=sec@ret", "http://host"),
            ("http://host:99999/otlp", "http://host:99999/otlp"),
        ):
            self.assertEqual(settings.without_credentials(url), shown)


class Words(unittest.TestCase):
    def test_urls(self):
        for url in ("http://collector:4318", "https://[::1]:4318/otlp", "http://user:secret@host", "HTTP://host"):
            self.assertTrue(settings.is_url(url), url)
        for url in ("collector:4318", "ftp://host", "http://", "http://:4318", "http://[", "http://host:99999", "http://a b", "://"):
            self.assertFalse(settings.is_url(url), url)

    def test_headers(self):
        for text, fine in (("", True), ("a=b, c=%20d", True), ("whatever", True), ("a=b\nc=d", False), ("a=b%0D%0Ac", False)):
            self.assertEqual(settings.is_headers(text), fine, text)

    def test_what_is_logged_has_no_secret(self):
        for text, shown in (
            ("at 'user:secret@host:4318/v1/traces'", "at 'host:4318/v1/traces'"),
            ("at http://user:secret@host/a?token=secret now", "at http://host/a now"),
            ("a@ b @c", "a@ b @c"),
        ):
            self.assertEqual(telemetry.without_secrets(text), shown)
