"""A key's defaults hold in every dialect where a request doesn't say otherwise; its model holds always."""

from typing import Any

import pytest
from scripted import BODY, House, Key, Keys, gateway

from perpend.types import Request

KEY = Key("key_1", model="small", effort="low", max_thinking_tokens=64, deadline_ms=5000)
WAYS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": BODY["messages"]},
    "/v1/messages": {"messages": BODY["messages"], "max_tokens": 1000},
    "/v1/responses": {"input": "hi"},
}


async def asked(path: str, key: Key, **fields: Any) -> Request:
    async with gateway(House(), Keys(secret=key)) as front:
        reply = await front.post({**WAYS[path], **fields}, path, headers={"x-api-key": "secret"})
        assert reply.status == 200, reply.body
        return front.house.requests[0]


@pytest.mark.parametrize("path", WAYS)
class TestInEveryDialect:
    async def test_they_hold_where_a_request_says_nothing(self, path: str) -> None:
        request = await asked(path, KEY)
        assert (request.model, request.effort) == ("small", "low")
        assert (request.limits.max_thinking_tokens, request.limits.deadline_ms) == (64, 5000)

    async def test_what_a_request_says_goes_first(self, path: str) -> None:
        request = await asked(path, KEY, max_thinking_tokens=128, deadline_ms=9000, reasoning_effort="high")
        assert request.effort == "high"
        assert (request.limits.max_thinking_tokens, request.limits.deadline_ms) == (128, 9000)

    async def test_but_not_its_model(self, path: str) -> None:
        """Programs name the models of one vendor, whoever serves them."""
        assert (await asked(path, KEY, model="claude-sonnet-4-5")).model == "small"

    async def test_a_key_without_defaults_changes_nothing(self, path: str) -> None:
        request = await asked(path, Key("key_1"), model="big/model", reasoning_effort="high")
        assert (request.model, request.effort) == ("big/model", "high")
        assert request.limits.max_thinking_tokens is None


async def test_a_number_of_thinking_tokens_says_how_much_too() -> None:
    """An effort beside it would go before it on servers that take efforts only."""
    assert (await asked("/v1/chat/completions", KEY, max_thinking_tokens=128)).effort is None


async def test_a_bound_holds_beside_an_effort() -> None:
    request = await asked("/v1/chat/completions", KEY, reasoning_effort="high")
    assert (request.effort, request.limits.max_thinking_tokens) == ("high", 64)


async def test_a_file_may_be_a_key_s_model_and_not_a_request_s() -> None:
    file = Key("key_1", model="/models/own.gguf")
    assert (await asked("/v1/chat/completions", file)).model == "/models/own.gguf"
    async with gateway(House(), Keys(secret=file)) as front:
        reply = await front.post({**BODY, "model": "/etc/x.gguf"}, headers={"x-api-key": "secret"})
        assert reply.status == 404


async def test_its_model_is_the_only_one_by_whatever_name() -> None:
    async with gateway(House(), Keys(secret=KEY, other="key_2")) as front:
        listed = (await front.get("/v1/models", headers={"x-api-key": "secret"})).json
        assert [row["id"] for row in listed["data"]] == ["small"]
        named = await front.get("/v1/models/claude-sonnet-4-5", headers={"x-api-key": "secret"})
        assert named.json["id"] == "claude-sonnet-4-5"
        others = (await front.get("/v1/models", headers={"x-api-key": "other"})).json
        assert [row["id"] for row in others["data"]] == ["small", "big/model"]
