"""Paths and methods find their handler, and whatever else comes is answered in JSON."""

import asyncio

import pytest
from scripted import BODY, House, Keys, gateway, until

from perpend.config.schema import Config, ModelConfig, ServeConfig


async def test_an_unknown_path_names_the_nearest_one() -> None:
    async with gateway(House()) as front:
        reply = await front.post(BODY, "/v1/chat/completion")
        assert (reply.status, reply.error["code"]) == (404, "not_found")
        assert reply.error["hint"] == "did you mean /v1/chat/completions?"
        assert reply.error["type"] == "invalid_request_error"
        assert reply.headers["X-Request-Id"].startswith("req_")


async def test_a_wrong_method_names_the_right_one() -> None:
    async with gateway(House()) as front:
        reply = await front.get("/v1/chat/completions")
        assert (reply.status, reply.error["code"], reply.error["hint"]) == (
            405,
            "method_not_allowed",
            "use POST",
        )
        assert (await front.post(BODY, "/v1/models")).status == 405


async def test_a_head_request_has_no_body() -> None:
    async with gateway(House()) as front, front.session.head("/healthz") as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_a_wrong_body_is_400_naming_the_field() -> None:
    async with gateway(House()) as front:
        reply = await front.post({**BODY, "max_thinking_token": 5})
        assert (reply.status, reply.error["param"]) == (400, "max_thinking_token")
        assert reply.error["hint"] == "did you mean 'max_thinking_tokens'?"


async def test_models() -> None:
    config = Config(models={"big/model": ModelConfig(provider="openrouter")})
    async with gateway(House(config=config)) as front:
        models = (await front.get("/v1/models")).json
        assert models["object"] == "list"
        assert [(row["id"], row["object"], row["owned_by"]) for row in models["data"]] == [
            ("small", "model", "embedded"),
            ("big/model", "model", "openrouter"),
        ]
        assert (await front.get("/v1/models/big/model")).json == models["data"][1]
        missing = await front.get("/v1/models/smal")
        assert (missing.status, missing.error["hint"]) == (404, "did you mean 'small'?")


async def test_ready_says_what_it_waits_for() -> None:
    async with gateway(House()) as front:
        assert (await front.get("/healthz")).json == {"status": "ok", "reason": None}
        assert (await front.get("/readyz")).status == 200
        front.readiness.waiting_for = "starting the engine of small"
        reply = await front.get("/readyz")
        assert (reply.status, reply.json["reason"]) == (503, "starting the engine of small")


async def test_keys_guard_the_api_and_not_its_health() -> None:
    config = Config(serve=ServeConfig(require_keys="always"))
    async with gateway(House(config=config), Keys(secret="key_1")) as front:
        for path in ("/v1/models", "/v1/models/small"):
            assert (await front.get(path)).status == 401
            assert (await front.get(path, headers={"x-api-key": "secret"})).status == 200
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            assert (await front.get(path)).status == 200


async def test_metrics_count_what_was_answered_and_what_was_refused() -> None:
    async with gateway(House()) as front:
        await front.post(BODY)
        await front.post({**BODY, "stream": True})
        await front.post(b"{")
        text = (await front.get("/metrics")).body.decode()
    assert 'perpend_requests_total{model="small",status="ok",strategy="single"} 2.0' in text
    assert 'perpend_tokens_total{kind="thinking",model="small",strategy="single"} 10.0' in text
    assert 'perpend_errors_total{code="invalid_request_error"} 1.0' in text
    assert 'perpend_time_to_first_token_seconds_count{model="small",strategy="single"} 2.0' in text
    assert "perpend_requests_in_flight 0.0" in text


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_let_go(
    caplog: pytest.LogCaptureFixture,
) -> None:
    half = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{"
    async with gateway(House()) as front:
        _, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(half)
        await writer.drain()
        await until(lambda: front.metrics.in_flight)
        writer.close()
        await until(lambda: not front.metrics.in_flight)
        assert front.house.requests == []
    assert caplog.text == ""
