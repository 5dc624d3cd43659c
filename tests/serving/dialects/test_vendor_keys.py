"""Our bodies and events have the vendors' own keys, and say null only where the vendors do: stock clients check."""

import json
import re
from collections.abc import Iterator
from typing import Any

from scripted import DELTAS, STARTED, answer, events_of, named_events_of
from shared_data import shared

from perpend.config.schema import Config
from perpend.errors import PromptTooLong, UpstreamError
from perpend.serving import errors
from perpend.serving.dialects.anthropic_answer import failure, message_body
from perpend.serving.dialects.anthropic_request import MessagesParsed
from perpend.serving.dialects.anthropic_stream import MessageStream
from perpend.serving.dialects.openai_chat_answer import completion_body
from perpend.serving.dialects.openai_chat_stream import ChatStream
from perpend.serving.dialects.openai_responses_answer import response
from perpend.serving.dialects.openai_responses_request import decode_fields, parse_fields
from perpend.serving.dialects.openai_responses_stream import ResponseStream
from perpend.serving.dialects.report import encode
from perpend.serving.fields import Ignored
from perpend.types import (
    AnswerDelta,
    Event,
    Finished,
    ProviderState,
    ProviderStateDelta,
    Request,
    SummaryDelta,
    Text,
    ThinkingDelta,
    Thought,
    ToolCallDelta,
    ToolUse,
)

SAID = (Thought("6 × 7", ProviderState("v", "s")), Text("42"), ToolUse("c1", "add", '{"a":1}'))
CALLED = answer(stop="tool_calls", content=SAID)
BATCHES: list[list[Event]] = [
    [STARTED],
    [*DELTAS, ToolCallDelta(0, "c1", "add", '{"a":1}')],
    [Finished(CALLED)],
]
ERRORS = (PromptTooLong(9, 8), UpstreamError("it hung up"))
ASKED = MessagesParsed(Request(messages=()), stream=True)

OURS = {"perpend", "reasoning_content", "reasoning_details", "code", "param", "hint"}
"""Beside the vendor's: it has no such key, and a client that doesn't know it passes it over."""
THEIRS = {
    # An account there has a tier, a place, caches with lives of their own …
    *(
        "service_tier",
        "inference_geo",
        "cache_creation",
        "prompt_cache_retention",
        "system_fingerprint",
        "obfuscation",
        "request_id",
    ),
    # … an item of reasoning has it from its beginning, where ours only has what its thought ended with …
    "encrypted_content",
    # … and what only their models make.
    *(
        "annotations",
        "audio_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
        "moderation",
    ),
}

DEFAULTS = {"temperature", "top_p", "effort"}
"""The vendor says what its models' own is; null says the same of any model, and its reference allows that."""


def objects(value: Any, path: str) -> Iterator[tuple[str, dict[str, bool]]]:
    """Each object's place, by its type, and its keys, with whether they are null."""
    if isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType] -- JSON of any shape
            yield from objects(item, path)
    elif isinstance(value, dict):
        told: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        place = path if "error" in path else f"{path}<{told.get('type', '')}>"
        yield place, {name: inner is None for name, inner in told.items()}
        for name, inner in told.items():
            if name not in OURS and name not in ("input", "parameters"):  # the client's own
                yield from objects(inner, f"{place}.{name}")


def by_place(bodies: list[Any]) -> dict[str, list[dict[str, bool]]]:
    places: dict[str, list[dict[str, bool]]] = {}
    for body in bodies:
        for place, had in objects(body, str(body.get("object", ""))):
            # A response is the same one, whichever event it comes in.
            places.setdefault(re.sub(r"^<[a-z_.]+>\.response<>", "response<>", place), []).append(had)
    return places


def compare(ours: list[Any], theirs: list[Any]) -> None:
    vendor = by_place(theirs)
    for place, made in by_place(ours).items():
        # No call of a tool of the client's was recorded as a stream, but calls of Anthropic's own were.
        had = vendor.get(place) or vendor.get(place.replace("<tool_use>", "<server_tool_use>"))
        assert had is not None, f"the vendor has no {place}"
        known = set[str]().union(*had)
        nulls = {name for one in had for name, null in one.items() if null}
        always = set(had[0]).intersection(*had)
        for one in made:
            assert set(one) - known <= OURS, place
            assert {name for name, null in one.items() if null and name not in OURS} <= nulls | DEFAULTS, (
                place
            )
            assert always - set(one) <= THEIRS, place


def recorded(folder: str) -> list[Any]:
    """Bodies, and the events of streams."""
    bodies: list[Any] = []
    for file in sorted(shared(f"wire/{folder}").glob("*/response.*")):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            bodies.append(json.loads(text))
        else:
            lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
            bodies += map(json.loads, lines)
    return bodies


def test_messages_have_anthropic_s_keys() -> None:
    stream = MessageStream(ASKED)
    events = named_events_of(b"".join(map(stream.render, BATCHES)))
    refused = [json.loads(encode(failure(error))) for error in ERRORS]
    theirs = recorded("anthropic") + recorded("composed/anthropic")
    compare([json.loads(message_body(CALLED, ASKED)), *events, *refused], theirs)


def test_chat_completions_have_openai_s_keys() -> None:
    stream = ChatStream("visible", include_usage=True)
    batches: list[list[Event]] = [[STARTED], DELTAS, [Finished(answer())]]
    *chunks, _ = events_of(b"".join(map(stream.render, batches)))
    refused = [json.loads(encode(errors.body_of(error))) for error in ERRORS]
    theirs = [one for one in recorded("openai") if "chat" in str(one.get("object")) or set(one) == {"error"}]
    compare([json.loads(completion_body(answer(), "visible")), *chunks, *refused], theirs)


def test_responses_have_openai_s_keys() -> None:
    tool = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
    asked = {"input": "hi", "tools": [tool], "thinking_visibility": "summary"}
    ignored = Ignored(strict=False)
    request = parse_fields(decode_fields(encode(asked), ignored), (), Config(), None, ignored)
    said = (Thought("6 × 7", ProviderState("v", "s")), Text("42"), ToolUse("c1", "add", '{"a":1}'))
    end = Finished(answer(stop="tool_calls", content=said, summary="Multiplies."))
    stream = ResponseStream(request)
    batches: list[list[Event]] = [
        [
            STARTED,
            ThinkingDelta("6 × 7"),
            SummaryDelta("Multiplies."),
            ProviderStateDelta(ProviderState("v", "s")),
        ],
        [AnswerDelta("42"), ToolCallDelta(0, "c1", "add", '{"a":1}'), end],
    ]
    events = named_events_of(b"".join(map(stream.render, batches)))
    theirs = [
        one for one in recorded("openai") if one.get("object") == "response" or "sequence_number" in one
    ]
    compare([json.loads(encode(response(end.answer, request))), *events], theirs)
