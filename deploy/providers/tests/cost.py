"""What a Python that touches no library pays: `-c pass` with and without a volume, in turns.

    python3 deploy/providers/tests/cost.py VOLUME [RUNS] [PYTHON]...

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
        taken = {empty: [], str(volume): []}
        for _ in range(runs):
            for folder, times in taken.items():
                times.append(once(str(python), dict(base, PYTHONPATH=folder)))
    return tuple(tuple(1000 * statistics.median(part) for part in zip(*times)) for times in taken.values())


def once(python, environment):
    started = time.perf_counter()
    _, status, used = os.wait4(os.posix_spawn(python, [python, "-c", "pass"], environment), 0)
    if status:
        raise SystemExit("%s failed" % python)
    return used.ru_utime + used.ru_stime, time.perf_counter() - started


if __name__ == "__main__":
    for each in sys.argv[3:] or [sys.executable]:
        (cpu, clock), (cpu_with, clock_with) = cost(each, sys.argv[1], int((sys.argv[2:] or ["40"])[0]))
        print("%s: CPU %.1f + %.1f ms, clock %.1f + %.1f ms" % (each, cpu, cpu_with - cpu, clock, clock_with - clock))
