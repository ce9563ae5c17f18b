"""What a Python that touches no library pays: `-c pass` with and without a volume, in turns.

    python3 benches/providers/cost.py VOLUME [RUNS] [PYTHON]...

Medians in milliseconds, of the CPU (user and system) and of the clock. On a busy machine the clock says little: `chrt -f 1`
before it helps.
"""

import os
import statistics
import sys
import tempfile
import time


def cost(python, volume, runs=40):
    """((CPU, clock) without, (CPU, clock) with), in milliseconds."""
    with tempfile.TemporaryDirectory() as empty:
        base = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        commands = [([str(python), "-c", "pass"], dict(base, PYTHONPATH=folder)) for folder in (empty, str(volume))]
        return tuple(tuple(1000 * statistics.median(part) for part in zip(*times)) for times in in_turn(commands, runs))


def in_turn(commands, runs):
    """For each (arguments, environment) the (CPU, clock) of its runs, in seconds."""
    taken = [[] for _ in commands]
    for _ in range(runs):
        for command, times in zip(commands, taken):
            times.append(once(*command))
    return taken


def once(arguments, environment):
    # What instrumentations of others say to each process.
    quiet = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    _, status, used = os.wait4(os.posix_spawn(arguments[0], arguments, environment, file_actions=quiet), 0)
    if status:
        raise SystemExit("%s failed" % arguments[0])
    return used.ru_utime + used.ru_stime, time.perf_counter() - started


if __name__ == "__main__":
    for each in sys.argv[3:] or [sys.executable]:
        (cpu, clock), (cpu_with, clock_with) = cost(each, sys.argv[1], int((sys.argv[2:] or ["40"])[0]))
        print("%s: CPU %.1f + %.1f ms, clock %.1f + %.1f ms" % (each, cpu, cpu_with - cpu, clock, clock_with - clock))
