"""What anybody's refusal means: by its own words first, by its status else; and when to come back."""

import datetime
import json
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared
from vendor_errors import anthropic, gemini, openai

from perpend.errors import (
    AccountRefused,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
    Rejected,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from perpend.transport.failures import failure, refusal
from perpend.transport.retry_after import retry_after


@pytest.mark.parametrize(
    ("status", "body", "meant"),
    [
        (400, openai("too many tokens", "invalid_request_error", "context_length_exceeded"), ContextTooLong),
        (400, openai("This model's maximum context length is 4096 tokens", "BadRequestError", 400), ContextTooLong),
        (400, openai("This model's maximum prompt length is 131072 but the request contains 537812"), ContextTooLong),
        (400, openai("Please reduce the length of the messages or completion."), ContextTooLong),
        (400, openai("Your request exceeded model token limit: 131072"), ContextTooLong),
        (400, openai("The prompt (length 9000) is longer than the maximum model length of 8192"), ContextTooLong),
        (400, openai("Range of input length should be [1, 983616]"), ContextTooLong),
        (400, {"error": "prompt too long; exceeded max context length by 4 tokens"}, ContextTooLong),
        (400, openai("flagged", None, "content_filter"), ContentFiltered),
        (400, openai("bad temperature", "invalid_request_error", "unsupported_parameter"), Rejected),
        (429, openai("slow down", "tokens", "rate_limit_exceeded"), RateLimited),
        (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), AccountRefused),
        (401, openai("bad key", "invalid_request_error", "invalid_api_key"), AccountRefused),
        (404, openai("no such model", "invalid_request_error", "model_not_found"), AccountRefused),
        (500, openai("oops", "server_error"), UpstreamError),
        (503, openai("The engine is currently overloaded", "server_error"), UpstreamOverloaded),
        (402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), AccountRefused),
        (400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"), ContextTooLong),
        (400, anthropic("invalid_request_error", "Your credit balance is too low"), AccountRefused),
        (400, anthropic("invalid_request_error"), Rejected),
        (413, anthropic("request_too_large"), ContextTooLong),
        (429, anthropic("rate_limit_error"), RateLimited),
        (529, anthropic("overloaded_error"), UpstreamOverloaded),
        (500, anthropic("api_error"), UpstreamError),
        (None, anthropic("overloaded_error"), UpstreamOverloaded),
        (400, gemini(400, "INVALID_ARGUMENT"), Rejected),
        (400, gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), AccountRefused),
        (
            400,
            gemini(400, "INVALID_ARGUMENT", "The input token count (1100000) exceeds the maximum number of tokens"),
            ContextTooLong,
        ),
        (429, gemini(429, "RESOURCE_EXHAUSTED"), RateLimited),
        (503, [gemini(503, "UNAVAILABLE")], UpstreamOverloaded),
        (None, gemini(503, "UNAVAILABLE"), UpstreamOverloaded),
        (504, gemini(504, "DEADLINE_EXCEEDED"), UpstreamTimeout),
        (404, {"error": "model 'x' not found"}, AccountRefused),
        (400, {"error": '"llama3.2" does not support thinking'}, Rejected),
        (429, {"message": "Too many tokens", "__type": "com.amazon#ThrottlingException"}, RateLimited),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, Rejected),
        (None, openai("Token limit reached", None, 400), Rejected),
        (None, openai("out of memory"), UpstreamError),
    ],
)  # fmt: skip
def test_each_vendor_s_words_have_their_meaning(
    status: int | None, body: Any, meant: type[UpstreamError]
) -> None:
    if status is None:
        error = failure("http://x/v1 failed in the middle", body["error"])
        assert error.billed
    else:
        error = refusal("http://x/v1", json.dumps(body).encode(), status=status)
        assert error.upstream_status == status
        assert error.billed == (meant is UpstreamTimeout)
    assert type(error) is meant
    assert (error.field == "messages") == (meant in (ContextTooLong, ContentFiltered))
    assert ("prompt is too long: " in error.message) == (meant is ContextTooLong)  # what clients look for


