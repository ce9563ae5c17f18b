"""What the application has of its own counts."""

import os
import sys
import unittest
from pathlib import Path

from .volume import SERVED, VolumeTest


class Path_(VolumeTest):
    def test_our_folders_come_last(self):
        self.library("library")
        code = "import sys; print(sys.path)"
        before, after = eval(self.code(code, volume=False).stdout), eval(self.code(code).stdout)
        self.assertEqual(after, before + [str(self.volume)])
        if SERVED:
            after = eval(self.code("import library; " + code).stdout)
            self.assertEqual(after, before + [str(self.volume), str(self.volume / "prelit-packages/some-folder")])

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_an_own_package_hides_ours(self):
        self.library("library")
        self.write(self.site / "shared.py", "whose = 'application'\n")
        self.write(self.volume / "prelit-packages/some-folder/shared.py", "whose = 'ours'\n")
        self.assertEqual(self.code("import library, shared; print(shared.whose)").stdout, "application\n")


class OwnPackages(VolumeTest):
    def generations(self, **change):
        ours = {"version": "2.14.3", "demanded": {"provider": [">=2.0.0", "<3.0.0"]}}
        provider = {"version": "1.45.0", "demanded": {}}
        made = {"folders": ["some-folder"], "distributions": {"pydantic": ours, "provider": provider}}
        self.instrumentations("library", "framework", generations={"1.44": made, "1.45": made}, **change)
        self.library("library")

    def instrumented(self):
        done = self.code("import library, framework; print(library.instrumented)")
        return done.stdout.strip(), done.stderr

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_an_own_package_that_ours_cannot_live_with(self):
        self.generations()
        self.library("framework")
        self.library("pydantic", "1.10.13")
        self.assertEqual(
            self.instrumented(),
            (
                "False",
                "OpenLIT instrumentation not started: the application has pydantic 1.10.13, and provider 1.45.0 needs "
                ">=2.0.0, <3.0.0\n",
            ),
        )
        self.assertNotIn("some-folder", self.code("import library, sys; print(sys.path)").stdout)

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_an_own_package_that_ours_can_live_with(self):
        self.generations()
        self.library("framework")
        self.library("pydantic", "2.5")
        self.assertEqual(self.instrumented()[0], "True")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_the_generation_of_the_own_api(self):
        self.generations()
        self.library("framework")
        self.library("opentelemetry_api", "1.44.7")
        self.assertEqual(self.instrumented()[0], "True")
        (self.site / "opentelemetry_api-1.44.7.dist-info").rename(self.site / "opentelemetry_api-1.20.0.dist-info")
        self.assertEqual(
            self.instrumented(),
            (
                "False",
                "OpenLIT instrumentation not started: the application has opentelemetry-api 1.20.0, and there are packages "
                "for 1.44, 1.45\n",
            ),
        )

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_a_version_that_cannot_be_instrumented(self):
        self.library("library", "1.9")
        self.library("framework", "2.0")
        done = self.code("import library, framework; print(library.instrumented, framework.instrumented)")
        self.assertEqual(done.stdout, "False True\n")
        self.assertEqual(
            done.stderr.splitlines()[0],
            "OpenLIT instrumentation leaves library alone: library 1.9 is there, and library >= 2.0 is what can be "
            "instrumented",
        )


class OtherSitecustomize(VolumeTest):
    def both(self, code, **options):
        """What a program writes without us and with us."""
        without, done = self.code(code, volume=False, **options), self.code(code, **options)
        return (without.stdout, without.stderr), (done.stdout, done.stderr)

    def test_the_applications_is_run(self):
        self.write(self.site / "sitecustomize.py", "import sys\nsys.mine = __file__\nvalue = 1\n")
        code = "import sys, sitecustomize; print(sys.mine, sitecustomize.value, sitecustomize.__name__, sitecustomize.__file__)"
        without, done = self.both(code)
        self.assertEqual(done, without)
        self.assertIn(str(self.site), done[0])

    def test_one_that_fails_fails_as_it_would(self):
        for text in ("raise ValueError('mine')\n", "import not_there\n", "def\n"):
            self.write(self.site / "sitecustomize.py", text)
            without, done = self.both("print(1)")
            self.assertEqual(done, without, text)

    def test_where_there_is_none_there_is_none(self):
        code = """
            import sys
            try:
                import sitecustomize
            except ImportError as error:
                print(error.name, 'sitecustomize' in sys.modules)
            """
        without, done = self.both(code)
        self.assertEqual(done, without)

    def test_one_that_imports_a_library(self):
        self.library("library")
        self.write(self.site / "sitecustomize.py", "import library\n")
        done = self.code("import library; print(library.instrumented)")
        self.assertEqual(done.stdout, "%s\n" % SERVED)

    def test_a_virtual_environments(self):
        environment = self.scratch / "venv"
        self.run_python("-m", "venv", "--without-pip", environment, volume=False)
        self.run_python("-m", "venv", "--without-pip", environment)
        site = next(environment.glob("lib/python*/site-packages"))
        self.write(site / "sitecustomize.py", "print('of the environment')\n")
        self.write(site / "library/__init__.py", "instrumented = False\n")
        self.write(site / "library-2.0.dist-info/METADATA", "Name: library\nVersion: 2.0\n")
        python, sys.executable = sys.executable, str(environment / "bin/python")
        self.addCleanup(setattr, sys, "executable", python)
        done = self.code("import library; print(library.instrumented)")
        self.assertEqual(done.stdout, "of the environment\n%s\n" % SERVED)


class Broken(VolumeTest):
    def test_a_half_copied_volume_is_one_line(self):
        for missing in ("_prelit_bootstrap/table.py", "_prelit_bootstrap/hooks.py", "_prelit_bootstrap/__init__.py"):
            (self.volume / missing).unlink()
            done = self.code("print(1)")
            self.assertEqual(done.stdout, "1\n")
            if missing.endswith("__init__.py"):
                self.assertRegex(done.stderr, r"\AOpenLIT instrumentation not started: [^\n]*\n\Z")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_packages_that_are_not_there_are_one_line(self):
        self.library("library")
        for path in sorted(Path(self.volume / "prelit-packages").glob("*.json")):
            path.unlink()
        done = self.code("import library; print(library.instrumented)")
        self.assertEqual(done.stdout, "False\n")
        self.assertRegex(done.stderr, r"\AOpenLIT instrumentation not started: FileNotFoundError: [^\n]*\n\Z")

    def test_a_stderr_that_is_closed(self):
        self.library("library", "1.0")
        code = "import os, sys; os.close(2); import library; os.write(1, b'fine\\n')"
        self.assertEqual(self.code(code, check=None).stdout, "fine\n")

    def test_python_2_can_read_it(self):
        python = Path(os.path.expanduser("~/.pyenv/versions/2.7.18/bin/python2.7"))
        if not python.exists():
            self.skipTest("there is no Python 2.7")
        environment = {"PYTHONPATH": str(self.volume), "PYTHONDONTWRITEBYTECODE": "1"}
        import subprocess

        done = subprocess.run([str(python), "-c", "print(1)"], env=environment, capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("1\n", "", 0))
