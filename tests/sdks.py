"""The official SDKs in front of a gateway: how each asks for each kind of answer, and goes on from one."""

import ssl
from typing import Any

import anthropic
import msgspec
import openai
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, LengthFinishReasonError
from scripted import Gateway

DIALECTS = ("chat", "messages", "responses")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
USER = [{"role": "user", "content": "What is 6 × 7?"}]

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without authorities, which take a client longer to read than most tests take; nothing here speaks TLS."""


class Client:
    """The official SDKs, checking strictly what they get: each asks for each kind, whole and streamed."""

    def __init__(self, front: Gateway, **own: Any) -> None:
        """`own`: fields of perpend's own in each request."""
        self._own = {"extra_body": own}
        url = f"http://127.0.0.1:{front.port}"
        # options are spread into calls below, which their overloads can't follow
        options: dict[str, Any] = {"api_key": "k", "max_retries": 0, "_strict_response_validation": True}
        self.openai: Any = AsyncOpenAI(
            base_url=f"{url}/v1", http_client=openai.DefaultAsyncHttpxClient(verify=TLS), **options
        )
        self.anthropic: Any = AsyncAnthropic(
            base_url=url, http_client=anthropic.DefaultAsyncHttpxClient(verify=TLS), **options
        )

    async def chat(self, stream: bool, kind: str, turns: list[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": "m", "messages": turns, **self._own}
        if kind == "text":
            asked["reasoning_effort"] = "none"
        if kind == "tools":
            function = {"name": "add", "description": "Adds.", "parameters": SCHEMA}
            asked["tools"] = [{"type": "function", "function": function}]
            asked["tool_choice"] = {"type": "function", "function": {"name": "add"}}
            asked["parallel_tool_calls"] = True
        if kind == "structured":
            schema = {"name": "answer", "schema": SCHEMA}
            asked["response_format"] = {"type": "json_schema", "json_schema": schema}
        if not stream:
            return (await self.openai.chat.completions.create(**asked)).to_dict()
        own: dict[str, Any] = {}
        async with self.openai.chat.completions.stream(**asked) as events:
            async for event in events:
                if event.type == "chunk":
                    own |= {k: v for k, v in event.chunk.to_dict().items() if k in ("usage", "perpend")}
            try:
                body = (await events.get_final_completion()).to_dict()
            except LengthFinishReasonError as cut:  # how this helper tells of a cut answer
                body: dict[str, Any] = cut.completion.to_dict()
        message = body["choices"][0]["message"]
        called: list[Any] = message["tool_calls"] or []
        for call in called:  # the accumulator leaves its own marks
            call.pop("index")
            call["function"].pop("parsed_arguments", None)
        message.pop("parsed", None)
        return {**body, **own}

    async def messages(self, stream: bool, kind: str, turns: list[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": "m", "messages": turns, "max_tokens": 16384, **self._own}
        asked["thinking"] = {"type": "disabled" if kind == "text" else "adaptive"}
        if kind == "tools":
            asked["tools"] = [{"name": "add", "description": "Adds.", "input_schema": SCHEMA}]
            asked["tool_choice"] = {"type": "tool", "name": "add", "disable_parallel_tool_use": False}
        if kind == "structured":
            asked["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if not stream:
            return (await self.anthropic.messages.create(**asked)).to_dict()
        async with self.anthropic.messages.stream(**asked) as events:
            own: dict[str, Any] = {}
            async for event in events:
                if event.type == "message_delta":
                    own = {"perpend": event.to_dict()["perpend"]}
            return {**(await events.get_final_message()).to_dict(), **own}

    async def responses(self, stream: bool, kind: str, turns: list[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": "m", "input": turns, **self._own}
        if kind == "text":
            asked["reasoning"] = {"effort": "none"}
        if kind == "tools":
            asked["tools"] = [
                {"type": "function", "name": "add", "description": "Adds.", "parameters": SCHEMA}
            ]
            asked["tool_choice"] = {"type": "function", "name": "add"}
            asked["parallel_tool_calls"] = True
        if kind == "structured":
            asked["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}}
        if not stream:
            return (await self.openai.responses.create(**asked)).to_dict()
        *_, last = [event async for event in await self.openai.responses.create(**asked, stream=True)]
        return last.to_dict()["response"]


def texts(dialect: str, body: dict[str, Any]) -> tuple[str, str, list[Any]]:
    """Thinking, answer and tool calls as this dialect has them."""
    if dialect == "chat":
        message: Any = body["choices"][0]["message"]
        called: list[Any] = message.get("tool_calls") or []
        calls = [(c["id"], c["function"]["arguments"]) for c in called]
        return message.get("reasoning_content", ""), message["content"] or "", calls
    if dialect == "messages":
        blocks = body["content"]
        calls = [
            (b["id"], msgspec.json.encode(b["input"]).decode()) for b in blocks if b["type"] == "tool_use"
        ]
        return (*("".join(b.get(name, "") for b in blocks) for name in ("thinking", "text")), calls)  # pyright: ignore[reportReturnType]
    items = body["output"]
    calls = [(i["call_id"], i["arguments"]) for i in items if i["type"] == "function_call"]
    by_kind = {
        kind: "".join(c["text"] for i in items if i["type"] == kind for c in i.get("content", []))
        for kind in ("reasoning", "message")
    }
    return by_kind["reasoning"], by_kind["message"], calls


def next_turn(dialect: str, kind: str, body: dict[str, Any]) -> list[Any]:
    """The answer as the SDK gives it, sent again with what follows."""
    ids = [id_ for id_, _ in texts(dialect, body)[2]]
    again: list[Any]
    if dialect == "chat":
        again = [body["choices"][0]["message"]]
        follow: list[Any] = [
            {"role": "tool", "tool_call_id": id_, "content": str(n)} for n, id_ in enumerate(ids, 1)
        ]
    elif dialect == "messages":
        again = [{"role": "assistant", "content": body["content"]}]
        results = [
            {"type": "tool_result", "tool_use_id": id_, "content": str(n)} for n, id_ in enumerate(ids, 1)
        ]
        follow = [{"role": "user", "content": results}]
    else:
        again = body["output"]
        follow = [
            {"type": "function_call_output", "call_id": id_, "output": str(n)} for n, id_ in enumerate(ids, 1)
        ]
    return [*again, *(follow if kind == "tools" else [{"role": "user", "content": "Sure?"}])]
