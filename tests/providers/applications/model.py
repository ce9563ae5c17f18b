"""A model server on loopback that knows what it will say: OpenAI's and Anthropic's protocols, streamed too.

    python model.py ADDRESS PORT

It answers every question with ANSWER, at the price of 11 tokens in and 7 out.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "It is raining in Nantes."
INPUT, OUTPUT = 11, 7


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {
            "/v1/chat/completions": chat,
            "/v1/embeddings": embeddings,
            "/v1/messages": messages,
        }[self.path.partition("?")[0]](asked)
        if isinstance(answer, dict):
            self.reply("application/json", json.dumps(answer))
        else:
            self.reply("text/event-stream", "".join(answer))

    def reply(self, kind, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


def chat(asked):
    usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    shared = {"id": "chatcmpl-1", "created": 1767225600, "model": asked["model"] + "-2026"}
    if not asked.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        return dict(shared, object="chat.completion", choices=[choice], usage=usage)

    def chunk(delta, finish=None, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event(dict(dict(shared, object="chat.completion.chunk", choices=[choice]), **more))

    words = [chunk({"content": word}) for word in ANSWER.partition(" is ")]
    end = [chunk({}, "stop")]
    if (asked.get("stream_options") or {}).get("include_usage"):
        end.append(event(dict(shared, object="chat.completion.chunk", choices=[], usage=usage)))
    return [chunk({"role": "assistant", "content": ""}), *words, *end, "data: [DONE]\n\n"]


def embeddings(asked):
    import base64
    import struct

    vector = [0.25, -0.5]
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<2f", *vector)).decode()
    return {
        "object": "list",
        "model": asked["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "usage": {"prompt_tokens": INPUT, "total_tokens": INPUT},
    }


def messages(asked):
    shared = {"id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"]}
    usage = {"input_tokens": INPUT, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    shared.update(stop_sequence=None, stop_reason=None, content=[], usage=usage)
    end = dict(usage, output_tokens=OUTPUT)
    if not asked.get("stream"):
        return dict(shared, content=[{"type": "text", "text": ANSWER}], stop_reason="end_turn", usage=end)
    told = [
        {"type": "message_start", "message": shared},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in ANSWER.partition(" is ")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": end},
        {"type": "message_stop"},
    ]
    return [event(each, each["type"]) for each in told]


def event(content, name=None):
    return ("event: %s\n" % name if name else "") + "data: %s\n\n" % json.dumps(content)


if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