@pytest.mark.parametrize(
    "recording",
    [
        "openai/chat-error-max-tokens",
        "openai/resp-error-400-orphan-item",
        *[
            f"composed/anthropic/error-{name}"
            for name in ("temperature", "budget-ge-max", "enabled-unsupported")
        ],
        "composed/gemini/error-missing-thought-signature",
        "composed/ollama-native/error-no-thinking",
        "composed/vllm/error-budget-no-parser",
    ],
)
def test_recorded_refusals_are_rejections_in_the_vendor_s_own_words(recording: str) -> None:
    body = shared(f"wire/{recording}/response.json").read_bytes()
    error = refusal("http://x/v1", body, status=400)
    assert type(error) is Rejected
    told = json.loads(body)["error"]
    assert (told if isinstance(told, str) else told["message"])[:300] in error.message


@pytest.mark.parametrize(
    ("body", "helps"),
    [
        (openai("'logprobs' is not supported with this model."), "change what it names or leave it out"),
        (
            {"error": {"message": "Unsupported value: 0.2", "param": "temperature"}},
            "change temperature or leave it out",
        ),
        (openai("Your organization must be verified to generate reasoning summaries."), "verify the organisation"),
        (openai("`gemma2` does not support tools"), "ask a model that takes them"),
        (openai("Function calling is not enabled for models/gemma-3-27b-it"), "ask a model that takes them"),
        (openai("Invalid content type. image_url is only supported by certain models."), "a model that sees"),
        (openai("Invalid schema for response_format 'x'", "invalid_request_error"), "change the output format"),
    ],
)  # fmt: skip
def test_a_rejection_says_what_helps(body: dict[str, Any], helps: str) -> None:
    error = refusal("http://x/v1", json.dumps(body).encode(), status=400)
    assert type(error) is Rejected
    assert helps in (error.hint or "")


@given(body=st.binary(max_size=200), status=st.integers(300, 599))
def test_any_bytes_are_an_upstream_error(body: bytes, status: int) -> None:
    assert isinstance(refusal("http://x", body, status=status), UpstreamError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "status", "details"]), inner, max_size=3
        )
    ),
)


@given(body=JSON)
def test_any_json_is_an_upstream_error(body: Any) -> None:
    assert isinstance(refusal("http://x", json.dumps(body).encode(), status=400), UpstreamError)
    assert isinstance(failure("it failed", body), UpstreamError)


def later(seconds: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)


AN_HOUR_ON = later(3600)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": format_datetime(AN_HOUR_ON, usegmt=True)}, 3600),
        ({"retry-after": format_datetime(later(-60), usegmt=True)}, 0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e300"}, 86_400),
        ({"x-ratelimit-reset-requests": "1m30.5s", "x-ratelimit-remaining-requests": "0"}, 90.5),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        (
            {
                "x-ratelimit-reset-requests": "6h",
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-tokens": "0",
            },
            2,
        ),
        ({"x-ratelimit-reset": str(AN_HOUR_ON.timestamp())}, 3600),
        ({"x-ratelimit-reset": str(int(AN_HOUR_ON.timestamp() * 1000))}, 3600),
        ({"anthropic-ratelimit-tokens-reset": AN_HOUR_ON.isoformat()}, 3600),
        ({}, None),
    ],
)  # fmt: skip
def test_when_to_come_back_is_read_in_every_way(headers: dict[str, str], seconds: float | None) -> None:
    got = retry_after({name.encode(): value.encode() for name, value in headers.items()})
    if seconds == 3600:  # from when the table was made
        assert got == pytest.approx((AN_HOUR_ON - later(0)).total_seconds(), abs=5)
    else:
        assert got == (None if seconds is None else pytest.approx(seconds, abs=0.001))


def test_google_says_in_the_body_when_to_come_back() -> None:
    info = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    body = json.dumps(gemini(429, "RESOURCE_EXHAUSTED", details=info)).encode()
    assert refusal("http://x", body, status=429).retry_after == 34


def test_a_router_tells_what_the_vendor_behind_it_said() -> None:
    inside = json.dumps(openai("maximum context length is 4096 tokens", code="context_length_exceeded"))
    for raw, meant in ((inside, ContextTooLong), ("Extra inputs are not permitted", Rejected)):
        body = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
        error = refusal("x", json.dumps(body).encode(), status=400)
        assert type(error) is meant
        told = "maximum context" if meant is ContextTooLong else raw
        assert f"Provider returned error: {told}" in error.message
