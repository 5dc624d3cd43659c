"""A body becomes a request, or an error that names the field and what is nearest to it."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from scripted import BODY, answer

from perpend.config.schema import Config, DefaultsConfig, ServeConfig
from perpend.errors import BadRequest
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.openai_chat_answer import completion_body
from perpend.serving.dialects.openai_chat_request import parse
from perpend.types import (
    ForcedTool,
    Image,
    Limits,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    ProviderState,
    Sampling,
    StrategySpec,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    VerifierSpec,
)

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
SUB = {"type": "function", "function": {"name": "sub"}}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA}}


def allowed(name: str, mode: str = "auto") -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}}]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def parsed(**fields: Any) -> Parsed:
    return parse(msgspec.json.encode({"messages": [USER], **fields}), Config())


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)
    return caught.value


def test_the_least_body_takes_the_defaults() -> None:
    config = Config(defaults=DefaultsConfig(visibility="hidden"))
    got = parse(b'{"messages": [{"role": "user", "content": "hi"}]}', config)
    assert got.request.messages == (Message("user", "hi"),)
    assert got.request.model is None
    assert got.request.limits == Limits()
    assert got.request.visibility == "hidden"
    assert (got.stream, got.include_usage) == (False, False)


def test_every_field_of_perpends_own() -> None:
    request = parsed(
        model="small",
        reasoning_effort="high",
        max_thinking_tokens=0,
        max_cost_usd=0.1,
        deadline_ms=5000,
        thinking_visibility="summary",
        progress=True,
        strategy={"name": "budget_forcing", "waits": 2},
        verifier="math",
        router="off",
        cache=False,
    ).request
    assert (request.model, request.effort) == ("small", "high")
    assert request.limits == Limits(max_thinking_tokens=0, max_cost_usd=Decimal("0.1"), deadline_ms=5000)
    assert (request.visibility, request.progress, request.cache) == ("summary", True, False)
    assert request.strategy == StrategySpec("budget_forcing", {"waits": 2})
    assert request.verifier == VerifierSpec("math")


def test_sampling_and_streaming_as_openai_has_them() -> None:
    got = parsed(
        stream=True,
        stream_options={"include_usage": True},
        max_completion_tokens=99,
        temperature=0,
        top_p=0.9,
        seed=7,
        stop="END",
        reasoning_effort="xhigh",
        strategy="single",
    )
    assert (got.stream, got.include_usage) == (True, True)
    assert got.request.limits.max_output_tokens == 99
    assert got.request.sampling == Sampling(temperature=0, top_p=0.9, seed=7, stop=("END",))
    assert got.request.effort == "max"
    assert parsed(max_tokens=5).request.limits.max_output_tokens == 5
    assert parsed(stop=["a", "b"]).request.sampling.stop == ("a", "b")


def test_a_conversation_with_parts_and_past_thinking() -> None:
    turns: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "Ann",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {
            "role": "assistant",
            "content": "c",
            "reasoning_content": "past",
            "refusal": None,
            "tool_calls": None,
        },
        {"role": "assistant", "content": None},
    ]
    request = parsed(messages=[*turns, USER]).request
    assert request.messages == (
        Message("system", "Be brief."),
        Message("user", "ab"),
        Message("assistant", (Thought("past"), Text("c"))),
        Message("assistant", ""),
        Message("user", "hi"),
    )


def test_all_of_the_sampling() -> None:
    got = parsed(
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logit_bias={"50256": -100},
        verbosity="low",
        logprobs=True,
        top_logprobs=3,
        top_k=40,
        min_p=0.05,
        repetition_penalty=1.1,
    )
    assert got.request.sampling == Sampling(
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logit_bias={"50256": -100.0},
        verbosity="low",
        logprobs=3,
        top_k=40,
        min_p=0.05,
        repetition_penalty=1.1,
    )
    assert got.request.ignored == ()


def test_what_says_nothing_is_as_if_it_werent_there() -> None:
    got = parsed(presence_penalty=0, frequency_penalty=0.0, logit_bias={}, verbosity="medium", logprobs=False)
    assert got.request.sampling == Sampling()


def test_n_is_the_strategy_that_keeps_all_samples() -> None:
    assert parsed(n=3).request.strategy == StrategySpec("samples", {"n": 3})
    assert parsed(n=1, strategy="best_of_n").request.strategy == StrategySpec("best_of_n")


def test_options_of_a_vendors_own() -> None:
    options = {"openai": {"service_tier": "flex"}, "raw_completion": {"add_special_tokens": False}}
    assert parsed(provider_options=options).request.provider_options == options


def test_the_tools_that_are_allowed_this_time() -> None:
    output_spec = parsed(tools=[TOOL, SUB], tool_choice=allowed("sub", "required")).request.output_spec
    assert ([tool.name for tool in output_spec.tools], output_spec.tool_choice) == (["sub"], "required")


def test_functions_are_tools() -> None:
    """The form before November 2023: a call without an id, a result that names the function."""
    call = {"name": "add", "arguments": '{"a": 1}'}
    got = parsed(
        functions=[TOOL["function"]],
        function_call={"name": "add"},
        messages=[
            USER,
            {"role": "assistant", "content": None, "function_call": call},
            {"role": "function", "name": "add", "content": "3"},
        ],
    )
    assert [tool.name for tool in got.request.output_spec.tools] == ["add"]
    assert got.request.output_spec.tool_choice == ForcedTool("add")
    _, said, result = got.request.messages
    assert said.parts == (ToolUse("call_1", "add", '{"a": 1}'),)
    assert result.parts == (ToolResult("call_1", "3"),)


def test_what_sdks_send_by_default_is_accepted() -> None:
    parsed(
        n=1,
        user="u",
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
        parallel_tool_calls=True,
        response_format={"type": "text"},
        modalities=["text"],
        logprobs=False,
        tools=[],
        tool_choice="auto",
        frequency_penalty=0,
        presence_penalty=0.0,
        logit_bias={},
        seed=None,
        stop=None,
    )


def test_tools_and_the_form_of_the_answer() -> None:
    output_spec = parsed(
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "add"}},
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "sum", "schema": SCHEMA, "strict": True},
        },
    ).request.output_spec
    assert output_spec == OutputSpec(
        tools=(Tool(name="add", description="Adds.", parameters=SCHEMA),),
        tool_choice=ForcedTool("add"),
        parallel_tools=False,
        output=OutputFormat(schema=SCHEMA, name="sum", strict=True),
    )
    assert parsed(response_format={"type": "json_object"}).request.output_spec == OutputSpec(
        output=OutputFormat()
    )


def test_calls_and_results_and_an_image() -> None:
    url = "data:image/png;base64,AAAA"
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}, "index": 0},
        {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
    ]
    request = parsed(
        messages=[
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": url}}],
            },
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c1", "content": "0"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "1"}]},
        ]
    ).request
    assert request.messages == (
        Message("user", (Text("a"), Image(url))),
        Message("assistant", (ToolUse("c1", "add", "{}"), ToolUse("c2", "add", '{"a": 1}'))),
        Message("tool", (ToolResult("c1", "0"), ToolResult("c2", "1"))),
    )


def test_a_message_that_comes_back_as_it_went_out_is_what_the_model_said() -> None:
    said: tuple[Part, ...] = (
        Thought("first", ProviderState("v", "s1")),
        Thought("between"),
        Thought("", ProviderState("v", "hidden")),
        Thought("second", ProviderState("v", "s2")),
        Text("text", ProviderState("v", "s3")),
        ToolUse("c1", "add", "{}", ProviderState("v", "s4")),
    )
    whole = answer("text", "firstbetweensecond", "tool_calls", content=said)
    message = msgspec.json.decode(completion_body(whole, "visible"))["choices"][0]["message"]
    assert parsed(messages=[USER, message]).request.messages[1] == Message("assistant", said)
    unseen = msgspec.json.decode(completion_body(whole, "hidden"))["choices"][0]["message"]
    back = parsed(messages=[USER, unseen]).request.messages[1]
    assert back.thinking == ""
    assert [part.provider_state for part in back.parts if isinstance(part, Thought)] == [
        part.provider_state for part in said if isinstance(part, Thought) and part.provider_state
    ]


def test_what_another_gateway_put_there_is_left_out() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}, {"type": "perpend.carry"}, 5]
    message = {"role": "assistant", "content": "c", "reasoning_details": details}
    assert parsed(messages=[USER, message]).request.messages[1] == Message("assistant", (Text("c"),))


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({"max_thinking_token": 5}, "max_thinking_token", "max_thinking_tokens"),
    ({"messages": [{"role": "user", "contents": "x"}]}, "messages[0].contents", "content"),
    ({"messages": [{"role": "usr", "content": "x"}]}, "messages[0].role", "user"),
    ({"messages": [USER, {"role": "user", "content": 5}]}, "messages[1].content", None),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "txt": "a"}]}]},
        "messages[0].content[0].txt",
        "text",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        None,
    ),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "text"),
    ({"messages": []}, "messages", None),
    ({"reasoning_effort": "hgih"}, "reasoning_effort", "high"),
    ({"thinking_visibility": 5}, "thinking_visibility", None),
    ({"max_thinking_tokens": -1}, "max_thinking_tokens", None),
    ({"max_thinking_tokens": 1.5}, "max_thinking_tokens", None),
    ({"max_thinking_tokens": True}, "max_thinking_tokens", None),
    ({"max_completion_tokens": 0}, "max_completion_tokens", None),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "max_completion_tokens"),
    ({"max_cost_usd": -0.01}, "max_cost_usd", "dollars|number"),
    ({"max_cost_usd": "NaN"}, "max_cost_usd", "number"),
    ({"deadline_ms": 0}, "deadline_ms", None),
    ({"temperature": 2.1}, "temperature", None),
    ({"temperature": "0"}, "temperature", None),
    ({"stop": [""]}, "stop[0]", None),
    ({"strategy": {"nam": "single"}}, "strategy.name", "name"),
    ({"strategy": {"name": "single", "x": [[[[[[[[[[]]]]]]]]]]}}, "strategy", "levels"),
    ({"router": "learned"}, "router", "off"),
    ({"tools": [TOOL, TOOL]}, "tools", "its own"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "name"),
    ({"tool_choice": "required"}, "tool_choice", "tools"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "ad"}}},
        "tool_choice",
        "add",
    ),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "schema"),
    ({"messages": [{"role": "tool", "content": "4"}]}, "messages[0].tool_call_id", "tool call"),
    ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].tool_call_id", "tool call"),
    ({"n": 0}, "n", None),
    ({"n": 2, "strategy": "best_of_n"}, "n", "best_of_n, samples, self_consistency take n"),
    ({"top_logprobs": 2}, "top_logprobs", "logprobs"),
    ({"presence_penalty": 3}, "presence_penalty", None),
    ({"logit_bias": {"1": 101}}, "logit_bias[...]", None),
    ({"functions": [{"name": "add"}], "tools": [TOOL]}, "functions", "tools alone"),
    ({"tools": [TOOL], "tool_choice": allowed("sub")}, "tool_choice", "add"),
    ({"provider_options": {"opnai": {}}}, "provider_options", "openai"),
    (
        {"provider_options": {"openai": {"reasoning": {"effort": "low"}}}},
        "provider_options.openai.reasoning",
        "own fields",
    ),
    (
        {"provider_options": {"google": {"generationConfig": {"maxOutputTokens": 9}}}},
        "provider_options.google.generationConfig.maxOutputTokens",
        "own fields",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].image_url",
        "address",
    ),
    ({"stream_options": {"includeUsage": True}}, "stream_options.includeUsage", "include_usage"),
]


@pytest.mark.parametrize(("fields", "field", "hint"), WRONG)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str, hint: str | None) -> None:
    error = refused(**fields)
    assert error.field == field
    assert error.hint
    if hint is not None:
        assert any(word in error.hint for word in hint.split("|"))


NOT_SUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type"),
]


@pytest.mark.parametrize(("fields", "field"), NOT_SUPPORTED)
def test_what_is_not_supported_says_so(fields: dict[str, Any], field: str) -> None:
    error = refused(**fields)
    assert error.field == field
    assert "isn't supported" in error.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "valid JSON"),
        (b"{", "valid JSON"),
        (b"[]", "expected `object`"),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', "UTF-8"),
        (b'{"strategy": ' + b"[" * 100_000, "nested too deep|expected"),
        (b'{"metadata": ' + b'{"a":' * 100_000, "nested too deep|expected"),
        (b'{"functions": ' + b"[" * 100_000, "nested too deep|expected"),
    ],
)
def test_a_body_that_is_no_request(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(body, Config())
    assert any(word in caught.value.message for word in words.split("|"))


def test_messages_are_bounded() -> None:
    config = Config(serve=ServeConfig(max_messages=2))
    with pytest.raises(BadRequest) as caught:
        parse(msgspec.json.encode({**BODY, "messages": [USER] * 3}), config)
    assert caught.value.field == "messages"


def test_as_other_harnesses_ask() -> None:
    """lm-evaluation-harness's local-chat-completions, and inspect-ai's openai-api."""
    lm_eval = parsed(
        model="m", max_tokens=256, temperature=0.0, stop=["Question:", "</s>", "<|im_end|>"], seed=1234
    ).request
    assert lm_eval.sampling == Sampling(temperature=0.0, seed=1234, stop=("Question:", "</s>", "<|im_end|>"))
    assert lm_eval.limits.max_output_tokens == 256
    assert parsed(stop=[], reasoning_effort="none").request.effort == "none"
    inspect = parsed(model="m", stream=True, stream_options={"include_usage": True}, n=1, logprobs=False)
    assert (inspect.stream, inspect.include_usage) == (True, True)
