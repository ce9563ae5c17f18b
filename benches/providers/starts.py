"""What the start of a process costs: of one that uses nothing, and of one that asks a model."""

import contextlib
import socket
import statistics
import subprocess
import sys
import time

from cost import in_turn
from figures import difference, milliseconds, table
from ways import HERE, PROVIDERS, bare, prepared, pythons, ways

from tests.receiver import Receiver


def every_python(runs):
    """What the images cost each CPython where no library of theirs is imported."""
    rows = []
    for version in pythons():
        python = str(bare(version) / "bin" / "python")
        paths = ["/nonexistent", *(str(prepared.packages(provider)) for provider in PROVIDERS)]
        commands = [([python, "-c", "pass"], {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}) for path in paths]
        taken = [[cpu for cpu, _ in each] for each in in_turn(commands, runs)]
        without = f"{1000 * statistics.median(taken[0]):.1f} ms"
        rows.append([version, without, *(f"+ {1000 * difference(each, taken[0]):.1f} ms" for each in taken[1:])])
    table("`python -c pass`, processor time, and what each image adds:", ["CPython", "without", *PROVIDERS], rows)


def nothing(runs):
    """The same beside others."""
    # A collector that is never called.
    known = ways()
    taken = in_turn([(way.command("-c", "pass"), way.environ("http://127.0.0.1:1")) for way in known], runs)
    cpu, clock = ([[run[part] for run in each] for each in taken] for part in (0, 1))
    rows = [
        [way.name, milliseconds(clock[at]), milliseconds(cpu[at]), f"{1000 * difference(cpu[at], cpu[0]):.1f} ms" if at else ""]
        for at, way in enumerate(known)
    ]
    table("`python -c pass`:", ["", "clock, median (min–max)", "processor time", "adds"], rows)


def first_span(runs):
    """A program that imports `openai`, asks once, and ends."""
    known = ways()
    with model() as base:
        taken = [[] for _ in known]
        # The first of each is not counted: files are read from the disk.
        for number in range(runs + 1):
            for way, times in zip(known, taken):
                figures = ask(way, base)
                if number:
                    times.append(figures)
    rows = []
    for way, times in zip(known, taken):
        answer, span, end = zip(*times)
        rows.append([way.name, milliseconds(answer, 0), milliseconds(span, 0) if span[0] else "", milliseconds(end, 0)])
    header = ["from the start of the process to", "the model's answer", "the first span's arrival", "its end"]
    table("A program that imports `openai`, asks once, and ends:", header, rows)


def ask(way, base):
    """Seconds from the start to the answer, to the first span, and to the end."""
    receiver = Receiver()
    started = time.monotonic()
    process = subprocess.Popen(
        way.command(str(HERE / "application" / "ask.py")),
        env=way.environ(receiver.url, OPENAI_BASE_URL=base),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    answer = process.stdout.readline()
    answered = time.monotonic()
    process.stdout.read()
    status = process.wait()
    ended = time.monotonic()
    receiver.close()
    if status or not answer:
        raise SystemExit(f"measure: {way.name}: the program failed")
    if bool(way.path or way.before) != bool(receiver.spans):
        raise SystemExit(f"measure: {way.name}: {len(receiver.spans)} spans")
    span = receiver.arrivals[0] - started if receiver.arrivals else None
    return answered - started, span, ended - started


@contextlib.contextmanager
def model():
    """A model that answers at once: its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, HERE / "model.py", str(port)])
    try:
        reachable(port, process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def reachable(port, process, seconds=60):
    """Waits until somebody listens there."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"measure: nothing listens: {process.args}")
