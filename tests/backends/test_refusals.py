"""What anybody's refusal means: by its own words first, by its status else; and when to come back."""

import datetime
import json
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared

from perpend.backends.refusals import failure, refusal, refused_asks, refuses_system, told_output
from perpend.backends.retry_after import retry_after
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


def openai(message: str, kind: str | None = None, code: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_x"}


def gemini(code: int, status: str, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, **more}}


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


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": format_datetime(later(3600), usegmt=True)}, 3600),
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
        ({"x-ratelimit-reset": str(later(3600).timestamp())}, 3600),
        ({"x-ratelimit-reset": str(int(later(3600).timestamp() * 1000))}, 3600),
        ({"anthropic-ratelimit-tokens-reset": later(3600).isoformat()}, 3600),
        ({}, None),
    ],
)  # fmt: skip
def test_when_to_come_back_is_read_in_every_way(headers: dict[str, str], seconds: float | None) -> None:
    got = retry_after({name.encode(): value.encode() for name, value in headers.items()})
    assert got == (None if seconds is None else pytest.approx(seconds, abs=600 if seconds >= 3600 else 0.001))


def test_google_says_in_the_body_when_to_come_back() -> None:
    info = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    body = json.dumps(gemini(429, "RESOURCE_EXHAUSTED", details=info)).encode()
    assert refusal("http://x", body, status=429).retry_after == 34


EFFORT = {"reasoning_effort": "medium"}
RESPONSES = {
    "reasoning.effort": "low",
    "reasoning.summary": "auto",
    "include": ["reasoning.encrypted_content"],
}
LEVEL = {
    "generationConfig.thinkingConfig.includeThoughts": True,
    "generationConfig.thinkingConfig.thinkingLevel": "high",
}
BUDGET = {
    "generationConfig.thinkingConfig.includeThoughts": False,
    "generationConfig.thinkingConfig.thinkingBudget": 0,
}
ADAPTIVE = {"thinking": {"type": "adaptive"}, "output_config.effort": "high"}
SWITCH = {"enable_thinking": False, "thinking_budget": 2048}


def about(message: str, param: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": "x"}}


@pytest.mark.parametrize(
    ("body", "asks", "refused"),
    [
        (openai("`reasoning_effort` is not supported with this model"), EFFORT, ["reasoning_effort"]),
        (
            {"code": "x", "error": "Model g does not support parameter reasoningEffort."},
            EFFORT,
            ["reasoning_effort"],
        ),
        (
            {"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs are not permitted"}]},
            EFFORT,
            ["reasoning_effort"],
        ),
        (openai("reasoning_effort must be one of [none, default]"), EFFORT, ["reasoning_effort=medium"]),
        (
            about("Unsupported parameter: 'reasoning.effort'", "reasoning.effort"),
            RESPONSES,
            ["reasoning.effort"],
        ),
        (
            about("Unsupported value: 'low'. Supported values are: 'high'.", "reasoning.effort"),
            RESPONSES,
            ["reasoning.effort=low"],
        ),
        (
            about("Your organization must be verified to generate reasoning summaries.", "reasoning.summary"),
            RESPONSES,
            ["reasoning.summary"],
        ),
        (
            openai("Your organization must be verified to generate reasoning summaries."),
            RESPONSES,
            ["reasoning.summary"],
        ),
        (about("Encrypted content is not supported with this model.", "include"), RESPONSES, ["include"]),
        (about("Unsupported parameter", "reasoning"), RESPONSES, ["reasoning.effort", "reasoning.summary"]),
        (
            openai("Reasoning is mandatory for this endpoint and cannot be disabled."),
            {"reasoning.effort": "none"},
            ["reasoning.effort=none"],
        ),
        (
            gemini(400, "INVALID_ARGUMENT", "Thinking level is not supported for this model."),
            LEVEL,
            [[*LEVEL][1]],
        ),
        (gemini(400, "INVALID_ARGUMENT", "This model does not support thinking."), LEVEL, [*LEVEL]),
        (
            gemini(
                400,
                "INVALID_ARGUMENT",
                "Thinking can't be disabled. Remove 'thinking_config.thinking_budget'.",
            ),
            BUDGET,
            [f"{[*BUDGET][1]}=0"],
        ),
        (
            gemini(
                400,
                "INVALID_ARGUMENT",
                "Unknown name \"thinkingLevel\" at 'generation_config.thinking_config'",
            ),
            LEVEL,
            [[*LEVEL][1]],
        ),
        (
            anthropic("invalid_request_error", "adaptive thinking is not supported on this model"),
            ADAPTIVE,
            ["thinking"],
        ),
        (
            anthropic("invalid_request_error", "output_config.effort: Extra inputs are not permitted"),
            ADAPTIVE,
            ["output_config.effort"],
        ),
        (
            openai("The value of the enable_thinking parameter is restricted to True."),
            SWITCH,
            ["enable_thinking=False"],
        ),
        # What is wrong beside a knob isn't the knob.
        (openai("`temperature` may only be set to 1 when thinking is enabled"), ADAPTIVE, []),
        (openai("`max_tokens` must be greater than `thinking.budget_tokens`"), {"thinking": {}}, []),
        (openai("messages.1.content.0: Invalid `signature` in `thinking` block"), ADAPTIVE, []),
        (openai("messages.1.content.0.thinking.x: Extra inputs are not permitted"), ADAPTIVE, []),
        (about("Unsupported parameter: 'temperature'", "temperature"), RESPONSES, []),
        (about("Unsupported value: 'stream'", "stream"), RESPONSES, []),
        (openai("The `reasoning_content` in the thinking mode must be passed back to the API."), EFFORT, []),
        (openai("unknown model"), EFFORT, []),
        (
            openai("This model's maximum context length is 4096, reasoning_effort is not supported"),
            EFFORT,
            [],
        ),
    ],
)
def test_a_refusal_tells_which_knob_it_is_about(body: Any, asks: dict[str, Any], refused: list[str]) -> None:
    assert refused_asks(refusal("x", json.dumps(body).encode(), status=400), asks) == set(refused)


