"""Real images, real libraries, each of the CPythons: the base of the slow tests."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import urllib.request
import zlib
from pathlib import Path

from . import prepared
from .receiver import Receiver

SLOW = os.environ.get("PRELIT_SLOW") == "1"
WHY = "it takes packages from PyPI and minutes: PRELIT_SLOW=1 runs it"


def slow(test):
    """Skips a class of tests, aloud, unless all are asked for."""
    if not SLOW:
        print("SKIPPED: %s: %s" % (test.__name__, WHY), file=sys.stderr)
    return unittest.skipUnless(SLOW, WHY)(test)


def each_python(test):
    """Runs a test with the oldest or the newest CPython of the machine: half of the tests with the one, half with the
    other. PRELIT_TEST_PYTHONS=all means all CPythons for each test."""

    def run(self):
        minors = list(prepared.pythons())
        if os.environ.get("PRELIT_TEST_PYTHONS") != "all":
            minors = [minors[-(zlib.crc32(test.__qualname__.encode()) % 2)]]
        for minor in minors:
            with self.subTest(python="3.%d" % minor):
                self.begin(minor)
                failed = True
                try:
                    test(self)
                    failed = False
                finally:
                    self.end(failed)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


class RealTest(unittest.TestCase):
    """Each run of a test has a folder, a receiver and an environment of its own."""

    provider = "openlit"
    packages = "servers"

    def begin(self, minor):
        self.python = prepared.pythons()[minor]
        self.volume = prepared.packages(self.provider)
        self.site = prepared.environment(self.packages, minor)
        self.receiver = Receiver()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.started = []

    def end(self, failed):
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            # Read already where a test has waited for the end.
            texts = [file.read() for file in (process.stdout, process.stderr) if not file.closed]
            if failed and texts:
                print("%s\n%s" % (" ".join(process.args), "".join(texts)[-5000:]), file=sys.stderr)
            process.wait()
            process.stdout.close()
            process.stderr.close()
        self.receiver.close()
        self.temporary.cleanup()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
        return path

    def environ(self, volume=True, **more):
        """What the kubelet would give to the application."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON", "OPENLIT_"))}
        path = [str(self.volume)] if volume else []
        kept.update(
            PYTHONPATH=os.pathsep.join([*path, str(self.site), str(self.folder)]),
            PYTHONDONTWRITEBYTECODE="1",
            CALLED=self.receiver.url,
            OTEL_SERVICE_NAME="chat",
            OTEL_EXPORTER_OTLP_ENDPOINT=self.receiver.url,
            # Late, so that what arrives was sent because the process ended.
            OTEL_BSP_SCHEDULE_DELAY="60000",
        )
        kept.update(more)
        return kept

    def start(self, *arguments, volume=True, **more):
        """Starts Python, in a process group of its own."""
        process = subprocess.Popen(
            [str(self.python), *map(str, arguments)],
            env=self.environ(volume, **more),
            cwd=str(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def ended(self, process, number=None, status=0):
        """Sends a signal and waits. Nothing of ours is on stdout, and only lines of ours are known on stderr."""
        if number is not None:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, err)
        self.assertNotIn("OpenLIT", out)
        self.assertNotIn("Traceback", err, err)
        return out, err

    def ran(self, *arguments, **more):
        """A process from its start to its end."""
        return self.ended(self.start(*arguments, **more))

    def port(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]

    def get(self, port, path="/", seconds=60):
        """What a server answers, once it is there."""
        end = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=20) as answer:
                    return answer.read().decode()
            except OSError:
                if time.monotonic() > end or self.started[-1].poll() is not None:
                    raise
                time.sleep(0.1)
