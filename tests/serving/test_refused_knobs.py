"""What a vendor refuses, with a real gateway before it: asked once more without it, remembered, and told."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from replaying import Asked
from scripted import Gateway
from wire_server import Server, chat_bodies, fronted

from perpend.config.schema import ModelConfig, ProviderConfig

RESPONSES = Path(__file__).parents[1] / "fixtures" / "matrix" / "openai_responses" / "text.sse"
OPENAI = {"type": "invalid_request_error"}


class Picky(Server):
    """Answers 400 while a body holds a field that it refuses: by its path, with what it says then."""

    def __init__(
        self,
        body: bytes,
        refuses: dict[str, dict[str, Any]],
        when: Callable[[str, Any], bool] = lambda path, value: True,
    ) -> None:
        super().__init__([body])
        self._refuses = refuses
        self._when = when

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        for path, error in self._refuses.items():
            value = _at(body, path)
            if value is not None and self._when(path, value):
                self.asked.append(Asked(request.path, {}, body))
                return web.Response(status=400, body=json.dumps({"error": error}).encode())
        return await super().answer(request)


def _at(body: dict[str, Any], path: str) -> Any:
    first, _, rest = path.partition(".")
    inner = body.get(first)
    return _at(inner or {}, rest) if rest else inner


def before(server: Server, like: str, model: str, home: Path) -> AbstractAsyncContextManager[Gateway]:
    return fronted(server, ProviderConfig(like=like), ModelConfig(name=model), home)


async def asked(front: Gateway, **fields: Any) -> dict[str, Any]:
    reply = await front.post({"messages": [{"role": "user", "content": "Hi"}], **fields})
    assert reply.status == 200, reply.body
    return reply.json


async def test_a_model_that_nobody_knows_is_asked_for_nothing(tmp_path: Path) -> None:
    server = Server(chat_bodies("Hi"))
    async with before(server, "groq", "llama-3.3-70b-versatile", tmp_path) as front:
        await asked(front)
        await asked(front, max_thinking_tokens=2048)
    for one in server.asked:
        assert one.body.keys() == {"model", "messages", "stream", "stream_options", "max_tokens"}


async def test_what_is_refused_is_left_out_remembered_and_told(tmp_path: Path) -> None:
    said = OPENAI | {"message": "`reasoning_effort` is not supported with this model"}
    server = Picky(chat_bodies("Hi")[0], {"reasoning_effort": said})
    async with before(server, "groq", "llama-3.3-70b-versatile", tmp_path) as front:
        for effort in ("high", "high", "low"):
            body = await asked(front, reasoning_effort=effort)
            assert body["choices"][0]["message"]["content"] == "Hi"
            assert body["perpend"]["ignored"] == ["reasoning_effort"]
            assert "reasoning_effort is refused there" in body["perpend"]["plan"]["reason"]
        assert (await asked(front))["perpend"]["ignored"] == []
    assert [one.body.get("reasoning_effort") for one in server.asked] == ["high", None, None, None, None]


async def test_a_summary_is_asked_for_where_somebody_reads_it(tmp_path: Path) -> None:
    server = Server([RESPONSES.read_bytes()])
    async with before(server, "openai", "gpt-5.1", tmp_path) as front:
        for visibility in ("visible", "hidden"):
            await asked(front, reasoning_effort="low", thinking_visibility=visibility)
    summaries = [one.body["reasoning"].get("summary") for one in server.asked]
    assert summaries == ["auto", None]


async def test_a_summary_that_an_organisation_may_not_have_is_told_of(tmp_path: Path) -> None:
    said = {
        "message": "Your organization must be verified to generate reasoning summaries.",
        "param": "reasoning.summary",
        "code": "unsupported_value",
    }
    server = Picky(RESPONSES.read_bytes(), {"reasoning.summary": OPENAI | said})
    async with before(server, "openai", "o3", tmp_path) as front:
        body = await asked(front, reasoning_effort="high")
    assert body["perpend"]["ignored"] == ["reasoning.summary"]
    first, second = (one.body["reasoning"] for one in server.asked)
    assert first == {"effort": "high", "summary": "auto"}
    assert second == {"effort": "high"}


@pytest.mark.parametrize(
    ("model", "role"), [("o1-mini", "user"), ("o1-preview-2024-09-12", "user"), ("o3", "system")]
)
@pytest.mark.parametrize("wire", ["openai_responses", "openai_chat"])
async def test_a_system_message_speaks_in_a_role_that_is_taken(
    wire: str, model: str, role: str, tmp_path: Path
) -> None:
    responses = wire == "openai_responses"
    server = Server([RESPONSES.read_bytes()] if responses else chat_bodies("Hi"))
    provider = ProviderConfig(like="openai", wire=wire)
    async with fronted(server, provider, ModelConfig(name=model), tmp_path) as front:
        said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        await asked(front, messages=said, response_format={"type": "json_object"})
    (sent,) = (one.body["input" if responses else "messages"] for one in server.asked)
    assert sent[0] == {"role": role, "content": "Be brief."}
    assert {message["role"] for message in sent} == {role, "user"}


async def test_what_a_model_rejects_is_told_and_tools_are_refused(tmp_path: Path) -> None:
    server = Server([RESPONSES.read_bytes()])
    async with before(server, "openai", "o1-preview", tmp_path) as front:
        body = await asked(front, temperature=0.5, top_p=0.5, presence_penalty=1, logit_bias={"1": 1})
        assert body["perpend"]["ignored"] == ["temperature", "top_p", "presence_penalty", "logit_bias"]
        assert server.asked[0].body.keys() == {"model", "input", "stream", "store", "max_output_tokens"}
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        refused = await front.post({"messages": [{"role": "user", "content": "Hi"}], "tools": [tool]})
    assert (refused.status, refused.error["param"]) == (400, "tools")
    assert "takes no tools" in refused.error["message"]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("like", "model", "most", "field"),
    [
        ("deepseek", "deepseek-chat", 8192, "max_tokens"),
        ("anthropic", "claude-opus-4-1", 32_000, "max_tokens"),
        ("openai", "gpt-4o", 16_384, "max_output_tokens"),
        ("openai", "o1-preview", 32_768, "max_output_tokens"),
        ("groq", "llama-3.3-70b-versatile", 32_768, "max_tokens"),
    ],
)
async def test_a_budget_fits_into_what_a_model_writes(
    like: str, model: str, most: int, field: str, tmp_path: Path
) -> None:
    folder = {"anthropic": "anthropic", "openai": "openai_responses"}.get(like)
    text = RESPONSES.parents[1] / folder / "text.sse" if folder else None
    server = Server([text.read_bytes()] if text else chat_bodies("Hi"))
    async with before(server, like, model, tmp_path) as front:
        budget = (await asked(front, max_thinking_tokens=100_000))["perpend"]["budget"]
        capped = await asked(front, max_completion_tokens=200_000)
    assert budget["lowered_by"] == "model"
    assert budget["effective_thinking_tokens"] <= most - 4096
    assert all(one.body[field] <= most for one in server.asked)
    assert f"at most the {most} tokens" in capped["perpend"]["plan"]["reason"]


async def test_a_limit_that_no_row_knows_is_told_once_and_kept_to(tmp_path: Path) -> None:
    said = OPENAI | {"message": "max_tokens must be less than or equal to 2048", "param": "max_tokens"}
    server = Picky(chat_bodies("Hi")[0], {"max_tokens": said}, lambda path, value: value > 2048)
    async with before(server, "fireworks", "some-model", tmp_path) as front:
        first, second = [(await asked(front))["perpend"] for _ in range(2)]
    assert [one.body["max_tokens"] for one in server.asked] == [8192, 2048, 2048]
    assert first["ignored"] == ["max_tokens>2048"]
    assert (second["ignored"], second["budget"]["lowered_by"]) == ([], "model")


async def test_a_system_message_that_is_refused_is_said_by_the_user(tmp_path: Path) -> None:
    said = {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3-27b-it"}
    body = RESPONSES.parents[1].joinpath("gemini", "text.sse").read_bytes()
    server = Picky(body, {"systemInstruction": said})
    async with before(server, "google", "gemma-3-27b-it", tmp_path) as front:
        for _ in range(2):
            told = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
            assert (await asked(front, messages=told))["perpend"]["ignored"] == []
    parts = [{"text": "Be brief."}, {"text": "Hi"}]
    assert [one.body["contents"] for one in server.asked[1:]] == [[{"role": "user", "parts": parts}]] * 2
    assert all("thinkingConfig" not in one.body["generationConfig"] for one in server.asked)