def test_what_is_no_refusal_of_the_request_is_about_no_knob() -> None:
    body = json.dumps(openai("reasoning_effort is not supported")).encode()
    assert refused_asks(refusal("x", body, status=503), EFFORT) == frozenset()
    assert refused_asks(refusal("x", body, status=422), EFFORT) == {"reasoning_effort"}


@pytest.mark.parametrize(
    ("message", "most"),
    [
        ("max_tokens is too large: 100000. This model supports at most 16384 completion tokens.", 16_384),
        (
            "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 16384, got 100000.",
            16_384,
        ),
        (
            "max_tokens: 100000 > 32000, the maximum allowed number of output tokens for claude-opus-4-1",
            32_000,
        ),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
        ("Range of max_tokens should be [1,8192]", 8192),
        ("`max_tokens` must be less than or equal to `8,192`", 8192),
        (
            "maxOutputTokens is 100000 but the supported range is from 1 (inclusive) to 8193 (exclusive).",
            8192,
        ),
        (
            "The maximum tokens you requested exceeds the limit. Try a maximum tokens that is lower than 4096.",
            4095,
        ),
        ("too many tokens: max tokens must be less than or equal to 4096 with command-r-08-2024", 4096),
        # Not about what it writes, or not a limit.
        ("`max_tokens` must be greater than `thinking.budget_tokens`", None),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", None),
        ("temperature must be at most 2", None),
        ("This model's maximum context length is 4096 tokens, max_tokens is too large", None),
        ("max_tokens has to be 100000", None),
    ],
)
def test_a_refusal_tells_what_a_model_writes_at_most(message: str, most: int | None) -> None:
    refused = refusal("x", json.dumps(openai(message)).encode(), status=400)
    assert told_output(refused, 100_000) == most


@pytest.mark.parametrize(
    ("body", "refuses"),
    [
        (
            gemini(400, "INVALID_ARGUMENT", "Developer instruction is not enabled for models/gemma-3-27b-it"),
            True,
        ),
        (
            about(
                "Unsupported value: 'messages[0].role' does not support 'system' with this model.", "messages"
            ),
            True,
        ),
        (openai("System messages are not supported by this model"), True),
        (openai("System role not supported"), True),
        (openai("'system' is not allowed as a role"), True),
        (openai("the system is not available"), False),
        (openai("reasoning_effort is not supported with this model"), False),
        (openai("messages: a system message must come first"), False),
    ],
)
def test_a_refusal_tells_that_no_system_message_is_taken(body: Any, refuses: bool) -> None:
    assert refuses_system(refusal("x", json.dumps(body).encode(), status=400)) == refuses


@pytest.mark.parametrize(
    "said",
    [
        "Unknown parameter: 'reasoning_effort'.",
        "Unrecognized request argument supplied: reasoning_effort",
        "Additional properties are not allowed ('reasoning_effort' was unexpected)",
        "property 'reasoning_effort' is unsupported",
        "This model does not accept reasoning_effort",
        "reasoning_effort: field not recognized",
        "reasoning_effort is not a valid parameter for this model",
        "Model llama-3.3 cannot use `reasoning_effort`.",
        "reasoning effort isn't available for this model",
        "Invalid parameter: reasoningEffort",
        "extra fields not permitted: reasoning_effort",
    ],
)
def test_vendors_refuse_in_many_words(said: str) -> None:
    refused = refusal("x", json.dumps(openai(said)).encode(), status=400)
    assert refused_asks(refused, EFFORT) == {"reasoning_effort"}


WORDS = st.lists(
    st.sampled_from(
        [
            "reasoning.effort",
            "summary",
            "is not supported",
            "thinking",
            "max_tokens",
            "value",
            "8192",
            "1,024",
            "12",
        ]
    )
    | st.text(max_size=8),
    max_size=12,
).map(" ".join)


@given(WORDS, st.sampled_from([None, "reasoning.effort", "include", "messages[0]"]), st.integers(1, 100_000))
def test_whatever_is_said_only_what_was_asked_for_is_refused(
    said: str, param: str | None, asked: int
) -> None:
    body = {"error": {"message": said, "param": param}}
    error = refusal("x", json.dumps(body).encode(), status=400)
    known = {*RESPONSES, *(f"{path}={value}" for path, value in RESPONSES.items())}
    assert refused_asks(error, RESPONSES) <= known
    most = told_output(error, asked)
    assert most is None or 16 <= most < asked
