"""What of a request a refusal is about, in the words of many vendors."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_errors import anthropic, gemini, openai

from perpend.backends.refused import refused_params, refuses_system, stated_max_output, stated_room
from perpend.errors import ContextTooLong
from perpend.transport.failures import refusal

SAID = Path(__file__).parents[1] / "fixtures" / "sent" / "refusals.jsonl"


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
        (about("n must be 1", "n"), RESPONSES, []),
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
    assert refused_params(refusal("x", json.dumps(body).encode(), status=400), asks) == set(refused)


def test_what_is_no_refusal_of_the_request_is_about_no_knob() -> None:
    body = json.dumps(openai("reasoning_effort is not supported")).encode()
    assert refused_params(refusal("x", body, status=503), EFFORT) == frozenset()
    assert refused_params(refusal("x", body, status=422), EFFORT) == {"reasoning_effort"}


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
        (
            "`max_tokens` must be less than or equal to `32768`, the maximum value for `max_tokens` is less than the "
            "`context_window` for this model",
            32_768,
        ),
        ("max_tokens should be < 8192", 8191),
        (
            "max_completion_tokens is too large: 100000.This model supports at most 16384 completion tokens.",
            16_384,
        ),
        ("max_tokens=100000 cannot be greater than max_model_len=max_total_tokens=32768.", 32_768),
        ("body -> max_tokens: Input should be less than or equal to 4096", 4096),
        # Not about what it writes, or not a limit.
        ("`inputs` tokens + `max_new_tokens` must be <= 32769. Given: 25 `inputs` tokens", None),
        ("max_tokens must be at least 16", None),
        ("thinking_budget must be at most 38912", None),
        ("`max_tokens` must be greater than `thinking.budget_tokens`", None),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", None),
        ("temperature must be at most 2", None),
        ("This model's maximum context length is 4096 tokens, max_tokens is too large", None),
        ("max_tokens has to be 100000", None),
    ],
)
def test_a_refusal_tells_what_a_model_writes_at_most(message: str, most: int | None) -> None:
    refused = refusal("x", json.dumps(openai(message)).encode(), status=400)
    assert stated_max_output(refused, 100_000) == most


VLLM = "This model's maximum context length is {} tokens. However, you requested {} "


@pytest.mark.parametrize(
    ("message", "room"),
    [
        # vLLM, and the hosts that run it
        (VLLM.format(8192, "9000 tokens (1000 in the messages, 8000 in the completion)."), 7191),
        (VLLM.format(4096, "8040 tokens (40 in the messages, 8000 in the completion)."), 4055),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 8000 "
            "tokens and your request has 15 input tokens (8000 > 8000 - 15).",
            7984,
        ),
        (
            "You passed 60 input tokens and requested 8000 output tokens. However, the model's context length is only "
            "8048 tokens, resulting in a maximum input length of 48 tokens. Please reduce the length of the input.",
            7987,
        ),
        (
            VLLM.format(
                51_200, "8000 output tokens and your prompt contains at least 50000 input tokens, for a "
            )
            + "total of at least 58000 tokens.",
            1199,
        ),
        # SGLang
        (
            "Requested token count exceeds the model's maximum context length of 1000 tokens. You requested a total "
            "of 8006 tokens: 6 tokens from the input messages and 8000 tokens for the completion.",
            993,
        ),
        # OpenRouter
        (VLLM.format("131,072", "about 138,000 tokens (130,000 of text input, 8,000 in the output)."), 1071),
        (
            VLLM.format(
                40_000, "about 44000 tokens (30000 of text input, 6000 of tool input, 8000 in the output)."
            ),
            3999,
        ),
        # Anthropic, TGI and Together
        (
            "input length and `max_tokens` exceed context limit: 198240 + 8000 > 200000, decrease input length or "
            "`max_tokens` and try again",
            1759,
        ),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 500 `inputs` tokens and 8000 `max_new_tokens`",
            3595,
        ),
        # The prompt is what is too long.
        (VLLM.format(4096, "13000 tokens (5000 in the messages, 8000 in the completion)."), None),
        (
            "You passed 140000 input tokens and requested 8000 output tokens. However, the model's context length is "
            "only 131072 tokens, resulting in a maximum input length of 123072 tokens.",
            None,
        ),
        ("You passed 9000 input tokens and requested 0 output tokens. The context length is only 8192", None),
        ("exceed context limit: 205000 + 8000 > 200000", None),
        ("request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it", None),
        ("prompt is too long: 205000 tokens > 200000 maximum", None),
        (VLLM.format(8192, "16190 tokens (8190 in the messages, 8000 in the completion)."), None),
        ("This model's maximum context length is 4096 tokens, max_tokens is too large", None),
        ("the context length is exceeded, 8000", None),
    ],
)
def test_a_refusal_tells_what_there_is_room_for_beside_the_prompt(message: str, room: int | None) -> None:
    refused = refusal("x", json.dumps(openai(message)).encode(), status=400)
    assert isinstance(refused, ContextTooLong)
    assert stated_room(refused, 8000) == room
    assert stated_max_output(refused, 8000) is None


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
        (openai("messages[0].role: 'system' is not a supported role"), True),
        (openai("Only user and assistant roles are supported!"), True),
        (openai("system_instruction is not supported"), True),
        (openai("The model does not accept a system prompt"), True),
        (openai("the system is not available"), False),
        (openai("Operating system not supported"), False),
        (openai("system: Input should be a valid string"), False),
        (openai("reasoning_effort is not supported with this model"), False),
        (openai("messages: a system message must come first"), False),
    ],
)
def test_a_refusal_tells_that_no_system_message_is_taken(body: Any, refuses: bool) -> None:
    assert refuses_system(refusal("x", json.dumps(body).encode(), status=400)) == refuses


def test_vendors_say_it_in_many_words() -> None:
    """One line each: what a vendor answered, what it was asked for, and what of that it refused."""
    for line in SAID.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        error = refusal("x", json.dumps(told["body"]).encode(), status=told["status"])
        assert sorted(refused_params(error, told["asks"])) == told["refused"], line


_REFUSALS = (
    "Unknown parameter: {}.",
    "Unrecognized request argument supplied: {}",
    "Additional properties are not allowed ('{}' was unexpected)",
    "This model does not accept {}",
    "{} isn't available for this model",
    "{} is not a valid parameter for this model",
    "Invalid parameter: {}",
    "{}: field forbidden",
    "please remove {}",
    "{} disallowed here",
    "{}参数不支持",
    "only newer models may use `{}`",
)
_SPELT = (
    "reasoning_effort",
    "`reasoning_effort`",
    "reasoningEffort",
    "reasoning effort",
    "body.reasoning_effort",
)
_BESIDE = (
    "temperature is not supported with {} set",
    "This model does not support images when {} is on",
    "tools[0].function.parameters.properties.{}: unsupported type",
    "messages[3].content: {} is unknown",
    "`max_tokens` must be greater than {}",
    "Invalid schema for function 'f': '{}' is not permitted",
)


def test_a_knob_that_is_named_is_what_a_refusal_is_about_unless_something_else_is() -> None:
    for said, about in ((_REFUSALS, {"reasoning_effort"}), (_BESIDE, set[str]())):
        for sentence, name in itertools.product(said, _SPELT):
            error = refusal("x", json.dumps(openai(sentence.format(name))).encode(), status=400)
            assert refused_params(error, EFFORT) == about, sentence.format(name)


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
    assert refused_params(error, RESPONSES) <= known
    most = stated_max_output(error, asked)
    assert most is None or 16 <= most < asked
