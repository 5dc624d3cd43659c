"""A model server with slots and a token rate, whose answers are the likelier right the more of a thought was thought.

python -m benchmarks.load.slotted_server --port 9001 --slots 16 --rate 200

It speaks llama-server's chat completions. What it is asked about is a number, its prompt's last word: problem N needs a
thought of a length of its own (log-normal around `NATURAL` tokens) and has a luck of its own, and its answer is right
where that luck is below `ACCURACY` at the share of the thought that was thought. A thought that is cut early does worse
than none, as was measured of Qwen3-8B: 93 % are right without a thought, 57 % with one that is cut at 512 tokens.
"""

import argparse
import asyncio
import itertools
import json
import math
import random
from typing import Any

from aiohttp import web

NATURAL = 250
ANSWER = 20
ACCURACY = ((0.0, 0.9), (0.02, 0.57), (0.14, 0.57), (0.3, 0.72), (0.5, 0.86), (0.75, 0.93), (1.0, 0.96))
"""Probability of a right answer by the share of the thought; 0 is without a thought."""
_CHUNK = 5
"""Tokens of one event."""


def natural(problem: int) -> int:
    """Tokens of a problem's thought that nobody cuts."""
    draw = random.Random(f"length {problem}")
    return round(min(1200.0, max(40.0, math.exp(draw.gauss(math.log(NATURAL), 0.5)))))


def is_right(problem: int, thought: int) -> bool:
    share = min(1.0, thought / natural(problem))
    probability = next(
        low + (high - low) * (share - start) / (end - start)
        for (start, low), (end, high) in itertools.pairwise(ACCURACY)
        if share <= end
    )
    return random.Random(f"luck {problem}").random() < probability


class SlottedServer:
    def __init__(self, slots: int, rate: float) -> None:
        """`rate`: tokens a second of each slot."""
        self._slots = asyncio.Semaphore(slots)
        self._pause_s = _CHUNK / rate
        self.app = web.Application()
        self.app.router.add_post("/v1/chat/completions", self.complete)
        self.app.router.add_get("/v1/models", self.models)

    async def models(self, asked: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    async def complete(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.json()
        question, *said = body["messages"]
        problem = int(question["content"].split()[-1])
        begun = sum(len(message["content"].split()) for message in said if message["role"] == "assistant")
        thinks = body["chat_template_kwargs"]["enable_thinking"]
        budget = body.get("reasoning_budget_tokens", 0) if thinks else 0
        thought = min(natural(problem), budget)
        verdict = "right" if is_right(problem, begun + thought) else "wrong"
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        async with self._slots:
            await reply.prepare(asked)
            for at in range(0, thought, _CHUNK):
                await self._say(reply, {"reasoning_content": "t " * min(_CHUNK, thought - at)})
            for at in range(0, ANSWER, _CHUNK):
                await self._say(reply, {"content": "a " * (_CHUNK - 1) + (verdict if not at else "a") + " "})
        usage = {
            "prompt_tokens": 8,
            "completion_tokens": thought + ANSWER,
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
        await self._send(reply, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await self._send(reply, {"choices": [], "usage": usage})
        await reply.write(b"data: [DONE]\n\n")
        return reply

    async def _say(self, reply: web.StreamResponse, delta: dict[str, str]) -> None:
        await asyncio.sleep(self._pause_s)
        await self._send(reply, {"choices": [{"index": 0, "delta": delta}]})

    async def _send(self, reply: web.StreamResponse, chunk: dict[str, Any]) -> None:
        event = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", **chunk}
        await reply.write(b"data: %b\n\n" % json.dumps(event).encode())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--rate", type=float, default=200.0, help="tokens a second of each slot")
    options = parser.parse_args()
    server = SlottedServer(options.slots, options.rate)
    web.run_app(server.app, host="127.0.0.1", port=options.port, print=None)


if __name__ == "__main__":
    main()
