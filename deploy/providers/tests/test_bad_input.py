"""Whatever is wrong, the application starts and answers as without us."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import prepared
from .real import RealTest, each_python, slow

# How much longer it may take to end, in seconds: what the machine is busy with included.
LATER = 8
CALL = "import os, requests; print(requests.get(os.environ['CALLED'] + '/called').status_code)"


def hanging():
    """The URL of an endpoint that takes connections and never answers, and what to close."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    kept = []

    def accept():
        while True:
            try:
                kept.append(listener.accept())
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    return "http://127.0.0.1:%d" % listener.getsockname()[1], listener


@slow
class Environment(RealTest):
    """Variables, one after the other: as without us on stdout, at most two lines on stderr, and no secret there."""

    def as_without(self, *variables):
        """Some at a time: most of them wait."""
        started = time.monotonic()
        out, _ = self.ran("-c", CALL, volume=False)
        limit = time.monotonic() - started + LATER
        with ThreadPoolExecutor(3) as pool:
            wrong = [each for each in pool.map(lambda each: self.wrong(each, out, limit), variables) if each]
        self.assertEqual(wrong, [])

    def wrong(self, variables, out, limit):
        """What is not as it should be."""
        started = time.monotonic()
        process = self.start("-c", CALL, **variables)
        mine, said = process.communicate(timeout=60)
        seconds = time.monotonic() - started
        lines = said.splitlines()
        fine = (mine, process.returncode) == (out, 0) and seconds < limit and "s3cret" not in said and len(lines) <= 2
        if not fine or not all(line.startswith("OpenLIT instrumentation") for line in lines):
            return {name: value[:100] for name, value in variables.items()}, process.returncode, mine, said, seconds

    @each_python
    def test_endpoints(self):
        hangs, listener = hanging()
        self.addCleanup(listener.close)
        endpoints = (
            "http://127.0.0.1:1",
            "http://user:s3cret@127.0.0.1:1/?token=s3cret",
            hangs,
            "127.0.0.1:4318",
            "user:s3cret@127.0.0.1:4318",
            "ftp://127.0.0.1",
            "http://[",
            "http://127.0.0.1:99999",
            "http://no such host/",
            "://",
            "$(NOT_DEFINED)",
        )
        self.as_without(*({"OTEL_EXPORTER_OTLP_ENDPOINT": each} for each in endpoints))

    @each_python
    def test_words(self):
        words = (
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer s3cret\nx,=,a b=s3cret,é=s3cret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%0As3cret"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a,c=%zz"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=" + "x" * 100000),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/not/there"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "often"),
            ("OTEL_BSP_SCHEDULE_DELAY", "x"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "x"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many"),
            ("OTEL_PROPAGATORS", "pigeon"),
            ("OTEL_PYTHON_CONTEXT", "none"),
            ("OTEL_PYTHON_TRACER_PROVIDER", "none"),
            ("OTEL_PYTHON_ID_GENERATOR", "dice"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_SEMCONV_STABILITY_OPT_IN", "?"),
            ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ",,*,"),
            ("OPENLIT_PRICING_JSON", "/not/there"),
            ("OPENLIT_PRICING_JSON", "http://127.0.0.1:1/prices"),
        )
        self.as_without(*({name: value} for name, value in words))


@slow
class Volumes(RealTest):
    """What the init container left, when it could not do its work."""

    def copy(self):
        """A volume of its own."""
        # Of links, so beside what is linked.
        scratch = tempfile.TemporaryDirectory(dir=str(prepared.CACHE))
        self.addCleanup(scratch.cleanup)
        volume = Path(scratch.name) / "volume"
        shutil.copytree(str(self.volume), str(volume), copy_function=os.link)
        self.volume = volume
        return volume

    def as_without(self):
        without, _ = self.ran("-c", CALL, volume=False)
        out, err = self.ran("-c", CALL)
        self.assertEqual(out, without)
        lines = err.splitlines()
        self.assertLessEqual(len(lines), 2, err)
        self.assertTrue(all(line.startswith("OpenLIT instrumentation") for line in lines), err)
        return err

    @each_python
    def test_parts_that_are_missing(self):
        whole = self.volume
        for part in ("prelit-packages", "_prelit_bootstrap", "_prelit_bootstrap/provider.py", "_prelit_bootstrap/hooks.py",
                     "_prelit_bootstrap/ending.py", "_prelit_bootstrap/table.py", "sitecustomize.py"):
            self.volume = whole
            volume = self.copy()
            path = volume / part
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            said = self.as_without()
            self.assertEqual(len(said.splitlines()), part != "sitecustomize.py", (part, said))
            shutil.rmtree(volume)

    @each_python
    def test_packages_that_are_cut_short(self):
        """Every second file is empty: what an SDK makes of that is an error, and the application's path is as before."""
        volume = self.copy()
        for number, path in enumerate(sorted(volume.glob("prelit-packages/*/**/*.py"))):
            if number % 2:
                path.unlink()
                path.write_text("")
        self.assertIn("OpenLIT instrumentation not started: ", self.as_without())
        out, _ = self.ran("-c", "import requests, sys; print(*sys.path)")
        self.assertNotIn("prelit-packages", out)

    @each_python
    def test_programs_of_another_machine(self):
        volume = self.copy()
        for path in volume.glob("prelit-packages/*/**/*.so"):
            path.unlink()
            path.write_bytes(b"\x7fELF of something else")
        self.as_without()


