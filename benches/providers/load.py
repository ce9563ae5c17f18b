"""Asks a service again and again, on connections that are kept, each as soon as it was answered:

    load.py PORT PATH CONNECTIONS SECONDS PID

The first half second does not count. On stdout is JSON: answers a second, the latency of half and of all but a hundredth of
them in seconds, the processor seconds of process PID for each, and how many there were with those that do not count.
"""

import json
import os
import selectors
import socket
import sys
import time

WARMING = 0.5


def main(port, path, connections, seconds, process):
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ, [time.perf_counter(), b""])
    before = len(ask_until(time.perf_counter() + WARMING, selector, request))
    cpu, started = cpu_of(process), time.perf_counter()
    latencies = sorted(ask_until(started + seconds, selector, request))
    spent, cpu = time.perf_counter() - started, cpu_of(process) - cpu
    count = len(latencies)
    if not count:
        sys.exit(f"load: no answer within {seconds} s")
    figures = {"rate": count / spent, "p50": latencies[count // 2], "p99": latencies[count * 99 // 100], "cpu": cpu / count}
    print(json.dumps(dict(figures, all=before + count)))


def ask_until(end, selector, request):
    """The latencies of what was answered by then."""
    latencies = []
    while time.perf_counter() < end:
        for key, _ in selector.select(timeout=max(0, end - time.perf_counter())):
            asked = key.data
            asked[1] += key.fileobj.recv(1 << 16)
            if is_complete(asked[1]):
                now = time.perf_counter()
                latencies.append(now - asked[0])
                asked[:] = now, b""
                key.fileobj.sendall(request)
    return latencies


def is_complete(answer):
    head, found, body = answer.partition(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]) or not answer:
        sys.exit(f"load: not an answer: {answer!r}")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return bool(found) and len(body) == int(length.partition(b":")[2])


def cpu_of(process):
    """Processor seconds of a process so far; the fields are behind the name of the program, which may hold anything."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
