"""Stands for the collector, and for the service that applications call: on loopback, in a thread."""

import http.server
import json
import threading
import time


class Receiver:
    """Keeps the spans that are sent to /v1/traces, each as its name and its bytes; answers everything else."""

    def __init__(self):
        self.spans, self.requests, self.headers = [], [], []
        # When spans came, by the clock that time.monotonic reads.
        self.arrivals = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append(self.path)
                if self.path == "/v1/traces":
                    receiver.arrivals.append(time.monotonic())
                    receiver.headers.append(dict(self.headers))
                    receiver.spans += spans_of(body)
                answer = json.dumps(COMPLETION).encode() if self.path.endswith("/chat/completions") else b""
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # An application that ends leaves its connections.
        self.server.handle_error = lambda *_: None
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def called(self, path):
        """How often a path was called."""
        return self.requests.count(path)

    def wait(self, count, seconds=20):
        """Waits for that many spans, and returns their names."""
        end = time.monotonic() + seconds
        while len(self.spans) < count and time.monotonic() < end:
            time.sleep(0.05)
        return sorted(name for name, _ in self.spans)


COMPLETION = {
    "id": "one",
    "object": "chat.completion",
    "created": 1,
    "model": "model",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "the answer"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def spans_of(request):
    """ExportTraceServiceRequest: resource_spans 1, scope_spans 2, spans 2, of which name 5 and the whole text."""
    for resource in fields(request, 1):
        for scope in fields(resource, 2):
            for span in fields(scope, 2):
                yield next(fields(span, 5), b"").decode(), span


def fields(message, wanted):
    """The fields of a protobuf message that have a length, by their number."""
    position = 0

    def number():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        key = number()
        kind = key & 7
        if kind == 0:
            number()
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            length = number()
            if key >> 3 == wanted:
                yield message[position : position + length]
            position += length
