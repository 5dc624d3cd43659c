"""Every documented field of a request does something: it changes what is sent upstream, what comes back or what is
recorded, is named in `ignored`, or is refused. `fixtures/documented_fields.toml` has a value of each that has to.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from scripted import SEALS, Gateway, House, gateway
from spine import PRICED, Spine

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.serving.admin import ADMIN_PATH
from perpend.serving.cache.response_cache import response_cache
from perpend.serving.dialects.extension_fields import ExtensionFields
from perpend.serving.dialects.provider_states import seal
from perpend.serving.openapi import document
from perpend.solve import Gate, Origin, Sink, solve
from perpend.solve.gate import EmbeddingGate
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    EmbeddingRequest,
    EmbeddingResult,
    ProviderState,
    Request,
    ThinkingDelta,
    Usage,
)

USER = {"role": "user", "content": "What is 6 × 7?"}
BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "ChatRequest": ("/v1/chat/completions", {"messages": [USER]}),
    "CompletionRequest": ("/v1/completions", {"prompt": "What is 6 × 7?"}),
    "MessagesRequest": ("/v1/messages", {"messages": [USER], "max_tokens": 999}),
    "ResponsesRequest": ("/v1/responses", {"input": [USER]}),
    "EmbeddingsRequest": ("/v1/embeddings", {"model": "m", "input": "hi"}),
    "ConversationRequest": ("/v1/conversations", {}),
    "ConversationChange": ("/v1/conversations/@conversation", {"metadata": {}}),
    "ItemsRequest": ("/v1/conversations/@conversation/items", {"items": [USER]}),
}
"""Where a body goes, and the least that it says."""
EXTENSIONS = ExtensionFields.__struct_fields__
SAYS_NOTHING_NEW = {
    **dict.fromkeys(
        ("ChatMessage.annotations", "InputContent.annotations", "InputContent.logprobs"),
        "of an answer that is sent again as it came: about its text",
    ),
    **dict.fromkeys(
        ("InputItem.status", "InputItem.summary", "InputItem.phase", "InputItem.execution"),
        "of an item that is sent again as it came: about how it came",
    ),
    **dict.fromkeys(
        ("ResponsesTool.external_web_access", "ResponsesTool.search_content_types"),
        "of a tool that is named in `ignored` as a whole",
    ),
    "Thread.previous_message_id": "of a thread, which is named in `ignored` as a whole",
}
"""Fields that clients send and that change nothing, each with its reason."""
_BY_CHANCE = re.compile(r"\b(?:[a-z_]+_[0-9a-f]{24}\w*|1[0-9]{9}|gAAAA[\w-]+=*)\b")
"""Ids, seconds since 1970, and what is sealed anew each time."""


class Group(NamedTuple):
    """Values for fields of one schema, at one place of a body."""

    schema: str
    root: str
    at: str
    beside: dict[str, Any]
    fields: dict[str, Any]


def groups() -> Iterator[Group]:
    text = (Path(__file__).parents[1] / "fixtures" / "documented_fields.toml").read_text()
    for row in tomllib.loads(text)["group"]:
        schema, fields = row["schema"], row["fields"]
        roots = [row.get("root", schema)]
        if schema == "ExtensionFields":
            roots = [root for root, fields in documented() if "thinking_visibility" in fields]
        for root in roots:
            named = root if schema == "ExtensionFields" else schema
            yield Group(named, root, row.get("at", ""), row.get("beside", {}), fields)


def documented() -> list[tuple[str, list[str]]]:
    """The schemas of all requests, and those inside of them, with their fields."""
    whole = document()
    schemas = whole["components"]["schemas"]
    asked = [
        path for name, path in whole["paths"].items() if not name.startswith(ADMIN_PATH)
    ]  # see test_admin
    bodies = [one.get("requestBody", {}) for path in asked for one in path.values()]
    found: dict[str, list[str]] = {}
    waiting = list(names_in(bodies))
    while waiting:
        if (name := waiting.pop(0)) not in found:
            found[name] = list(schemas[name]["properties"])
            waiting += names_in(schemas[name])
    return list(found.items())


def names_in(node: Any) -> Iterator[str]:
    """Of the schemas that a part of the document refers to."""
    for reference in re.findall(rb'"\$ref":"[^"]*/(\w+)"', msgspec.json.encode(node)):
        yield reference.decode()


class Recording(House):
    """Answers through the real spine, from a backend that says the same whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.start()

    def start(self) -> None:
        """Forget what was recorded."""
        self.backend, other = ReplayBackend(said()), ReplayBackend(said())
        self.spine = Spine(
            self.backend, family="generic", price=PRICED, context=16_000, others={"other": other}
        )
        self.cache = response_cache(self.config)
        self.embedded: list[EmbeddingRequest] = []
        self.classes: list[str | None] = []
        self.responses.rows.clear()

    @property
    def recorded(self) -> str:
        """What was sent upstream, what was written down, and who comes first."""
        rows = [msgspec.to_builtins(row) for row in self.spine.recorder.rows]
        for row in rows:
            for name in ("id", "created_at", "finished_at", "elapsed_ms"):
                del row[name]
        kept = [(row.status, row.body, row.conversation) for row in self.responses.rows.values()]
        talks = [
            (id_, row.metadata, self.conversations.items(id_)) for id_, row in self.conversations.rows.items()
        ]
        return repr((self.backend.calls, self.embedded, rows, kept, talks, self.classes))

    async def answer(self, request: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        self.classes.append(request.service_class)
        return await solve(
            request,
            self.spine.services,
            sink,
            cache=self.cache,
            gate=gate,
            origin=origin,
        )

    async def embed(
        self, request: EmbeddingRequest, *, gate: EmbeddingGate | None = None, key_id: str | None = None
    ) -> EmbeddingResult:
        self.embedded.append(request)
        return await super().embed(request, gate=gate, key_id=key_id)


def said() -> Iterator[list[float | list[CallEvent]]]:
    for _ in itertools.count():
        usage = Usage(input=20, thinking=2, answer=3)
        yield [0.002, [ThinkingDelta("6 times 7")], [AnswerDelta("42"), CallEnded("stop", usage)]]


class Tried:
    """Bodies that were sent, each once, and what came of it."""

    def __init__(self, front: Gateway, house: Recording) -> None:
        self._front, self._house = front, house
        self._effects: dict[tuple[str, bytes], str] = {}

    async def effect(self, root: str, body: dict[str, Any]) -> str:
        path, _ = BASES[root]
        key = path, msgspec.json.encode(body)
        if key not in self._effects:
            self._effects[key] = await self.fresh_effect(path, key[1])
        return self._effects[key]

    async def fresh_effect(self, path: str, body: bytes) -> str:
        house = self._house
        house.start()
        house.conversations.rows.clear()
        house.conversations.said.clear()
        text = body.decode()
        for name, value in (await self.stand_ins(path + text)).items():
            path, text = path.replace(name, value), text.replace(name, value)
        reply = await self._front.post(text.encode(), path)
        return _BY_CHANCE.sub("", f"{reply.status} {reply.body.decode()} {house.recorded}")

    async def stand_ins(self, wanted: str) -> dict[str, str]:
        """What `wanted` names, made afresh."""
        sealed = SEALS.seal(ProviderState("test", "signature"))
        made = {"@sealed": seal(sealed, "thought"), "@origin": sealed.origin, "@data": sealed.data}
        if "@conversation" in wanted:
            made["@conversation"] = (await self._front.post({"items": [USER]}, "/v1/conversations")).json[
                "id"
            ]
        if "@response" in wanted:
            made["@response"] = (await self._front.post({"input": "Hello"}, "/v1/responses")).json["id"]
        return made


def with_value(body: dict[str, Any], at: str, field: str, value: Any) -> dict[str, Any]:
    changed: Any = msgspec.json.decode(msgspec.json.encode(body))
    place = changed
    for step in filter(None, at.split(".")):
        place = place[int(step)] if step.isdigit() else place[step]
    place[field] = value
    return changed


async def test_every_documented_field_does_something() -> None:
    silent: list[str] = []
    house = Recording()
    async with gateway(house) as front:
        tried = Tried(front, house)
        for group in groups():
            path, base = BASES[group.root]
            body = base | group.beside
            without = await tried.effect(group.root, body)
            assert without == await tried.fresh_effect(path, msgspec.json.encode(body)), group
            for field, value in group.fields.items():
                effect = await tried.effect(group.root, with_value(body, group.at, field, value))
                if effect == without:
                    silent.append(f"{group.schema}.{field} at {group.at or 'the top'}")
    assert not silent, "\n".join(silent)


def test_every_documented_field_has_a_value_here() -> None:
    tried = {f"{group.schema}.{field}" for group in groups() for field in group.fields}
    known = {f"{schema}.{field}" for schema, fields in documented() for field in fields}
    assert known - tried - SAYS_NOTHING_NEW.keys() == set(), "say in documented_fields.toml what it does"
    assert (tried | SAYS_NOTHING_NEW.keys()) - known == set(), "nobody documents it"
    assert tried & SAYS_NOTHING_NEW.keys() == set()


def test_the_guide_tells_of_every_field_of_our_own() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "gateway.md").read_text()
    assert [name for name in EXTENSIONS if f"`{name}`" not in guide and f'`"{name}"' not in guide] == []
