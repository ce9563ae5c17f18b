"""How many requests a service of FastAPI answers, and how soon: uvicorn, one worker, eight connections.

The service has a CPU for itself where there are two; who asks, the model and the collector share the others.
"""

import json
import os
import signal
import subprocess
import sys

from figures import ratios, spread, table
from starts import free_port, model, reachable
from ways import APPLICATIONS, HERE, ways

from tests.receiver import Receiver

CONNECTIONS = 8
PATHS = {
    "/health": "It answers by itself (`GET /health`):",
    "/ask": "It asks a model by `openai`, which answers at once (`GET /ask`):",
}
HEADER = ["", "requests/s, median (min–max)", "times without", "p50 / p99", "processor time a request", "spans a request", "resident"]


def service(runs, seconds):
    known = ways()
    cpus = sorted(os.sched_getaffinity(0))
    alone, others = set(cpus[-1:]), set(cpus[:-1] or cpus)
    os.sched_setaffinity(0, others)
    try:
        with model() as base:
            for path, title in PATHS.items():
                taken = [[] for _ in known]
                for _ in range(runs):
                    for way, figures in zip(known, taken):
                        figures.append(once(way, path, seconds, base, alone))
                table(title, HEADER, [row(way, each, taken[0]) for way, each in zip(known, taken)])
    finally:
        os.sched_setaffinity(0, cpus)


def row(way, taken, without):
    of = lambda name, runs: [run[name] for run in runs]  # noqa: E731
    middle = lambda name, scale: f"{scale * sorted(of(name, taken))[len(taken) // 2]:.2f}"  # noqa: E731
    return [
        way.name,
        spread(of("rate", taken), 0),
        ratios(of("rate", taken), of("rate", without)),
        f"{middle('p50', 1e3)} / {middle('p99', 1e3)} ms",
        f"{middle('cpu', 1e3)} ms",
        middle("spans", 1),
        f"{middle('resident', 1e-6)[:-3]} MB",
    ]


def once(way, path, seconds, base, cpu):
    receiver = Receiver()
    port = free_port()
    uvicorn = ["-m", "uvicorn", "service:app", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen(
        way.command(*uvicorn),
        env=way.environ(receiver.url, OPENAI_BASE_URL=base),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # uvicorn looks into it first.
        cwd=APPLICATIONS,
        preexec_fn=lambda: os.sched_setaffinity(0, cpu),
    )
    try:
        reachable(port, process)
        command = [sys.executable, HERE / "load.py", port, path, CONNECTIONS, seconds, process.pid]
        said = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True)
        figures = json.loads(said.stdout)
        figures["resident"] = resident(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        receiver.close()
    figures["spans"] = len(receiver.spans) / figures["all"]
    return figures


def resident(process):
    """Bytes of memory."""
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
