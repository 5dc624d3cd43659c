"""Paths and methods find their handler, and whatever else comes is answered in JSON."""

import asyncio
import datetime

import pytest
from anthropic import AsyncAnthropic
from scripted import BODY, House, Keys, gateway, until
from yarl import URL

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


ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def test_a_model_s_name_may_have_slashes_be_encoded_or_an_alias() -> None:
    async with gateway(House()) as front:
        for path in ("big/model", "big%2Fmodel", "big/model/"):
            async with front.session.get(URL(f"/v1/models/{path}", encoded=True)) as reply:
                assert (await reply.json())["id"] == "big/model"
        assert (await front.get("/v1/models/fast")).json["id"] == "small"
        assert (await front.get("/v1/models/weights.gguf")).status == 404


async def test_models_have_anthropic_s_shape_for_its_clients() -> None:
    config = Config(models={"wide": ModelConfig(provider="openrouter", context=200_000)})
    async with gateway(House(config=config)) as front:
        page = (await front.get("/v1/models", headers=ANTHROPIC)).json
        assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "small", "wide")
        row = page["data"][-1]
        assert row == (await front.get("/v1/models/wide", headers={"x-api-key": "k"})).json
        assert {**row, "created_at": datetime.datetime.fromisoformat(row["created_at"]).tzinfo} == {
            "type": "model",
            "id": "wide",
            "display_name": "wide",
            "created_at": datetime.UTC,
            "lifecycle": "active",
            "max_input_tokens": 200_000,
        }
        both = {"x-api-key": "k", "authorization": "Bearer k"}
        assert (await front.get("/v1/models", headers=both)).json["object"] == "list"


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("limit=2", ["small", "big/model"], True),
        ("after_id=big/model", ["wide"], False),
        ("limit=1&after_id=small", ["big/model"], True),
        ("limit=1&before_id=wide", ["big/model"], True),
        ("before_id=big/model", ["small"], False),
    ],
)
async def test_models_come_in_pages_for_anthropic_s_clients(query: str, ids: list[str], more: bool) -> None:
    config = Config(models={"wide": ModelConfig(provider="openrouter")})
    async with gateway(House(config=config)) as front:
        page = (await front.get(f"/v1/models?{query}", headers=ANTHROPIC)).json
        assert ([row["id"] for row in page["data"]], page["has_more"]) == (ids, more)
        refused = await front.get("/v1/models?limit=1001", headers=ANTHROPIC)
        assert (refused.status, refused.error["param"]) == (400, "limit")


async def test_the_anthropic_sdk_lists_models_page_by_page() -> None:
    async with gateway(House()) as front:
        url = f"http://127.0.0.1:{front.port}"
        async with AsyncAnthropic(base_url=url, api_key="k", _strict_response_validation=True) as client:
            assert [row.id async for row in client.models.list(limit=1)] == ["small", "big/model"]
            assert (await client.models.retrieve("fast")).id == "small"


async def test_a_slash_at_the_end_of_a_path_changes_nothing() -> None:
    async with gateway(House()) as front:
        assert (await front.post(BODY, "/v1/chat/completions/")).status == 200
        for path in ("/v1/models/", "/healthz/", "/"):
            assert (await front.get(path)).status == 200


PAGE = {"origin": "https://app.example"}


async def test_pages_of_other_origins_read_nothing_unless_the_config_says_so() -> None:
    async with gateway(House()) as front:
        assert "Access-Control-Allow-Origin" not in (await front.get("/healthz", headers=PAGE)).headers
    config = Config(serve=ServeConfig(cors_origins=("https://app.example",)))
    async with gateway(House(config=config)) as front:
        reply = await front.post(BODY, headers=PAGE)
        assert reply.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "x-request-id" in reply.headers["Access-Control-Expose-Headers"]
        assert reply.headers["Vary"] == "origin"
        stream = await front.post({**BODY, "stream": True}, headers=PAGE)
        assert stream.headers["Access-Control-Allow-Origin"] == "https://app.example"
        other = await front.get("/healthz", headers={"origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


async def test_a_browser_may_ask_before_it_sends_a_page_s_key() -> None:
    config = Config(serve=ServeConfig(cors_origins=("*",), require_keys="always"))
    asked = {
        **PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-lang",
    }
    async with gateway(House(config=config), Keys(secret="key_1")) as front:
        async with front.session.options("/v1/chat/completions", headers=asked) as reply:
            assert reply.status == 204
            assert reply.headers["Access-Control-Allow-Origin"] == "https://app.example"
            assert reply.headers["Access-Control-Allow-Headers"] == asked["access-control-request-headers"]
            assert "POST" in reply.headers["Access-Control-Allow-Methods"]
        refused = await front.post(BODY, headers=PAGE)
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (
            401,
            "https://app.example",
        )


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
    half = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{"
    async with gateway(House()) as front:
        _, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(half)
        await writer.drain()
        await until(lambda: front.metrics.in_flight)
        writer.close()
        await until(lambda: not front.metrics.in_flight)
        assert front.house.requests == []
    assert caplog.text == ""
