"""Thoughts that a client isn't to see don't leave in what it keeps for a vendor, who gets them back all the same."""

import base64
import binascii
import os
import re
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted import Gateway, House, Reply, gateway
from wire_rows import ROWS, bodies
from wire_server import Server, fronted

from perpend.config.schema import Config, ModelConfig, ProviderConfig, ServeConfig
from perpend.errors import ConfigError
from perpend.serving.sealing import KEY_FILE, ORIGIN, Seals, seals_of
from perpend.types import Message, ProviderState, Text, Thought

OLD, NEW = "the key of last year is long enough", "the key of this year is long enough"
CARRY = ProviderState("anthropic", "c2lnbmVk")
MARK = b"PLANTEDthought"
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
OPENROUTER = b"".join(
    b"data: %b\n\n" % msgspec.json.encode({"choices": [{"index": 0, **choice}]})
    for choice in (
        {
            "delta": {
                "reasoning": MARK.decode(),
                "reasoning_details": [
                    {"type": "reasoning.text", "text": MARK.decode(), "signature": MARK.decode(), "index": 0},
                    {"type": "reasoning.encrypted", "data": MARK.decode(), "index": 1},
                ],
            }
        },
        {"delta": {"content": "42"}, "finish_reason": "stop"},
    )
)

WITHIN = b"".join(
    b"data: %b\n\n" % msgspec.json.encode({"choices": [{"index": 0, **choice}]})
    for choice in (
        {"delta": {"reasoning_content": MARK.decode()}},
        {"delta": {"content": f"42<think>{MARK.decode()}</think>, as <think> {MARK.decode()}"}},
        {"delta": {"content": f"{MARK.decode()} </think> said."}, "finish_reason": "stop"},
    )
)
"""Thoughts that come once the answer has begun."""
CHAT = {
    "openrouter": (OPENROUTER, "openrouter", "deepseek/deepseek-r1"),
    "within": (WITHIN, "vllm", "Qwen/Qwen3-8B"),
}


