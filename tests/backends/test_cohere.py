"""Cohere's own wire, and DashScope's: events of their own, the chat wire's requests."""

from typing import Any

import msgspec
from msgspec.structs import replace
from replaying import Wire, call, content, ended

from perpend.backends.cohere import CohereDecoder
from perpend.families.family import family_of
from perpend.providers.provider import providers
from perpend.types import Message, OutputFormat, OutputSpec, Sampling, Text, Thought, Tool, ToolUse, Usage


def test_a_stream_of_thinking_a_tool_and_counts() -> None:
    def message(**fields: Any) -> dict[str, Any]:
        return {"message": fields}

    events: list[dict[str, Any]] = [
        {
            "type": "message-start",
            "delta": {"message": {"role": "assistant", "content": [], "tool_plan": ""}},
        },
        {"type": "content-delta", "index": 0, "delta": message(content={"thinking": "Add."})},
        {"type": "content-delta", "index": 1, "delta": message(content={"text": "So."})},
        {
            "type": "tool-call-start",
            "index": 0,
            "delta": message(tool_calls={"id": "a", "function": {"name": "add", "arguments": ""}}),
        },
        {
            "type": "tool-call-delta",
            "index": 0,
            "delta": message(tool_calls={"function": {"arguments": "{}"}}),
        },
        {
            "type": "message-end",
            "delta": {
                "finish_reason": "TOOL_CALL",
                "usage": {"tokens": {"input_tokens": 9.0, "output_tokens": 7}},
            },
        },
    ]
    decoder = CohereDecoder(call(), providers()["cohere"])
    said = [
        *decoder.read([msgspec.json.encode(event) for event in events]),
        *decoder.rest(),
        decoder.ended(""),
    ]
    assert content(said) == (Thought("Add."), Text("So."), ToolUse("a", "add", "{}"))
    assert (ended(said).reason, ended(said).usage) == ("tool_calls", Usage(9, 0, 0, 7))


async def test_what_cohere_is_sent() -> None:
    wire = Wire(
        "cohere", b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}\n\n', provider="cohere"
    )
    output_spec = OutputSpec(
        tools=(Tool(name="add"),), tool_choice="required", output=OutputFormat(schema={"type": "object"})
    )
    await wire.stream(replace(call(family_of("command-a-reasoning")), output_spec=output_spec))
    (asked,) = wire.asked
    assert asked.path == "/chat"
    assert asked.body["tool_choice"] == "REQUIRED"
    assert asked.body["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}


async def test_what_dashscope_is_sent() -> None:
    output = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}
    last = msgspec.json.encode({"output": output, "usage": {"input_tokens": 3, "output_tokens": 1}})
    wire = Wire("dashscope", b"data: " + last + b"\n\n", provider="dashscope")
    sampling = Sampling(temperature=0.5)
    events = await wire.stream(replace(call(), sampling=sampling, messages=(Message("user", "2+2?"),)))
    (asked,) = wire.asked
    assert asked.path == "/services/aigc/text-generation/generation"
    assert asked.body["input"] == {"messages": [{"role": "user", "content": "2+2?"}]}
    assert asked.body["parameters"]["temperature"] == 0.5
    assert asked.body["parameters"]["incremental_output"] is True
    assert ended(events).usage == Usage(3, 0, 0, 1)
