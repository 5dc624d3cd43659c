"""A model server with slots: what it has no slot for waits, and each token takes its time."""

import asyncio
import json
from typing import Any

from aiohttp import web


class SlottedServer:
    """vLLM's chat completions, streamed; without a thought where thinking is switched off."""

    def __init__(self, *, slots: int, token_s: float, natural: int = 30, answer: int = 2) -> None:
        """`natural`: tokens of a thought that nobody cuts."""
        self.token_s = token_s
        self.natural = natural
        self.answer = answer
        self.most = 0
        """Calls that were here at once."""
        self._here = 0
        self.cut = 0
        """Streams that were left before their end."""
        self._slots = asyncio.Semaphore(slots)
        self.app = web.Application()
        self.app.router.add_post("/v1/chat/completions", self._complete)
        self.app.router.add_get("/metrics", self._metrics)
        self._running = 0
        self.looked_at = 0
        """Times that its metrics were read."""

    async def _metrics(self, asked: web.Request) -> web.Response:
        self.looked_at += 1
        labels = 'engine="0",model_name="m"'
        return web.Response(
            text=f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{{labels}}} {self._running}.0\n"
            f"vllm:num_requests_waiting{{{labels}}} {self._here - self._running}.0\n"
            f"vllm:kv_cache_usage_perc{{{labels}}} 0.25\n"
        )

    async def _complete(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.json()
        self._here += 1
        self.most = max(self.most, self._here)
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        try:
            async with self._slots:
                self._running += 1
                await asyncio.sleep(self.token_s)
                await reply.prepare(asked)
                thinks = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
                thinking = self.natural if thinks else 0
                for number in range(thinking):
                    await self._say(reply, {"reasoning": f"t{number} "})
                for number in range(self.answer):
                    await self._say(reply, {"content": f"a{number} "})
                usage = {
                    "prompt_tokens": 10,
                    "completion_tokens": thinking + self.answer,
                    "completion_tokens_details": {"reasoning_tokens": thinking},
                }
                await self._send(reply, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                await self._send(reply, {"choices": [], "usage": usage})
                await reply.write(b"data: [DONE]\n\n")
                self._running -= 1
        except (ConnectionError, asyncio.CancelledError):
            self.cut += 1
            raise
        finally:
            self._here -= 1
        return reply

    async def _say(self, reply: web.StreamResponse, delta: dict[str, str]) -> None:
        await self._send(reply, {"choices": [{"index": 0, "delta": delta}]})
        await asyncio.sleep(self.token_s)

    async def _send(self, reply: web.StreamResponse, chunk: dict[str, Any]) -> None:
        event = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", **chunk}
        await reply.write(f"data: {json.dumps(event)}\n\n".encode())
