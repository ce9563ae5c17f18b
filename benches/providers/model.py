"""A model that has its answer ready: `model.py PORT`. It says it in one packet, which a client need not wait for."""

import asyncio
import json
import sys

CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It is raining in Nantes."}}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
COMPLETION = {"id": "one", "object": "chat.completion", "created": 1, "model": "small-1", "choices": [CHOICE], "usage": USAGE}
BODY = json.dumps(COMPLETION).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""

    def data_received(self, part):
        self.read += part
        head, found, body = self.read.partition(b"\r\n\r\n")
        if found and len(body) >= length(head):
            self.read = b""
            self.transport.write(ANSWER)


def length(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
