"""Uses nothing that a provider instruments, and knows what was imported."""

import asyncio
import json
import multiprocessing
import sys
import threading


def double(number):
    return 2 * number


async def count():
    return [await asyncio.sleep(0, result=number) for number in range(3)]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(count())))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(double, range(5)))
    print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "openlit", "openinference"))))
    print(threading.active_count())
