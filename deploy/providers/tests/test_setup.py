"""The init container's program."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

# Another user may not read this Python: what the script imports is imported before.
RUN = "import hashlib, json, os, pkgutil, runpy, shutil, sys, time; {}; runpy.run_path(sys.argv.pop(1), None, '__main__')"


class Setup(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root, self.target = Path(scratch.name) / "root", Path(scratch.name) / "volume"
        self.script = self.root / "usr/local/bin/setup-instrumentation.py"
        self.script.parent.mkdir(parents=True)
        shutil.copy(HERE / "setup-instrumentation.py", self.script)
        self.target.mkdir()
        self.image("openlit", {"sitecustomize.py": "one", "_prelit_bootstrap/table.py": "two", "prelit-packages/a-b/c.py": "3"})

    def image(self, provider, files):
        source = self.root / "instrumentations" / provider
        listed = {}
        for name, text in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
            listed[name] = [len(text), hashlib.sha256(text.encode()).hexdigest()]
        (source / "prelit-manifest.json").write_text(json.dumps({"version": 1, "files": listed}))
        return source

    def run_it(self, status=0, env=None, before="pass", **options):
        environment = {"PATH": os.environ["PATH"], "TARGET_PATH": str(self.target)}
        environment.update(env or {})
        done = subprocess.run(
            [sys.executable, "-c", RUN.format(before), self.script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertLessEqual(len((done.stdout + done.stderr).splitlines()), 1, done.stderr)
        return done.stdout + done.stderr

    def there(self):
        return sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*") if path.is_file())

    ALL = ["_prelit_bootstrap/table.py", "prelit-manifest.json", "prelit-packages/a-b/c.py", "sitecustomize.py"]

    def test_everything_is_copied(self):
        self.assertRegex(self.run_it(), r"\Asetup-instrumentation: openlit: 3 files, 0 MB in \d\.\d s to /.*/volume\n\Z")
        self.assertEqual(self.there(), self.ALL)
        self.assertEqual((self.target / "prelit-packages/a-b/c.py").read_text(), "3")

    def test_what_is_the_same_is_written_once(self):
        self.image("openlit", {"sitecustomize.py": "one", "a/b.py": "same", "a/c.py": "same", "a/d.py": "other"})
        for before, files in (("pass", 1), ("def no(*_): raise PermissionError(1, 'no')\nos.link = no", 2)):
            self.run_it(before=f"exec({before!r})")
            same = [self.target / "a" / name for name in ("b.py", "c.py")]
            self.assertEqual([path.read_text() for path in same], ["same", "same"])
            self.assertEqual(len({path.stat().st_ino for path in same}), files)

    def test_again_and_over_another_version(self):
        self.run_it()
        (self.target / "prelit-packages/a-b/old.py").write_text("old")
        (self.target / ".prelit-new-77").mkdir()
        (self.target / "mine").write_text("the user's")
        self.run_it()
        self.assertEqual(self.there(), sorted([*self.ALL, "mine"]))

    def test_whose(self):
        self.image("openinference", {"sitecustomize.py": "of openinference"})
        self.run_it(env={"INSTRUMENTATION_PROVIDER": "openinference"})
        self.assertEqual((self.target / "sitecustomize.py").read_text(), "of openinference")
        self.run_it(env={"INSTRUMENTATION_PROVIDER": ""})
        self.assertEqual((self.target / "sitecustomize.py").read_text(), "one")
        shutil.rmtree(self.root / "instrumentations/openlit")
        self.run_it()
        self.assertEqual((self.target / "sitecustomize.py").read_text(), "of openinference")

    def test_an_unknown_provider(self):
        for name in ("acme", "../usr", "."):
            self.assertRegex(
                self.run_it(1, env={"INSTRUMENTATION_PROVIDER": name}),
                r"no packages of the provider '[^']*' in /.*/instrumentations: it has openlit\n",
            )
        shutil.rmtree(self.root / "instrumentations")
        self.assertIn("it has none", self.run_it(1))

    def test_an_image_that_is_broken(self):
        source = self.root / "instrumentations/openlit"
        (source / "prelit-packages/a-b/c.py").write_text("4")
        self.assertIn("prelit-packages/a-b/c.py is not what the manifest says: the image is broken", self.run_it(1))
        (source / "prelit-packages/a-b/c.py").unlink()
        self.assertIn("No such file or directory", self.run_it(1))
        for text in ("", "[]", "{}", '{"files": {"../x": [1, "2"], "sitecustomize.py": [1, "2"]}}', '{"files": {}}'):
            (source / "prelit-manifest.json").write_text(text)
            self.assertIn("prelit-manifest.json", self.run_it(1))
        self.assertEqual(self.there(), [])

    def test_no_volume(self):
        self.target.rmdir()
        self.assertIn("is no folder: is the volume mounted there", self.run_it(1))

    def test_a_full_volume_has_nothing_that_python_would_run(self):
        self.image("openlit", {"sitecustomize.py": "one", "a": "x" * 100000})
        self.run_it()
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))"
        self.image("openlit", {"sitecustomize.py": "two", "a": "y" * 100000})
        self.assertIn("File too large", self.run_it(1, before=limit))
        # What an earlier run made is complete, and still there.
        self.assertEqual((self.target / "sitecustomize.py").read_text(), "one")
        self.assertEqual(self.there(), ["a", "prelit-manifest.json", "sitecustomize.py"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_any_user(self):
        for path in [self.target.parent, *self.root.rglob("*"), self.root]:
            path.chmod(0o755)
        become = "os.setgroups([]); os.setgid(0); os.setuid(12345); os.umask(0o077)"
        self.assertIn("Permission denied", self.run_it(1, before=become))
        self.target.chmod(0o777)
        self.run_it(before=become)
        self.assertEqual(self.there(), self.ALL)
        for path in self.target.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o755 if path.is_dir() else 0o644)
