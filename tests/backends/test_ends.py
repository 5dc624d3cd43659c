"""How a response ends, and what comes around its end: on every wire by the same rules, however its bytes are cut."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from replaying import Wire, answer, call, ended
from wire_speech import URLS, WIRES, stream_of

from perpend.backends.contract import CallEvent
from perpend.backends.recording import Recording, Replayed, replay
from perpend.errors import UpstreamError
from perpend.transport.client import HTTPClient

LATE = {
    "type": "error",
    "error": {"message": "late"},
    "choices": [{"text": "late", "delta": {"content": "late"}}],
}


def events(wire: str) -> list[Any]:
    """An answer of two words, to its end."""
    if wire == "raw_completion":
        return [{"choices": [{"text": "Hello "}]}, {"choices": [{"text": "you.", "finish_reason": "stop"}]}]
    if wire == "llama_completion":
        return [{"content": "Hello "}, {"content": "you.", "stop": True, "stop_type": "eos"}]
    return WIRES[wire]([("text", "Hello "), ("text", "you.")], whole=False)


def said(wire: str, body: bytes, *, byte_by_byte: bool = False) -> Replayed:
    reads = [body[at : at + 1] for at in range(len(body))] if byte_by_byte else []
    return replay(Recording({}, body, True, f"http://here{URLS[wire]}"), reads)


def answered(told: Replayed) -> tuple[str, str | None, bool]:
    return told.answer, told.stop_reason, told.error is None


WHOLE = ("Hello you.", "stop", True)


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["in one read", "byte by byte"])
@pytest.mark.parametrize("wire", URLS)
def test_what_follows_the_end_is_passed_over(wire: str, byte_by_byte: bool) -> None:
    own = wire in ("openai_responses", "anthropic", "cohere", "ollama")  # they have a last event of their own
    for last in ([b"[DONE]"], [b"[DONE] "], *([[]] if own else [])):
        for after in ([], [LATE], [b"[DONE]", LATE], [b"", b"7", b'{"cut']):
            body = stream_of(wire, [*events(wire), *last, *after])
            assert answered(said(wire, body, byte_by_byte=byte_by_byte)) == WHOLE, (last, after)


@pytest.mark.parametrize("wire", URLS)
def test_only_a_response_that_is_whole_is_told_as_one(wire: str) -> None:
    """Its bytes may break off after any of them; what was said is kept."""
    body = stream_of(wire, events(wire))
    found = [answered(said(wire, body[:at])) for at in (*range(0, len(body), 3), len(body))]
    whole = found.index(WHOLE)
    assert found[whole:] == [WHOLE] * (len(found) - whole)
    assert not any(fine or reason for _, reason, fine in found[:whole])
    assert [text for text, _, _ in found] == sorted((text for text, _, _ in found), key=len)


@pytest.mark.parametrize("wire", URLS)
def test_what_came_before_damage_is_kept(wire: str) -> None:
    kept = [
        event for event in events(wire)[:-1] if "Hello " in json.dumps(event) or "start" in json.dumps(event)
    ]
    for damage in (b'{"choices": [', b'{"a": %b}' % (b"[" * 100_000 + b"]" * 100_000)):
        told = said(wire, stream_of(wire, [*kept, damage, b"[DONE]"]))
        assert told.answer == "Hello "
        assert told.error is not None
        assert told.error["code"] == "upstream_malformed"


@pytest.mark.parametrize("wire", URLS)
def test_events_in_another_framing_are_read(wire: str) -> None:
    said_ = [json.dumps(event).encode() for event in events(wire)]
    lines, listed = b"\n".join(said_), b"[" + b",\n".join(said_) + b"]"
    server_sent = b"".join(b"event: x\r\ndata: %b\r\n\r\n" % row for row in said_)
    for body in (lines, lines + b"\n", b"\xef\xbb\xbf" + lines, listed, server_sent):
        for byte_by_byte in (False, True):
            assert answered(said(wire, body, byte_by_byte=byte_by_byte)) == WHOLE
    assert said(wire, b"\n".join(said_[:1] * 2)).error is not None, "it has no end"
    if wire != "ollama":
        assert answered(said(wire, stream_of(wire, [b"[%b]" % row for row in said_]))) == WHOLE


@pytest.mark.parametrize("error", [{"error": "boom"}, {"error": {"message": "boom", "code": 429}}])
@pytest.mark.parametrize("wire", URLS)
def test_an_error_in_the_middle_is_one_on_every_wire(wire: str, error: Any) -> None:
    first, *rest = events(wire)
    for odd in (error, [error]):
        told = said(wire, stream_of(wire, [first, odd, *rest]))
        assert told.error is not None
        assert "boom" in told.error["message"]


@pytest.mark.parametrize(
    "last", [{"detail": "boom"}, {"message": "boom", "code": "Throttling"}, b"boom", b'"boom"', ["boom"]]
)
@pytest.mark.parametrize("wire", URLS)
def test_where_it_breaks_off_the_last_words_tell_why(wire: str, last: Any) -> None:
    told = said(wire, stream_of(wire, [events(wire)[0], last]))
    assert told.error is not None
    assert "boom" in told.error["message"]


REASONS = {
    "length": ["LENGTH", "Length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length"],
    "content_filter": ["content_filter", "SAFETY", "refusal", "RECITATION"],
    "stop": ["stop", "STOP", "end_turn", "COMPLETE", "eos"],
}


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire != "openai_responses"])
def test_a_word_for_the_end_means_the_same_on_every_wire(wire: str) -> None:
    names = ("finish_reason", "finishReason", "stop_reason", "done_reason")
    for reason, words in REASONS.items():
        for word in words:
            ends = json.loads(
                json.dumps(events(wire)), object_hook=lambda one, word=word: _ending(one, names, word)
            )
            told = said(wire, stream_of(wire, ends))
            assert (told.answer, told.stop_reason) == ("Hello you.", reason), word


def _ending(one: dict[str, Any], names: Sequence[str], word: str) -> dict[str, Any]:
    found = {name: word for name in names if one.get(name)}
    return {**one, **found, **({"done_reason": word} if one.get("done") else {})}


class Connection:
    """Says a body in chunks and no end to them; then it `breaks`, or stays open and silent."""

    def __init__(self, body: bytes, *, breaks: bool) -> None:
        self._body, self._breaks, self._left = body, breaks, asyncio.Event()

    async def ask(self, wire: str) -> list[CallEvent]:
        server = await asyncio.start_server(self._answer, "127.0.0.1")
        http = HTTPClient()
        host, port = server.sockets[0].getsockname()
        backend = Wire(wire, b"").backend(http, f"http://{host}:{port}")
        try:
            async with asyncio.timeout(5), aclosing(backend.stream(call())) as batches:
                return [event async for batch in batches for event in batch]
        finally:
            self._left.set()
            await http.aclose()
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%b\r\n" % (len(self._body), self._body))
        await writer.drain()
        if not self._breaks:
            await self._left.wait()
        writer.close()


@pytest.mark.parametrize("wire", URLS)
async def test_a_connection_that_breaks_after_the_end_takes_nothing_from_it(wire: str) -> None:
    told = await Connection(stream_of(wire, events(wire)), breaks=True).ask(wire)
    assert (answer(told), ended(told).reason) == ("Hello you.", "stop")
    with pytest.raises(UpstreamError, match="closed the connection"):
        await Connection(stream_of(wire, events(wire)[:1]), breaks=True).ask(wire)


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic", "ollama"])
async def test_nobody_waits_for_a_server_that_has_said_all_and_stays(wire: str) -> None:
    done = [b"[DONE]"] if wire == "openai_chat" else []
    told = await Connection(stream_of(wire, [*events(wire), *done]), breaks=False).ask(wire)
    assert (answer(told), ended(told).reason) == ("Hello you.", "stop")