SCRIPT = prepared.PROVIDERS / "setup-instrumentation.py"


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "a volume of its own takes root and unshare")
class Mounts(unittest.TestCase):
    """The init container's program with real file systems, in a mount namespace."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.volume = self.scratch / "volume"
        self.volume.mkdir()
        root = self.scratch / "root"
        source = root / "instrumentations/openlit"
        source.mkdir(parents=True)
        shutil.copytree(str(prepared.PROVIDERS / "bootstrap"), str(source), dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
        (source / "_prelit_bootstrap/table.py").write_text("LIBRARIES = ()\n")
        for number in range(50):
            (source / "prelit-packages" / str(number)).mkdir(parents=True)
            (source / "prelit-packages" / str(number) / "data").write_bytes(bytes([number]) * 100000)
        self.script = root / "usr/local/bin/setup-instrumentation.py"
        self.script.parent.mkdir(parents=True)
        shutil.copy(str(SCRIPT), str(self.script))
        files = {}
        for path in source.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                files[str(path.relative_to(source))] = [len(content), hashlib.sha256(content).hexdigest()]
        (source / "prelit-manifest.json").write_text(json.dumps({"version": 1, "files": files}))

    def inside(self, *lines):
        """Shell in a mount namespace; `$SETUP` is the program, `$CHECK` a Python with the volume."""
        environment = {
            "PATH": os.environ["PATH"],
            "V": str(self.volume),
            "SETUP": "%s %s" % (sys.executable, self.script),
            "CHECK": "env PYTHONPATH=%s %s -c print('fine')" % (self.volume, sys.executable),
            "TARGET_PATH": str(self.volume),
        }
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "set -e\n" + "\n".join(lines)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_a_full_volume(self):
        status, out, err = self.inside("mount -t tmpfs -o size=1m none $V", "! $SETUP", "ls -A $V", "$CHECK")
        self.assertEqual((status, out), (0, "fine\n"), err)
        self.assertRegex(err, r"\Asetup-instrumentation: No space left on device[^\n]*\n\Z")

    def test_a_volume_without_inodes(self):
        status, out, err = self.inside("mount -t tmpfs -o size=100m,nr_inodes=20 none $V", "! $SETUP", "ls -A $V", "$CHECK")
        self.assertEqual((status, out), (0, "fine\n"), err)
        self.assertRegex(err, r"\Asetup-instrumentation: No space left on device[^\n]*\n\Z")

    def test_a_volume_that_is_full_the_second_time(self):
        status, out, err = self.inside("mount -t tmpfs -o size=8m none $V", "$SETUP", "! $SETUP", "ls -A $V", "$CHECK")
        self.assertEqual(status, 0, err)
        self.assertEqual(out.splitlines()[1:], ["_prelit_bootstrap", "prelit-manifest.json", "prelit-packages",
                                                "sitecustomize.py", "fine"])

    def test_a_read_only_volume(self):
        status, out, err = self.inside("mount -t tmpfs -o ro none $V", "! $SETUP", "$CHECK")
        self.assertEqual((status, out), (0, "fine\n"), err)
        self.assertRegex(err, r"\Asetup-instrumentation: Read-only file system[^\n]*\n\Z")

    def test_a_read_only_mount_serves_the_application(self):
        status, out, err = self.inside(
            "mount -t tmpfs none $V", "$SETUP", "mount -o remount,ro $V",
            "env PYTHONPATH=$V %s -c 'import sys; print(\"_prelit_bootstrap\" in sys.modules)'" % sys.executable,
        )
        self.assertEqual((status, out.splitlines()[1:], err), (0, ["True"], ""))

    def test_a_run_that_is_killed(self):
        """Nothing is there that Python would run, and the next run completes it."""
        environment = {"PATH": os.environ["PATH"], "TARGET_PATH": str(self.volume)}
        stop = "import os, runpy, signal, sys; os.write = lambda *a: os.kill(os.getpid(), signal.SIGKILL)"
        code = stop + "; runpy.run_path(%r, None, '__main__')" % str(self.script)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        self.assertTrue(all(path.name.startswith(".prelit-new-") for path in self.volume.iterdir()))
        subprocess.run([sys.executable, str(self.script)], env=environment, capture_output=True, check=True)
        self.assertEqual(sorted(path.name for path in self.volume.iterdir()),
                         ["_prelit_bootstrap", "prelit-manifest.json", "prelit-packages", "sitecustomize.py"])
