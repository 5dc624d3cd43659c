"""The three APIs that are measured: what is asked, what a model says in each, and how an answer is read.

Every reply thinks in 16 chunks and answers in 8; each chunk counts as 8 tokens.
"""

import re
from typing import Any, ClassVar, Protocol

MODEL = "fake-reasoner"
PROMPT = "What is the sum of the first 100 odd numbers? Think step by step."
MOST_TOKENS = 8192
THINKING_CHUNKS = 16
ANSWER_CHUNKS = 8
TOKENS_PER_CHUNK = 8
THINKING_TOKENS = THINKING_CHUNKS * TOKENS_PER_CHUNK
TOKENS = THINKING_TOKENS + ANSWER_CHUNKS * TOKENS_PER_CHUNK
PROMPT_TOKENS = 20
THOUGHT = "and then I weigh the next step, "
SPOKEN = "so it comes to forty-two, "
THINKING, ANSWER = THOUGHT * THINKING_CHUNKS, SPOKEN * ANSWER_CHUNKS

JSON = dict[str, Any]
Said = tuple[str, str]
"""Thinking and answer."""


class Dialect(Protocol):
    name: str
    path: str
    """After `/v1`."""
    ends: bytes
    """Stands in the last event of a stream."""
    first_token: re.Pattern[bytes]

    def ask(self) -> JSON:
        """The request's own fields."""
        ...

    def whole(self) -> JSON:
        """The reply, not streamed."""
        ...

    def events(self, *, usage: bool) -> list[JSON]:
        """The reply, streamed; only a chat may leave out its `usage`."""
        ...

    def said(self, reply: JSON) -> Said: ...

    def tokens(self, reply: JSON) -> int: ...

    def heard(self, events: list[JSON]) -> Said: ...


class Chat:
    name, path, ends = "chat", "/chat/completions", b"[DONE]"
    first_token = re.compile(rb'"(?:reasoning_content|content)":\s?"[^"]')
    _head: ClassVar[JSON] = {"id": "chatcmpl-fake", "created": 1_700_000_000, "model": MODEL}
    _usage: ClassVar[JSON] = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": TOKENS,
        "total_tokens": PROMPT_TOKENS + TOKENS,
        "completion_tokens_details": {"reasoning_tokens": THINKING_TOKENS},
    }

    def ask(self) -> JSON:
        return {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": MOST_TOKENS}

    def whole(self) -> JSON:
        message = {"role": "assistant", "reasoning_content": THINKING, "content": ANSWER}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}

    def events(self, *, usage: bool) -> list[JSON]:
        chunk = {**self._head, "object": "chat.completion.chunk"}

        def event(delta: dict[str, str], finish: str | None = None) -> JSON:
            return {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        said = [event({"reasoning_content": THOUGHT})] * THINKING_CHUNKS
        said += [event({"content": SPOKEN})] * ANSWER_CHUNKS
        counted: list[JSON] = [{**chunk, "choices": [], "usage": self._usage}] if usage else []
        return [event({"role": "assistant", "content": ""}), *said, event({}, "stop"), *counted]

    def said(self, reply: JSON) -> Said:
        message = reply["choices"][0]["message"]
        return message.get("reasoning_content") or "", message["content"]

    def tokens(self, reply: JSON) -> int:
        return reply["usage"]["completion_tokens"]

    def heard(self, events: list[JSON]) -> Said:
        deltas = [choice["delta"] for event in events for choice in event.get("choices", [])]
        thinking = "".join([delta.get("reasoning_content") or "" for delta in deltas])
        return thinking, "".join([delta.get("content") or "" for delta in deltas])


class Responses:
    name, path, ends = "responses", "/responses", b"response.completed"
    first_token = re.compile(rb'"delta":\s?"[^"]')
    _items: tuple[JSON, JSON] = (
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [], "status": "completed"},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [], "status": "completed"},
    )

    def ask(self) -> JSON:
        return {"input": PROMPT, "max_output_tokens": MOST_TOKENS, "store": False}

    def whole(self) -> JSON:
        thought, spoken = self._items
        text: JSON = {"type": "output_text", "text": ANSWER, "annotations": []}
        return {
            **self._response("completed"),
            "output": [
                {**thought, "content": [{"type": "reasoning_text", "text": THINKING}]},
                {**spoken, "content": [text]},
            ],
            "usage": {
                "input_tokens": PROMPT_TOKENS,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": TOKENS,
                "output_tokens_details": {"reasoning_tokens": THINKING_TOKENS},
                "total_tokens": PROMPT_TOKENS + TOKENS,
            },
        }

    def events(self, *, usage: bool) -> list[JSON]:
        whole = self.whole()
        output: list[JSON] = whole["output"]
        events: list[JSON] = [{"type": "response.created", "response": self._response("in_progress")}]
        thought = ("response.reasoning_text", THOUGHT, THINKING_CHUNKS)
        kinds = (thought, ("response.output_text", SPOKEN, ANSWER_CHUNKS))
        for at, (kind, piece, chunks) in enumerate(kinds):
            item = {"output_index": at, "item": self._items[at]}
            where = {"item_id": self._items[at]["id"], "output_index": at, "content_index": 0}
            part: JSON = output[at]["content"][0]
            events.append({"type": "response.output_item.added", **item})
            events.append({"type": "response.content_part.added", **where, "part": {**part, "text": ""}})
            events += [{"type": f"{kind}.delta", **where, "delta": piece}] * chunks
            events.append({"type": f"{kind}.done", **where, "text": part["text"]})
            events.append({"type": "response.content_part.done", **where, "part": part})
            events.append({"type": "response.output_item.done", **item, "item": output[at]})
        events.append({"type": "response.completed", "response": whole})
        return [{**event, "sequence_number": number} for number, event in enumerate(events)]

    def said(self, reply: JSON) -> Said:
        texts = {"reasoning": "", "message": ""}
        for item in reply["output"]:
            parts: list[JSON] = item.get("summary", []) + (item.get("content") or [])
            texts[item["type"]] += "".join([part["text"] for part in parts])
        return texts["reasoning"], texts["message"]

    def tokens(self, reply: JSON) -> int:
        return reply["usage"]["output_tokens"]

    def heard(self, events: list[JSON]) -> Said:
        deltas = [(event["type"], event["delta"]) for event in events if event["type"].endswith(".delta")]
        thinking = "".join([text for kind, text in deltas if kind.startswith("response.reasoning_")])
        return thinking, "".join([text for kind, text in deltas if kind == "response.output_text.delta"])

    def _response(self, status: str) -> JSON:
        return {
            "id": "resp_fake",
            "object": "response",
            "created_at": 1_700_000_000,
            "status": status,
            "model": MODEL,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }


class Messages:
    name, path, ends = "messages", "/messages", b"message_stop"
    first_token = re.compile(rb'"(?:thinking|text)":\s?"[^"]')
    _head: ClassVar[JSON] = {"id": "msg_fake", "type": "message", "role": "assistant", "model": MODEL}

    def ask(self) -> JSON:
        messages = [{"role": "user", "content": PROMPT}]
        # This API shows thinking only where it is asked for.
        return {"messages": messages, "max_tokens": MOST_TOKENS, "thinking": {"type": "adaptive"}}

    def whole(self) -> JSON:
        content = [
            {"type": "thinking", "thinking": THINKING, "signature": ""},
            {"type": "text", "text": ANSWER},
        ]
        return {**self._head, "content": content, "stop_reason": "end_turn", "usage": self._usage(TOKENS)}

    def events(self, *, usage: bool) -> list[JSON]:
        start: JSON = {**self._head, "content": [], "stop_reason": None, "usage": self._usage(0)}
        events: list[JSON] = [{"type": "message_start", "message": start}]
        kinds = ("thinking", THOUGHT, THINKING_CHUNKS), ("text", SPOKEN, ANSWER_CHUNKS)
        for at, (kind, piece, chunks) in enumerate(kinds):
            begun = {"type": kind, kind: ""}
            delta = {"type": f"{kind}_delta", kind: piece}
            events.append({"type": "content_block_start", "index": at, "content_block": begun})
            events += [{"type": "content_block_delta", "index": at, "delta": delta}] * chunks
            events.append({"type": "content_block_stop", "index": at})
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": self._usage(TOKENS)})
        return [*events, {"type": "message_stop"}]

    def said(self, reply: JSON) -> Said:
        content = reply["content"]
        thinking = "".join([block["thinking"] for block in content if block["type"] == "thinking"])
        return thinking, "".join([block["text"] for block in content if block["type"] == "text"])

    def tokens(self, reply: JSON) -> int:
        return reply["usage"]["output_tokens"]

    def heard(self, events: list[JSON]) -> Said:
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        thinking = "".join([delta.get("thinking", "") for delta in deltas])
        return thinking, "".join([delta.get("text", "") for delta in deltas])

    def _usage(self, output: int) -> dict[str, int]:
        return {"input_tokens": PROMPT_TOKENS, "output_tokens": output}


DIALECTS: dict[str, Dialect] = {"chat": Chat(), "responses": Responses(), "messages": Messages()}
