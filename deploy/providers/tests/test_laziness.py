"""Nothing happens until a library is imported, and then everything, once."""

import sys
import unittest

from .volume import SERVED, VolumeTest

INITIALIZED = "OpenLIT instrumentation initialized: provider test, Python %d.%d.%d, service chat, endpoint http://collector:4318\n" % (
    sys.version_info[:3]
)


class Laziness(VolumeTest):
    def test_a_process_without_libraries_imports_nothing_more(self):
        code = "import sys; print(sorted(sys.modules))"
        without = eval(self.code(code, volume=False).stdout)
        done = self.code(code)
        more = set(eval(done.stdout)) - set(without)
        self.assertEqual(more, {"_prelit_bootstrap", "_prelit_bootstrap.table"})
        self.assertEqual(done.stderr, "")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_an_import_starts_instrumentation_once(self):
        self.library("library")
        done = self.code("import library, library; print(library.instrumented)")
        self.assertEqual((done.stdout, done.stderr), ("True\n", INITIALIZED))

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_a_library_is_instrumented_before_the_application_sees_it(self):
        self.library("library", text="def call(): return 'plain'\n")
        self.write(
            self.volume / "prelit-packages/some-folder/prelit_test_library.py",
            """
            class Instrumentor:
                def instrument(self):
                    import library
                    library.call = lambda: 'instrumented'
            """,
        )
        self.assertEqual(self.code("from library import call; print(call())").stdout, "instrumented\n")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_what_a_library_imports_while_it_is_imported_is_instrumented_after_it(self):
        self.library("library", text="class Base: pass\n")
        self.library("framework", text="import library\nclass App(library.Base): pass\n")
        self.write(
            self.volume / "prelit-packages/some-folder/prelit_test_library.py",
            """
            class Instrumentor:
                def instrument(self):
                    import library
                    library.Base = type("Instrumented", (library.Base,), {})
            """,
        )
        done = self.code("import framework, library; print(framework.App.__mro__[1].__name__, library.Base.__name__)")
        self.assertEqual(done.stdout, "Base Instrumented\n")

    def test_a_search_is_no_import(self):
        self.library("library")
        done = self.code(
            "from importlib.util import find_spec; spec = find_spec('library');"
            "print(spec.origin is not None, spec.loader.get_source('library').strip())"
        )
        self.assertEqual((done.stdout, done.stderr), ("True instrumented = False\n", ""))

    def test_the_library_keeps_its_loader(self):
        self.library("library")
        code = "import library; print(type(library.__loader__).__name__, library.__spec__.loader is library.__loader__)"
        self.assertEqual(self.code(code).stdout, "SourceFileLoader True\n")

    def test_an_import_that_fails_fails_as_it_would(self):
        self.library("library", text="raise ValueError('mine')\n")
        code = "import library"
        with_us, without = (self.code(code, volume=volume, check=1).stderr for volume in (True, False))
        self.assertEqual(with_us.splitlines()[-1], without.splitlines()[-1])
        self.assertNotIn("OpenLIT", with_us)
        self.assertEqual(self.code("import library_that_is_not_there", check=1).stderr.splitlines()[-1],
                         "ModuleNotFoundError: No module named 'library_that_is_not_there'")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_what_an_import_that_fails_has_imported_is_instrumented(self):
        """As of a framework that is optional, and lacks something."""
        self.library("library")
        self.library("framework", text="import library, library_that_is_not_there\n")
        code = """
            try:
                import framework
            except ImportError as error:
                print(error.name)
            import library
            print(library.instrumented)
        """
        done = self.code(code)
        self.assertEqual((done.stdout, done.stderr), ("library_that_is_not_there\nTrue\n", INITIALIZED))

    def test_a_module_of_the_same_name_is_not_the_library(self):
        self.write(self.site / "library.py", "mine = True\n")
        done = self.code("import library; print(library.mine)")
        self.assertEqual(done.stdout, "True\n")
        if SERVED:
            self.assertEqual(done.stderr, "")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_two_threads_that_import_two_libraries_do_not_wait_for_each_other(self):
        self.library("library", text="import time; time.sleep(0.2); instrumented = False\n")
        self.library("framework", text="import time; time.sleep(0.2); instrumented = False\n")
        done = self.code(
            """
            import threading, importlib
            threads = [threading.Thread(target=importlib.import_module, args=(name,)) for name in ("library", "framework")]
            [thread.start() for thread in threads]; [thread.join() for thread in threads]
            import library, framework, time
            for _ in range(100):
                if library.instrumented and framework.instrumented: break
                time.sleep(0.05)
            print(library.instrumented, framework.instrumented)
            """
        )
        self.assertEqual((done.stdout, done.stderr), ("True True\n", INITIALIZED))

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_an_instrumentation_that_fails_stops_nothing_else(self):
        self.library("library")
        self.library("framework")
        self.write(self.volume / "prelit-packages/some-folder/prelit_test_library.py", "raise RuntimeError('ours')\n")
        done = self.code("import library, framework; print(library.instrumented, framework.instrumented)")
        self.assertEqual(done.stdout, "False True\n")
        self.assertEqual(
            done.stderr, "OpenLIT instrumentation of library failed: RuntimeError: ours\n" + INITIALIZED
        )

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_an_sdk_that_fails_is_one_line(self):
        self.library("library")
        self.library("framework")
        self.write(self.volume / "_prelit_bootstrap/telemetry.py", "raise RuntimeError('two\\nlines')\n")
        self.write(self.volume / "custom-packages/added.py", "")
        done = self.code("import sys, library, framework; print(library.instrumented, *sys.path)")
        self.assertEqual(done.stderr, "OpenLIT instrumentation not started: RuntimeError: two lines\n")
        self.assertTrue(done.stdout.startswith("False "))
        for folder in ("prelit-packages", "custom-packages"):
            self.assertNotIn(folder, done.stdout)


