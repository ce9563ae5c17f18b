"""The user's own packages: installed by pip, and found by the application."""

import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

from .volume import SERVED, VolumeTest

HERE = Path(__file__).resolve().parent.parent

# A source distribution's own way to become a wheel: nothing is downloaded for it.
BACKEND = """
import shutil
def build_wheel(directory, config_settings=None, metadata_directory=None):
    shutil.copy("made.whl", directory + "/sourced-1.0-py3-none-any.whl")
    return "sourced-1.0-py3-none-any.whl"
"""


@unittest.skipUnless(importlib.util.find_spec("pip"), "a Python with pip, as the image has")
class Install(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        root = Path(scratch.name)
        self.programs, self.index, self.target = root / "usr/local/bin", root / "index", root / "volume"
        for folder in (self.programs, self.index, self.target, root / "instrumentations/openlit"):
            folder.mkdir(parents=True)
        for name in ("setup-instrumentation.py", "custom_packages.py"):
            shutil.copy(HERE / name, self.programs)
        (root / "instrumentations/openlit/sitecustomize.py").write_text("ours")
        files = {"sitecustomize.py": [4, hashlib.sha256(b"ours").hexdigest()]}
        (root / "instrumentations/openlit/prelit-manifest.json").write_text(json.dumps({"files": files}))

    def wheel(self, name, files, demands=(), pure="true", to=None):
        """A wheel that is not downloaded."""
        information = f"{name}-1.0.dist-info"
        files = {
            **files,
            f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            + "".join(f"Requires-Dist: {each}\n" for each in demands),
            f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in [*files, f"{information}/RECORD"])
        with zipfile.ZipFile(to or self.index / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            for path, text in {**files, f"{information}/RECORD": record}.items():
                archive.writestr(path, text)

    def run_it(self, *arguments, status=0):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        environment.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.index), TARGET_PATH=str(self.target))
        environment.update(PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(
            [sys.executable, str(self.programs / "setup-instrumentation.py"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        # Nothing is left of what was written on the way, and ours is untouched.
        self.assertEqual([path.name for path in self.target.glob(".prelit-new-*")], [])
        self.assertEqual((self.target / "sitecustomize.py").read_text(), "ours")
        return done.stderr

    def there(self):
        custom = self.target / "custom-packages"
        return sorted(str(path.relative_to(custom)) for path in custom.rglob("*.py"))

    def refused(self, *arguments):
        """The last line on stderr."""
        line = self.run_it(*arguments, status=1).splitlines()[-1]
        self.assertTrue(line.startswith("setup-instrumentation: customPackages: "), line)
        return line

    def test_a_pure_package_with_what_it_depends_on(self):
        self.wheel("mine", {"mine/__init__.py": "", "sitecustomize.py": "theirs"}, demands=["other>=1"])
        self.wheel("other", {"other.py": ""})
        self.run_it("--", "mine>=1.0,<2")
        self.assertEqual(self.there(), ["mine/__init__.py", "other.py", "sitecustomize.py"])
        for path in [self.target / "custom-packages", *self.target.glob("custom-packages/**/*")]:
            self.assertEqual(path.stat().st_mode & 0o555, 0o555 if path.is_dir() else 0o444, path)

    def test_without_what_it_depends_on(self):
        self.wheel("mine", {"mine.py": ""}, demands=["nowhere"])
        self.run_it("--no-deps", "--", "mine")
        self.assertEqual(self.there(), ["mine.py"])
        self.assertIn("pip failed", self.refused("--", "mine"))

    def test_again(self):
        self.wheel("mine", {"mine.py": ""})
        self.wheel("other", {"other.py": ""})
        self.run_it("--", "other")
        self.run_it("--", "mine")
        self.assertEqual(self.there(), ["mine.py"])
        self.run_it()
        self.assertEqual(self.there(), ["mine.py"])

    def test_compiled_parts_are_refused_by_name(self):
        self.wheel("mine", {"mine.py": ""}, demands=["fast"])
        for files, pure in (({"fast.py": ""}, "false"), ({"fast/_speed.cpython-312-x86_64-linux-gnu.so": ""}, "true")):
            self.wheel("fast", files, pure=pure)
            line = self.refused("--", "mine")
            self.assertIn("customPackages: fast 1.0: packages with compiled parts must be in the application's own image", line)
            self.assertFalse((self.target / "custom-packages").exists())

    def test_a_source_distribution_becomes_a_pure_wheel(self):
        made = io.BytesIO()
        self.wheel("sourced", {"sourced.py": ""}, to=made)
        project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        with tarfile.open(self.index / "sourced-1.0.tar.gz", "w:gz") as archive:
            for name, content in {
                "PKG-INFO": b"Metadata-Version: 2.1\nName: sourced\nVersion: 1.0\n",
                "pyproject.toml": project.encode(),
                "backend.py": BACKEND.encode(),
                "made.whl": made.getvalue(),
            }.items():
                entry = tarfile.TarInfo(f"sourced-1.0/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        self.run_it("--", "sourced")
        self.assertEqual(self.there(), ["sourced.py"])

    def test_arguments_are_no_options(self):
        self.assertIn("pip failed", self.refused("--", "--version"))


class Found(VolumeTest):
    CODE = "import library, custom_module, sys; print(custom_module.whose, sys.path[-1])"

    def setUp(self):
        super().setUp()
        self.library("library")
        self.write(self.volume / "custom-packages/custom_module.py", "whose = 'the user'\n")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_after_everything_else(self):
        custom = self.volume / "custom-packages"
        self.assertEqual(self.code(self.CODE).stdout, f"the user {custom}\n")
        self.write(self.volume / "prelit-packages/some-folder/custom_module.py", "whose = 'ours'\n")
        self.assertEqual(self.code(self.CODE).stdout, f"ours {custom}\n")
        self.write(self.site / "custom_module.py", "whose = 'the application'\n")
        self.assertEqual(self.code(self.CODE).stdout, f"the application {custom}\n")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_what_it_brings_is_not_the_applications(self):
        """A child of `spawn` begins with its parent's sys.path."""
        custom = self.volume / "custom-packages"
        self.write(custom / "opentelemetry_api-1.20.0.dist-info/METADATA", "Name: opentelemetry-api\n")
        code = f"import sys; sys.path.append({str(custom)!r}); import library; print(library.instrumented)"
        self.assertEqual(self.code(code).stdout, "True\n")

    def test_not_before_a_library_is_imported(self):
        self.assertNotIn("custom", self.code("import sys; print(sys.path)").stdout)
