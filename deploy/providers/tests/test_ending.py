"""What is recorded is sent before a process ends."""

import os
import signal
import subprocess
import sys
import time
import unittest

from .volume import SERVED, VolumeTest


@unittest.skipUnless(SERVED, "a Python that is served")
class Ending(VolumeTest):
    def setUp(self):
        super().setUp()
        self.library("library")

    def hang(self):
        """Puts an endpoint that does not answer in the place of the SDK."""
        self.write(
            self.volume / "_prelit_bootstrap/telemetry.py",
            """
            import time
            class Signals:
                class Hanging:
                    def force_flush(self): time.sleep(60)
                providers, sessions = [Hanging()], []
            def start(*_): return Signals()
            """,
        )

    def test_at_the_end(self):
        self.code("import library")
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush"])

    def test_after_an_error_and_after_exit(self):
        self.code("import library; raise ValueError", check=1)
        self.code("import library, sys; sys.exit(5)", check=5)
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush", "flush"])

    def test_on_a_signal_that_nobody_handles(self):
        self.code("import library, os, signal; os.kill(os.getpid(), signal.SIGTERM)", check=-signal.SIGTERM)
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush"])

    def test_on_a_signal_while_the_process_waits(self):
        self.code(
            """
            import library, os, signal, threading
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
            threading.Event().wait(30)
            """,
            check=-signal.SIGTERM,
        )
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush"])

    def test_on_a_signal_where_another_thread_was_the_first(self):
        self.code(
            """
            import os, signal, threading, time
            thread = threading.Thread(target=__import__, args=("library",)); thread.start(); thread.join()
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGTERM); time.sleep(10)
            """,
            check=-signal.SIGTERM,
        )
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush"])

    def test_a_signal_for_a_child_that_has_just_been_forked(self):
        """Python forgets there what it has heard: a handler would swallow it."""
        self.code(
            """
            import library, os, signal, time
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    time.sleep(10); os._exit(0)
                os.kill(child, signal.SIGTERM)
                assert os.waitpid(child, 0)[1] == signal.SIGTERM
            os.kill(os.getpid(), signal.SIGTERM)
            """,
            check=-signal.SIGTERM,
        )
        self.assertIn("flush", {line.split()[1] for line in self.endings()})

    def test_a_signal_for_a_child_that_another_thread_has_just_forked(self):
        self.code(
            """
            import library, os, signal, threading, time
            def forks():
                for _ in range(20):
                    child = os.fork()
                    if child == 0:
                        time.sleep(10); os._exit(0)
                    os.kill(child, signal.SIGTERM)
                    ended.append(os.waitpid(child, 0)[1])
            ended = []
            thread = threading.Thread(target=forks); thread.start(); thread.join()
            assert ended == [signal.SIGTERM] * 20, ended
            """
        )

    def test_a_child_that_has_something_to_send_is_flushed_too(self):
        for record, children in (("from _prelit_bootstrap import ending; ending.recorded()", 1), ("pass", 0)):
            if self.flushed.exists():
                self.flushed.unlink()
            self.code(
                f"""
                import library, os, signal, time
                child = os.fork()
                if child == 0:
                    {record}
                    os.kill(os.getpid(), signal.SIGTERM); time.sleep(10)
                assert os.waitpid(child, 0)[1] == signal.SIGTERM
                """
            )
            self.assertEqual(len({line.split()[0] for line in self.endings()}), 1 + children)

    def test_workers_of_a_pool_end_at_once(self):
        """It tells them to at the very moment when they begin to wait: a handler of Python's would be late."""
        self.write(
            self.scratch / "pool.py",
            """
            import multiprocessing, os
            def work(number):
                from _prelit_bootstrap import ending
                ending.recorded()
                return number
            if __name__ == "__main__":
                import library
                context = multiprocessing.get_context("fork")
                for _ in range(10):
                    pool = context.Pool(4); pool.terminate(); pool.join()
                    with context.Pool(4) as pool:
                        assert sum(pool.map(work, range(50))) == 1225
            """,
        )
        self.run_python(self.scratch / "pool.py")

    def test_a_handler_may_restore_the_default_for_the_next_time(self):
        """That is: end in good order, and at once if asked again."""
        self.code(
            """
            import library, os, signal, sys, time
            def end(*_):
                signal.signal(signal.SIGTERM, signal.SIG_DFL); time.sleep(0.5); sys.exit(7)
            signal.signal(signal.SIGTERM, end)
            os.kill(os.getpid(), signal.SIGTERM)
            """,
            check=7,
        )

    def test_a_handler_that_calls_the_one_before_it(self):
        """Whose module has Python's function from before."""
        self.code(
            """
            from signal import signal, SIGTERM
            import library, os, sys
            def end(*arguments):
                if callable(before): before(*arguments)
                sys.exit(7)
            before = signal(SIGTERM, end)
            os.kill(os.getpid(), SIGTERM)
            """,
            check=7,
        )

    def test_a_handler_that_restores_the_one_before_it(self):
        self.code(
            """
            from signal import signal, SIGTERM, SIG_DFL
            import library, os
            def end(*arguments):
                if before == SIG_DFL: signal(SIGTERM, SIG_DFL); os.kill(os.getpid(), SIGTERM)
                else: before(*arguments)
            before = signal(SIGTERM, end)
            os.kill(os.getpid(), SIGTERM)
            """,
            check=-signal.SIGTERM,
        )

    def test_a_signal_that_comes_again_ends_the_process_at_once(self):
        started = time.monotonic()
        self.hang()
        self.write(
            self.volume / "_prelit_bootstrap/ending.py",
            (self.volume / "_prelit_bootstrap/ending.py").read_text().replace("PATIENCE = 3.0", "PATIENCE = 60.0"),
        )
        self.code(
            """
            import library, os, signal, threading
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
            os.kill(os.getpid(), signal.SIGTERM)
            """,
            check=-signal.SIGTERM,
        )
        self.assertLess(time.monotonic() - started, 30)

    def test_what_a_handler_raises_meanwhile_is_the_applications(self):
        self.write(
            self.volume / "_prelit_bootstrap/telemetry.py",
            """
            import os, signal
            class Signals:
                providers, sessions = [], []
            def start(*_):
                os.kill(os.getpid(), signal.SIGALRM)
                return Signals()
            """,
        )
        done = self.code(
            """
            import signal
            def late(*_): raise TimeoutError("late")
            signal.signal(signal.SIGALRM, late)
            try:
                import library
            except TimeoutError as error:
                print(error)
            """
        )
        self.assertEqual(done.stdout, "late\n")

    def test_a_handler_that_is_compared_in_its_own_way(self):
        self.code(
            """
            import library, os, signal, sys
            class End:
                def __call__(self, *_): sys.exit(7)
                def __eq__(self, other): return True
            signal.signal(signal.SIGTERM, End())
            os.kill(os.getpid(), signal.SIGTERM)
            """,
            check=7,
        )

    def test_a_handler_in_c(self):
        done = self.code(
            """
            import ctypes, os, signal, time
            handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _: print("heard"))
            ctypes.CDLL(None).signal(signal.SIGTERM, handler)
            import library
            os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.1)
            """
        )
        self.assertEqual(done.stdout, "heard\n")

    def test_a_signal_that_the_application_waits_for_is_left_to_it(self):
        """It has blocked it in all of its threads."""
        for blocked in ("SIGTERM", "SIGUSR1"):
            done = self.code(
                f"""
                import library, os, signal, time
                signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.{blocked}}})
                os.kill(os.getpid(), signal.{blocked}); time.sleep(0.2)
                print(signal.sigwait({{signal.{blocked}}}).name, signal.pthread_sigmask(signal.SIG_UNBLOCK, ()))
                """
            )
            self.assertTrue(done.stdout.startswith(blocked), done.stdout)

    def test_in_a_sub_interpreter(self):
        """The packages are not loaded there: who has threads may not end it."""
        done = self.code(
            """
            try:
                import _interpreters as interpreters
            except ImportError:
                import _xxsubinterpreters as interpreters
            import library
            other = interpreters.create()
            interpreters.run_string(other, "import library; assert not library.instrumented")
            interpreters.destroy(other)
            print(library.instrumented)
            """
        )
        self.assertEqual(done.stdout, "True\n")
        self.assertIn("not started: this is a sub-interpreter", done.stderr)

    def test_a_handler_of_the_application_is_its_own(self):
        for order in ("import library; {}", "{}; import library"):
            handler = "import signal, os, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
            self.code(order.format(handler) + "; os.kill(os.getpid(), signal.SIGTERM)", check=7)
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush", "flush"])

    def test_a_server_that_restores_the_default_and_raises_the_signal_again(self):
        self.code(
            """
            import os, signal
            before = signal.signal(signal.SIGTERM, lambda *_: None)
            import library
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.signal(signal.SIGTERM, before) is not before
            signal.raise_signal(signal.SIGTERM)
            """,
            check=-signal.SIGTERM,
        )
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush"])

    def test_the_application_sees_its_own_handlers(self):
        code = """
            import signal
            {}
            print(signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGTERM, signal.SIG_IGN))
            print(signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGTERM, signal.SIG_DFL))
            print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
            """
        self.assertEqual(self.code(code.format("import library")).stdout, self.code(code.format("")).stdout)

    def test_a_signal_that_is_ignored_is_ignored(self):
        self.code(
            "import signal, os; signal.signal(signal.SIGTERM, signal.SIG_IGN); import library;"
            "os.kill(os.getpid(), signal.SIGTERM)"
        )

    def test_an_endpoint_that_hangs_holds_nothing_up_for_long(self):
        self.hang()
        for code, status in (
            ("import library", 0),
            ("import library, os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ):
            started = time.monotonic()
            self.code(code, check=status)
            self.assertLess(time.monotonic() - started, 15)

    def test_a_child_of_fork(self):
        self.code(
            """
            import library, os, sys
            child = os.fork()
            if child == 0:
                sys.exit(0)
            os.waitpid(child, 0)
            """
        )
        self.assertEqual(len({line.split()[0] for line in self.endings()}), 2)

    def test_children_of_multiprocessing(self):
        for method in ("fork", "spawn", "forkserver"):
            if self.flushed.exists():
                self.flushed.unlink()
            self.write(
                self.scratch / "main.py",
                f"""
                import multiprocessing, os
                def work(): import library; assert library.instrumented
                if __name__ == "__main__":
                    import library
                    context = multiprocessing.get_context({method!r})
                    children = [context.Process(target=work) for _ in range(2)]
                    [child.start() for child in children]; [child.join(60) for child in children]
                    assert [child.exitcode for child in children] == [0, 0]
                    print(*(child.pid for child in children))
                """,
            )
            done = self.run_python(self.scratch / "main.py")
            ended = {line.split()[0] for line in self.endings()}
            self.assertLessEqual(set(done.stdout.split()), ended, method)

    def test_a_fork_while_another_thread_is_at_work(self):
        self.library("framework", text="instrumented = False\n")
        self.write(
            self.volume / "prelit-packages/some-folder/prelit_test_library.py",
            """
            class Instrumentor:
                def instrument(self):
                    import time; time.sleep(1)
            """,
        )
        done = self.code(
            """
            import os, sys, threading, time
            import framework
            thread = threading.Thread(target=__import__, args=("library",)); thread.start(); time.sleep(0.3)
            child = os.fork()
            if child == 0:
                os._exit(0)
            print(os.waitpid(child, 0)[1]); thread.join()
            """
        )
        self.assertEqual(done.stdout, "0\n")


@unittest.skipUnless(SERVED, "a Python that is served")
class Ways(VolumeTest):
    """Ways to start an application."""

    def setUp(self):
        super().setUp()
        self.library("library")
        self.write(self.site / "app/__main__.py", "import library; print(library.instrumented)\n")

    def test_as_a_module(self):
        self.assertEqual(self.run_python("-m", "app").stdout, "True\n")

    def test_as_an_archive(self):
        archive = self.scratch / "app.pyz"
        self.run_python("-m", "zipapp", self.site / "app", "--output", archive)
        self.assertEqual(self.run_python(archive).stdout, "True\n")

    def test_a_library_in_an_archive(self):
        archive = self.scratch / "all.pyz"
        for name in ("library", "library-2.1.dist-info"):
            (self.site / name).rename(self.site / "app" / name)
        self.run_python("-m", "zipapp", self.site / "app", "--output", archive)
        self.assertEqual(self.run_python(archive).stdout, "True\n")

    def test_with_a_subprocess(self):
        code = "import subprocess, sys; print(subprocess.check_output([sys.executable, '-m', 'app'], text=True).strip())"
        self.assertEqual(self.code(code).stdout, "True\n")

    def test_without_the_environment(self):
        for option in ("-E", "-I", "-S"):
            done = self.run_python(option, "-c", "import sys; print('_prelit_bootstrap' in sys.modules)")
            self.assertEqual(done.stdout, "False\n")

    def test_under_a_reloader(self):
        """As uvicorn does it: a child is spawned, ended with SIGTERM, and spawned again. It handles the signal, restores the
        default and raises it again."""
        self.write(
            self.scratch / "reload.py",
            """
            import multiprocessing, os, signal, time
            def serve(ready):
                import library
                told = []
                before = signal.signal(signal.SIGTERM, lambda *_: told.append(1))
                ready.set()
                while not told: time.sleep(0.01)
                signal.signal(signal.SIGTERM, before)
                signal.raise_signal(signal.SIGTERM)
            if __name__ == "__main__":
                context = multiprocessing.get_context("spawn")
                for _ in range(2):
                    ready = context.Event()
                    child = context.Process(target=serve, args=(ready,)); child.start()
                    assert ready.wait(30); child.terminate(); child.join(40)
                    assert child.exitcode == -signal.SIGTERM, child.exitcode
            """,
        )
        self.run_python(self.scratch / "reload.py")
        self.assertEqual([line.split()[1] for line in self.endings()], ["flush", "flush"])


del os, subprocess, sys