class Switches(VolumeTest):
    def test_the_sdk_can_be_disabled(self):
        self.library("library")
        done = self.code("import sys, library; print(library.instrumented)", env={"OTEL_SDK_DISABLED": "True"})
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_instrumentations_can_be_disabled(self):
        self.library("library")
        self.library("framework")
        for value, expected in (("library", "False True"), ("library, framework", "False False"), ("*", "False False")):
            done = self.code(
                "import library, framework; print(library.instrumented, framework.instrumented)",
                env={"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": value},
            )
            self.assertEqual(done.stdout, expected + "\n")
            self.assertEqual(done.stderr, INITIALIZED if "True" in expected else "")

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_another_protocol_is_not_spoken(self):
        self.library("library")
        done = self.code("import library; print(library.instrumented)", env={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
        self.assertEqual(done.stdout, "False\n")
        self.assertEqual(
            done.stderr,
            "OpenLIT instrumentation not started: OTEL_EXPORTER_OTLP_PROTOCOL is grpc: these packages speak http/protobuf\n",
        )


class Fit(VolumeTest):
    @unittest.skipIf(SERVED, "a Python that is not served")
    def test_an_old_python_is_left_alone(self):
        self.library("library")
        done = self.code("import library; print(library.instrumented)")
        self.assertEqual(done.stdout, "False\n")
        self.assertRegex(
            done.stderr, r"^OpenLIT instrumentation not started: there are packages for CPython 3\.9 to 3\.14, [^\n]*\n$"
        )

    @unittest.skipUnless(SERVED, "a Python that is served")
    def test_another_machine_is_left_alone(self):
        self.library("library")
        table = self.volume / "_prelit_bootstrap/table.py"
        self.write(table, table.read_text().replace(repr(__import__("os").uname().machine), "'sparc'"))
        done = self.code("import library; print(library.instrumented)")
        self.assertEqual(done.stdout, "False\n")
        self.assertIn("the packages are for sparc, and this is ", done.stderr)
