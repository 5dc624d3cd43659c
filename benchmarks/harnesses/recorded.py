"""A model server that has learnt by heart: to a question of GSM8K it gives a published system's solution.

python -m benchmarks.harnesses.recorded gsm8k_test.jsonl gsm8k_model_solutions.jsonl SYSTEM PORT
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.load.upstream import EVENT_STREAM


def solutions(problems: Path, solved: Path, system: str) -> dict[str, str]:
    """By question; the last line is `#### ANSWER`, as the examples in prompts have it, where it was `A: ANSWER`."""
    questions = {row["id"]: row["question"] for row in map(json.loads, problems.open(encoding="utf-8"))}
    found: dict[str, str] = {}
    for row in map(json.loads, solved.open(encoding="utf-8")):
        (text,) = [one["text"] for one in row["solutions"] if one["system"] == system]
        found[questions[row["id"]]] = re.sub(r"A: (?=[^\n]*$)", "#### ", text)
    return found


class Handler(BaseHTTPRequestHandler):
    known: dict[str, str]

    def do_GET(self) -> None:
        self.reply(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{}")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = asked["messages"][-1]["content"]
        text = next(answer for question, answer in self.known.items() if question.strip() in said)
        head: dict[str, Any] = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "recorded",
        }
        spoken = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        events: list[dict[str, Any]] = [
            {**head, "choices": [spoken]},
            {**head, "choices": [], "usage": usage},
        ]
        lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in lines)
        self.reply(EVENT_STREAM + chunks + b"0\r\n\r\n")

    def reply(self, data: bytes) -> None:
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Nothing."""


if __name__ == "__main__":
    Handler.known = solutions(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[4])), Handler).serve_forever()