class TestSeals:
    def test_what_is_sealed_opens_and_says_nothing_meanwhile(self) -> None:
        seals = Seals([OLD])
        sealed = seals.seal(CARRY)
        assert sealed.origin == ORIGIN
        assert not [1 for said in readable(sealed.data.encode()) if b"anthropic" in said or b"c2ln" in said]
        assert seals.open(sealed) == CARRY

    def test_a_new_key_goes_in_front_and_the_old_one_still_opens(self) -> None:
        before, after = Seals([OLD]), Seals([NEW, OLD])
        assert after.open(before.seal(CARRY)) == CARRY
        assert before.open(after.seal(CARRY)) is None

    @pytest.mark.parametrize("data", ["", "nonsense", "gAAAAA", "é", "x" * 100_000])
    def test_anything_else_opens_to_nothing(self, data: str) -> None:
        assert Seals([OLD]).open(ProviderState(ORIGIN, data)) is None
        assert Seals([OLD]).open(ProviderState("anthropic", data)) is None

    def test_one_that_was_changed_on_its_way_opens_to_nothing(self) -> None:
        seals = Seals([OLD])
        sealed = seals.seal(CARRY).data
        for at in range(0, len(sealed), 7):
            other = "A" if sealed[at] != "A" else "B"
            changed = sealed[:at] + other + sealed[at + 1 :]
            assert seals.open(ProviderState(ORIGIN, changed)) in (
                None,
                CARRY,
            )  # the last bits of base64 say nothing

    @pytest.mark.parametrize("keys", [[], ["short"], [OLD, "short"]])
    def test_a_key_that_could_be_guessed_is_refused(self, keys: list[str]) -> None:
        with pytest.raises(ConfigError, match="32 characters"):
            Seals(keys)

    def test_a_machine_has_one_key_of_its_own_whoever_comes_first(self, tmp_path: Path) -> None:
        made: list[Seals] = []
        threads = [
            threading.Thread(target=lambda: made.append(seals_of(None, tmp_path / "home"))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {seals.open(made[0].seal(CARRY)) for seals in made} == {CARRY}
        assert [path.name for path in (tmp_path / "home").iterdir()] == [KEY_FILE]
        if os.name == "posix":
            assert (tmp_path / "home" / KEY_FILE).stat().st_mode & 0o077 == 0

    def test_nodes_with_the_same_variable_open_each_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEAL_KEYS", f"{NEW}, {OLD}")
        one, other = (seals_of("SEAL_KEYS", tmp_path / name) for name in "ab")
        assert other.open(one.seal(CARRY)) == CARRY
        monkeypatch.delenv("SEAL_KEYS")
        with pytest.raises(ConfigError, match="SEAL_KEYS isn't set"):
            seals_of("SEAL_KEYS", tmp_path)


def readable(data: bytes, depth: int = 3) -> Iterator[bytes]:
    """All that can be read in it without a key: itself, and what its runs of base64 hold, those within those too."""
    yield data
    if depth:
        for run in re.findall(rb"[\w+/=-]{12,}", data):
            for start, alphabet in product(range(4), (b"-_", b"+/")):
                piece = run[start:].rstrip(b"=")
                try:
                    inner = base64.b64decode(piece[: len(piece) // 4 * 4], alphabet, validate=True)
                except binascii.Error:
                    continue
                yield from readable(inner, depth - 1)


def planted(wire: str, kind: str) -> list[bytes]:
    """What the wire's server says, with the mark in the place of each thought, signature and sealed item."""
    if wire in CHAT:
        return [CHAT[wire][0] + b"data: [DONE]\n\n"]
    if wire == "anthropic_bedrock":
        pytest.skip("the same bodies as anthropic's, in frames with a checksum")
    each = [body.replace(b"6 times ", MARK).replace(b"c2lnbmVk", MARK) for body in bodies(wire, kind)]
    return [body.replace(b'"opa"', b'"' + MARK + b'"').replace(b"opaque", MARK) for body in each]


def asked(dialect: str, visibility: str, **more: Any) -> dict[str, Any]:
    words = {"messages": [{"role": "user", "content": "6 × 7?"}]}
    said = {"input": "6 × 7?"} if dialect == "responses" else words
    limit = {"max_tokens": 4000} if dialect == "messages" else {}
    return {"model": "m", "thinking_visibility": visibility, **said, **limit, **more}


async def everything(front: Gateway, dialect: str, visibility: str) -> list[Reply]:
    """All that leaves in this dialect: whole, streamed, stored, in the background, asked for again."""
    path = PATHS[dialect]
    replies = [
        await front.post(asked(dialect, visibility, stream=stream, progress=True), path)
        for stream in (False, True)
    ]
    if dialect == "responses":
        for stream in (False, True):
            begun = await front.post(
                asked(dialect, visibility, background=True, store=True, stream=stream), path
            )
            (id_,) = set(re.findall(rb'"(resp_\w+)"', begun.body))
            one = f"{path}/{id_.decode()}"
            while b'"status":"completed"' not in (again := await front.get(one)).body:
                assert b'"failed"' not in again.body
            replies += [begun, again, await front.get(f"{one}/input_items")]
            if stream:
                replies.append(await front.get(f"{one}?stream=true"))
    return replies


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("wire", [*ROWS, *CHAT])
async def test_a_planted_thought_leaves_nowhere(wire: str, dialect: str, tmp_path: Path) -> None:
    raw = (
        wire in ROWS and ROWS[wire].raw
    )  # whose calls come in turn: the summaries' writer would get a thought
    for kind, visibility in product(("thinking", "tools"), ("hidden",) if raw else ("hidden", "summary")):
        if wire in CHAT:
            _, like, name = CHAT[wire]
            provider, model = ProviderConfig(like=like), ModelConfig(name=name)
        else:
            provider = ProviderConfig(like=ROWS[wire].like, wire=wire)
            model = ModelConfig(name=ROWS[wire].model)
        server = Server(planted(wire, kind))
        async with fronted(server, provider, model, tmp_path) as front:
            for reply in await everything(front, dialect, visibility):
                assert reply.status == 200, reply.body
                assert not [said for said in readable(reply.body) if MARK in said]
            seen = await front.post(asked(dialect, "visible"), PATHS[dialect])
            assert MARK in seen.body  # it was there to be hidden


@pytest.mark.parametrize("dialect", PATHS)
async def test_nor_where_the_answer_fails(dialect: str, tmp_path: Path) -> None:
    (body,) = planted("anthropic", "thinking")
    at = body.index(b"content_block_stop")
    server = Server([body[:at]])
    provider, model = ProviderConfig(like="anthropic"), ModelConfig(name="claude-sonnet-4-5")
    async with fronted(server, provider, model, tmp_path) as front:
        for stream in (False, True):
            reply = await front.post(asked(dialect, "hidden", stream=stream), PATHS[dialect])
            assert not [said for said in readable(reply.body) if MARK in said]


async def test_the_vendor_gets_back_what_it_wants_from_another_node_too(tmp_path: Path) -> None:
    provider, model = ProviderConfig(like="anthropic"), ModelConfig(name="claude-sonnet-4-5")
    turn: dict[str, Any] = {}
    for node in ("one", "other"):
        server = Server(bodies("anthropic", "thinking"))
        async with fronted(server, provider, model, tmp_path / node) as front:
            said = asked("chat", "hidden")
            if turn:
                said["messages"] += [turn, {"role": "user", "content": "sure?"}]
            turn = (await front.post(said)).json["choices"][0]["message"]
    assert "reasoning_content" not in turn
    assert "c2lnbmVk" in str(server.asked[0].body)  # what the vendor signed, opened again


async def test_what_cant_be_opened_is_left_out_and_told() -> None:
    house = House()
    foreign = Seals([OLD]).seal(CARRY)
    detail = {"type": "perpend.carry", "index": 0, "part": "thought", "origin": ORIGIN, "data": foreign.data}
    messages = [
        {"role": "user", "content": "6 × 7?"},
        {"role": "assistant", "content": "42", "reasoning_details": [detail]},
        {"role": "user", "content": "sure?"},
    ]
    async with gateway(house) as front:
        assert (await front.post({"messages": messages})).status == 200
    (request,) = house.requests
    assert request.messages[1] == Message("assistant", (Text("42"),))
    assert request.ignored == ("reasoning that was sealed with another key",)
    assert not [part for message in request.messages for part in message.parts if isinstance(part, Thought)]


@pytest.mark.parametrize(
    ("wanted", "most"), [("visible", "summary"), ("visible", "hidden"), ("summary", "hidden")]
)
async def test_an_operator_may_show_less_than_clients_ask_for(wanted: str, most: Any) -> None:
    house = House(config=Config(serve=ServeConfig(max_visibility=most)))
    async with gateway(house) as front:
        assert (await front.post(asked("chat", wanted) | {"model": "small"})).status == 200
        assert (await front.post(asked("chat", "hidden") | {"model": "small"})).status == 200
        assert (await front.post({"messages": [{"role": "user", "content": "6 × 7?"}]})).status == 200
    first, second, third = house.requests
    assert (first.visibility, first.ignored) == (most, ("thinking_visibility",))
    assert (second.visibility, second.ignored) == ("hidden", ())
    assert (third.visibility, third.ignored) == (most, ())
