"""Whatever a stream's bytes are cut into, whatever stands between its events, and near whatever its fields are."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields, replace
from shared_data import FOLDER
from wire_speech import URLS

from perpend.backends import cohere, dashscope, ollama
from perpend.backends.anthropic import wire as anthropic
from perpend.backends.completion import llama as llama_completion
from perpend.backends.completion import openai as openai_completion
from perpend.backends.gemini import wire as gemini
from perpend.backends.openai_chat import events as openai_chat_events
from perpend.backends.openai_responses import events as openai_responses_events
from perpend.backends.recording import Recording, Replayed, provider_of, read_recording, replay
from perpend.backends.stream_decoder import Decoders

OWN = Path(__file__).parents[1] / "fixtures"
MODULES = {
    "openai_chat": openai_chat_events,
    "openai_responses": openai_responses_events,
    "anthropic": anthropic,
    "gemini": gemini,
    "cohere": cohere,
    "dashscope": dashscope,
    "ollama": ollama,
    "raw_completion": openai_completion,
    "llama_completion": llama_completion,
}
"""Where the events of each wire are."""


def recordings() -> dict[str, Recording]:
    """All that are here, real ones and our own."""
    found: dict[str, Recording] = {}
    for root in (FOLDER / "wire", OWN / "field"):
        for file in sorted(root.rglob("response.*")):
            found[str(file.parent.relative_to(root))] = read_recording(file.parent)
    for wire, path in URLS.items():
        for file in sorted((OWN / "matrix" / wire).iterdir()):
            found[f"{wire}/{file.stem}"] = Recording({}, file.read_bytes(), True, f"http://here{path}")
    return {name: short(recording) for name, recording in found.items()}


def short(recording: Recording) -> Recording:
    """Without the middle of a long stream, which says nothing new."""
    events = pieces(recording) if recording.streamed else []
    if len(events) <= FIRST + LAST:
        return recording
    return replace(recording, body=b"".join(events[:FIRST] + events[-LAST:]))


FIRST, LAST = 40, 20
"""Events of a long stream that are tried."""


def said(recording: Recording, reads: list[bytes] | None = None) -> Replayed:
    """Without what is made up anew each time: the ids of calls that have none; of an error, what it is."""
    told = replay(recording, reads or [])
    error = told.error and {"code": told.error["code"]}
    return replace(told, tool_calls=[replace(call, id="") for call in told.tool_calls], error=error)


BESIDE = [
    *(b": still here\n\n", b":\n\n", b"data:\n\n", b"data: \n\n", b"\n", b"\n\n", b"event: ping\n\n"),
    *(
        b"event: ping\ndata: {}\n\n",
        b"data: null\n\n",
        b'data: "working"\n\n',
        b"data: [1]\n\n",
        b"data: 7\n\n",
    ),
    *(b"id: 7\n\n", b"retry: 10\n\n", b"data: still working\n\n"),
]
BESIDE_LINES = [b"\n", b" \n", b"null\n", b'"working"\n', b"\r\n"]


def pieces(recording: Recording) -> list[bytes]:
    """Events, or lines."""
    end = (
        b"\n\n"
        if recording.body.lstrip(b"\xef\xbb\xbf").startswith((b"data", b"event", b":", b"id"))
        else b"\n"
    )
    body = recording.body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    return [piece + end for piece in body.split(end) if piece.strip()]


ALL = recordings()
STREAMS = [name for name, recording in ALL.items() if recording.streamed]


@cache
def whole(name: str) -> Replayed:
    """What a recording says as it is."""
    return said(ALL[name])


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_stream_says_the_same_however_it_comes(name: str, data: st.DataObject) -> None:
    recording = ALL[name]
    body, events = b"", pieces(recording)
    lines = not events[0].endswith(b"\n\n")
    for event in events:
        body += data.draw(st.sampled_from([b"", b"", *(BESIDE_LINES if lines else BESIDE)])) + event
    if data.draw(st.booleans()):
        body = body.replace(b"\n", b"\r\n")
    if data.draw(st.booleans()):
        body = b"\xef\xbb\xbf" + body.removeprefix(b"\xef\xbb\xbf")
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=20)))
    reads = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert said(recording, reads) == whole(name)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_byte_by_byte(name: str) -> None:
    recording = ALL[name]
    body = recording.body
    assert said(recording, [body[at : at + 1] for at in range(len(body))]) == whole(name)


def items_of(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def object_of(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def kind_of(wire: str) -> Any:
    module: list[Any] = [*vars(MODULES[wire]).values()]
    found: list[Any] = [one for one in module if isinstance(one, Decoders)]
    found += [vars(one)["decoders"] for one in module if "decoders" in getattr(one, "__dict__", {})]
    return found[0].single.kind


ITEM: Any = vars(openai_responses_events)["_ITEM"].kind
RESPONSE: Any = vars(openai_responses_events)["_RESPONSE"].kind
"""What the Responses wire reads later, and what it says whole."""

Place = tuple[Any, Any, type]
"""A container, the key in it, and the type that stands there."""


def known(value: Any, kind: Any, path: str = "") -> Iterator[tuple[str, Place]]:
    """The fields in `value` that are read, each with its name."""
    if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, dict):
        for one in fields(kind):
            if one.encode_name in value:
                yield from inside(value, one.encode_name, one.type, f"{path}.{one.encode_name}")
        return
    for option in get_args(kind) if get_origin(kind) not in (list, tuple) else ():
        yield from known(value, option, path)
    if get_origin(kind) is list:
        for at in range(len(items_of(value))):
            yield from inside(value, at, get_args(kind)[0], path + "[]")


def inside(value: Any, key: Any, kind: Any, path: str) -> Iterator[tuple[str, Place]]:
    yield path, (value, key, kind)
    if path in (".item", ".response.output[]", ".output[]"):
        kind = ITEM
    elif path in (".response.output", ".output"):
        kind = list[Any]
    yield from known(value[key], kind, path)


def fields_of(bodies: list[Any], kind: Any) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for body in bodies:
        for path, place in known(body, kind):
            found.setdefault(path, []).append(place)
    return found


def bodies(recording: Recording) -> list[Any]:
    if not recording.streamed:
        one: Any = json.loads(recording.body)
        return items_of(one) or [one]
    found = [
        b"\n".join(line[5:] for line in one.split(b"\n") if line.startswith(b"data:"))
        for one in pieces(recording)
    ]
    rows = found if any(found) else pieces(recording)
    return [json.loads(row) if row.strip() != b"[DONE]" else None for row in rows if row.strip()]


def written(recording: Recording, said: list[Any]) -> Recording:
    if not recording.streamed:
        return replace(recording, body=json.dumps(said if len(said) > 1 else said[0]).encode())
    if provider_of(recording).wire == "ollama":
        return replace(recording, body=b"".join(json.dumps(one).encode() + b"\n" for one in said))
    rows = [b"[DONE]" if one is None else json.dumps(one).encode() for one in said]
    return replace(recording, body=b"".join(b"data: " + row + b"\n\n" for row in rows))


def near(value: Any, kind: Any) -> list[Any]:
    """What says the same in another type."""
    options = get_args(kind) if get_origin(kind) not in (list, tuple, dict) else (kind,)
    options = options or (kind,)
    if isinstance(value, bool):
        return [str(value).lower(), int(value)] if bool in options else []
    if isinstance(value, int) and int in options:
        return [float(value), str(value)]
    if isinstance(value, float | int) and float in options:
        return [str(value)]
    if isinstance(value, str) and str in options and not any(get_origin(one) is dict for one in options):
        return [[value], [{"type": "text", "text": value}], {"type": "text", "text": value}]
    items = items_of(value)
    return items if len(items) == 1 and object_of(items[0]) else []


def changes(name: str) -> tuple[Recording, list[Any], dict[str, list[Place]]]:
    recording = ALL[name]
    said = bodies(recording)
    wire = provider_of(recording).wire
    kind = RESPONSE if wire == "openai_responses" and not recording.streamed else kind_of(wire)
    return recording, said, fields_of([one for one in said if one is not None], kind)


WHOLE = [name for name, recording in ALL.items() if recording.status == 200 and recording.body.strip()]


@pytest.mark.parametrize("name", WHOLE)
def test_a_known_field_that_is_null_never_loses_the_response(name: str) -> None:
    recording, said_, found = changes(name)
    for path, places in found.items():
        for some in (places, places[:1], places[-1:])[: 1 if len(places) == 1 else 3]:
            before = [(container, key, container[key]) for container, key, _ in some]
            for container, key, _ in some:
                container[key] = None
            told = said(written(recording, said_))
            for container, key, value in before:
                container[key] = value
            assert told.error is None or told.error["code"] != "upstream_malformed", path


@pytest.mark.parametrize("name", WHOLE)
def test_a_known_field_of_a_near_type_says_the_same(name: str) -> None:
    recording, said_, found = changes(name)
    right = said(written(recording, said_))
    for path, places in found.items():
        for way in range(3):
            before = [(container, key, container[key]) for container, key, _ in places]
            changed = False
            for container, key, kind in places:
                options = near(container[key], kind)
                if way < len(options):
                    container[key], changed = options[way], True
            told = said(written(recording, said_)) if changed else right
            for container, key, value in before:
                container[key] = value
            assert told == right, (path, way)


TYPED = {
    "openai_responses": (".item.type", ".response.output[].type", ".output[].type"),
    "anthropic": (".type", ".content_block.type", ".content[].type"),
}
"""Where the types of what is said are, apart from those that nothing else tells."""
OF_THE_VENDOR = ("server_tool_use", "error", "ping", "message_stop")


@pytest.mark.parametrize("given", [None, "", 7, {}, "missing"])
@pytest.mark.parametrize("name", [name for name in WHOLE if provider_of(ALL[name]).wire in TYPED])
def test_what_an_item_is_shows_in_its_fields_where_its_type_is_lost(name: str, given: Any) -> None:
    recording, said_, found = changes(name)
    right = said(written(recording, said_))
    for path in TYPED[provider_of(recording).wire]:
        for container, key, _ in found.get(path, ()):
            if container[key] in OF_THE_VENDOR:
                continue
            kept = container[key]
            if given == "missing":
                del container[key]
            else:
                container[key] = given
            told = said(written(recording, said_))
            container[key] = kept
            assert told == right, (path, kept)


COUNTS: dict[str, Callable[[Any], Any]] = {
    "openai_chat": lambda usage: {"choices": [], "usage": usage},
    "openai_responses": lambda usage: {
        "type": "response.in_progress",
        "response": {"status": "in_progress", "usage": usage},
    },
    "anthropic": lambda usage: {"type": "message_delta", "delta": {}, "usage": usage},
    "gemini": lambda usage: {"usageMetadata": usage},
    "cohere": lambda usage: {"delta": {"usage": usage}},
    "dashscope": lambda usage: {"output": {"choices": []}, "usage": usage},
    "raw_completion": lambda usage: {"choices": [{"text": ""}], "usage": usage},
}
"""An event of each wire that says nothing but counts."""


def counts_in(event: Any) -> Any:
    """Where an event has them."""
    if not (whole := object_of(event)):
        return None
    for name in ("usage", "usageMetadata"):
        if object_of(whole.get(name)):
            return whole[name]
    inner = (counts_in(whole.get(name)) for name in ("message", "response", "delta", "x_groq"))
    return next((found for found in inner if found is not None), None)


def fewer(counts: Any, data: st.DataObject) -> Any:
    """Some of them are 0, or null, or missing."""
    kept: dict[str, Any] = {}
    for name, count in counts.items():
        if isinstance(count, dict):
            kept[name] = fewer(count, data)
        elif (way := data.draw(st.sampled_from(["same", "zero", "null", "missing"]))) != "missing":
            kept[name] = {"same": count, "zero": 0, "null": None}[way]
    return kept


COUNTED = [
    name
    for name in STREAMS
    if provider_of(ALL[name]).wire in COUNTS and any(map(counts_in, bodies(ALL[name])))
]


@pytest.mark.parametrize("name", COUNTED)
@settings(max_examples=8)
@given(data=st.data())
def test_a_later_0_or_a_missing_count_never_erases_an_earlier_one(name: str, data: st.DataObject) -> None:
    recording = ALL[name]
    events = bodies(recording)
    at = max(at for at, event in enumerate(events) if counts_in(event))
    later = COUNTS[provider_of(recording).wire](fewer(counts_in(events[at]), data))
    assert said(written(recording, [*events[: at + 1], later, *events[at + 1 :]])) == said(
        written(recording, events)
    )
