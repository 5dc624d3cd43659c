"""An Anthropic body becomes the same canonical request, or an error that names the field."""

from typing import Any

import msgspec
import pytest
from scripted import House, Keys, answer, gateway, named_events_of

from perpend.config.schema import Config, ServeConfig
from perpend.errors import BadRequest
from perpend.serving.dialects.anthropic_answer import message_body
from perpend.serving.dialects.anthropic_request import MessagesParsed, parse
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    ProviderState,
    Request,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Visibility,
)

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL = {"name": "add", "description": "Adds.", "input_schema": SCHEMA}
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
BODY = {"model": "small", "max_tokens": 99, "messages": [USER]}


def parsed(config: Config | None = None, **fields: Any) -> Request:
    return parse(msgspec.json.encode({**BODY, **fields}), config or Config()).request


def user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def test_sampling_and_limits() -> None:
    request = parsed(system="Be brief.", temperature=1, top_p=0.9, stop_sequences=["END"], max_cost_usd=0.1)
    assert request.messages == (Message("system", "Be brief."), Message("user", "hi"))
    assert request.sampling == Sampling(temperature=1, top_p=0.9, stop=("END",))
    assert request.limits.max_output_tokens == 99
    blocks = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "b"},
    ]
    request = parsed(system=blocks)
    assert request.messages[0] == Message("system", "a\n\nb")
    assert (request.sampling.cache_control, request.ignored) == ({"type": "ephemeral"}, ())


@pytest.mark.parametrize(
    ("fields", "effort", "tokens"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, None, 2048),
        ({"thinking": {"type": "enabled"}, "max_thinking_tokens": 7}, None, 7),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "max", None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, "none", None),
        ({"output_config": {"effort": "low"}}, "low", None),
        ({"reasoning_effort": "high", "output_config": {"effort": "low"}}, "high", None),
        ({"thinking": {"type": "between_tools"}}, None, None),
        (
            {"messages": [USER, {"role": "system", "content": "x", "output_config": {"effort": "max"}}]},
            "max",
            None,
        ),
        (
            {
                "output_config": {"effort": "max"},
                "messages": [USER, {"role": "system", "output_config": {"effort": "low"}}, USER],
            },
            "low",
            None,
        ),
    ],
)
def test_thinking_is_asked_for_anthropics_way(
    fields: dict[str, Any], effort: str | None, tokens: int | None
) -> None:
    request = parsed(**fields)
    assert (request.effort, request.limits.max_thinking_tokens) == (effort, tokens)


@pytest.mark.parametrize(
    ("fields", "visibility", "thoughts"),
    [
        ({}, "hidden", False),
        ({"output_config": {"effort": "high"}}, "hidden", False),
        ({"thinking": {"type": "disabled"}}, "hidden", False),
        ({"thinking": {"type": "adaptive"}}, "visible", True),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, "visible", True),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "visible", True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "hidden", True),
        ({"max_thinking_tokens": 64}, "visible", True),
        ({"thinking_visibility": "visible"}, "visible", True),
        ({"thinking": {"type": "adaptive"}, "thinking_visibility": "summary"}, "summary", True),
    ],
)
def test_thinking_comes_back_where_it_is_asked_for(
    fields: dict[str, Any], visibility: Visibility, thoughts: bool
) -> None:
    """As at Anthropic's: a client that says nothing of thinking reads its answer from the first block."""
    told = parse(msgspec.json.encode({**BODY, **fields}), Config())
    assert (told.request.visibility, told.thoughts) == (visibility, thoughts)


def test_tools_and_the_form_of_the_answer() -> None:
    choice = {"type": "tool", "name": "add", "disable_parallel_tool_use": True}
    output_spec = parsed(
        tools=[TOOL], tool_choice=choice, output_config={"format": {"type": "json_schema", "schema": SCHEMA}}
    ).output_spec
    assert output_spec == OutputSpec(
        tools=(Tool(name="add", description="Adds.", parameters=SCHEMA),),
        tool_choice=ForcedTool("add"),
        parallel_tools=False,
        output=OutputFormat(schema=SCHEMA),
    )
    assert parsed(tools=[TOOL], tool_choice={"type": "any"}).output_spec.tool_choice == "required"


def test_results_go_before_what_the_user_says() -> None:
    assistant = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}}],
    }
    results = [
        {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
        {
            "type": "tool_result",
            "tool_use_id": "c2",
            "is_error": True,
            "content": [{"type": "text", "text": "no"}, {"type": "image", "source": PNG}],
        },
    ]
    messages = [USER, assistant, *user(*results, {"type": "text", "text": "and now?"})]
    picture = Image("data:image/png;base64,AAAA")
    assert parsed(messages=messages).messages[1:] == (
        Message("assistant", (ToolUse("c1", "add", '{"a":1}'),)),
        Message("tool", (ToolResult("c1", "2"), ToolResult("c2", (Text("no"), picture), True))),
        Message("user", "and now?"),
    )


SAID: tuple[Part, ...] = (
    Thought("first", ProviderState("v", "s1")),
    Thought("", ProviderState("v", "redacted")),
    Thought("unsigned"),
    Text("text", ProviderState("v", "s3")),
    ToolUse("c1", "add", '{"a":1}', ProviderState("v", "s4")),
)


@pytest.mark.parametrize("visibility", ["visible", "summary", "hidden"])
def test_a_message_that_comes_back_as_it_went_out_is_what_the_model_said(visibility: Visibility) -> None:
    whole = answer("text", "firstunsigned", "tool_calls", "a line\n", SAID)
    asked = MessagesParsed(Request(messages=(), visibility=visibility), stream=False)
    reply = msgspec.json.decode(message_body(whole, asked))
    message = {"role": "assistant", "content": reply["content"]}
    back = parsed(messages=[USER, message]).messages[1]
    if visibility == "visible":
        assert back == Message("assistant", SAID)
    else:
        kept = (Thought("", ProviderState("v", "s1")), SAID[1], *SAID[3:])
        assert back == Message("assistant", kept)


def test_signatures_that_are_not_ours_are_dropped() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "EqQBCgIYAhIM"},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"type": "redacted_thinking", "data": "perpend.1.bm9uc2Vuc2U"},
        {"type": "text", "text": "4"},
    ]
    message = {"role": "assistant", "content": blocks}
    assert parsed(messages=[USER, message]).messages[1].content == (Thought("hm"), Text("4"))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_token": 5}, "max_token"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 5}, "max_thinking_tokens": 6}, "max_thinking_tokens"),
    ({"tools": [{"name": "add"}]}, "tools[0].input_schema"),
    ({"tools": [{"input_schema": SCHEMA}]}, "tools[0].name"),
    ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "thread"),
    ({"compaction": {"type": "summarize"}}, "compaction"),
    ({"tools": [WEB_SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}}, "tool_choice"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"messages": user({"type": "text"})}, "messages[0].content[0].text"),
    ({"messages": user({"type": "document"})}, "messages[0].content[0].source.type"),
    ({"messages": user({"type": "thinking", "thinking": "x"})}, "messages[0]"),
    ({"messages": user({"type": "tool_result"})}, "messages[0].content[0].tool_use_id"),
    (
        {"messages": user({"type": "image", "source": {"type": "base64", "media_type": "a/b", "data": "A"}})},
        "messages[0].content[0].source",
    ),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)
    assert caught.value.field == field
    assert caught.value.hint


def test_what_stock_clients_send_beside_the_conversation_is_passed_over_and_named() -> None:
    """The fields of Claude Code's requests, and of the SDKs' tool runner."""
    cached = {"cache_control": {"type": "ephemeral"}}
    request = parsed(
        metadata={"user_id": "u"},
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2;"},
            {"type": "text", "text": "Be brief.", **cached},
        ],
        tools=[
            {**TOOL, **cached, "defer_loading": True},
            WEB_SEARCH,
            {"type": "mcp_toolset", "mcp_server_name": "x"},
        ],
        tool_choice={"type": "auto"},
        speed="fast",
        thread={"type": "create"},
        fallbacks=[{"model": "claude-haiku-4-5"}],
        betas=["context-1m-2025-08-07"],
        output_config={"effort": "high", "task_budget": {"type": "tokens", "total": 20_000}},
        context_management={"edits": [{"type": "compact_20260112"}]},
    )
    assert request.messages[0] == Message("system", "Be brief.")
    assert request.user == "u"
    assert [tool.name for tool in request.output_spec.tools] == ["add"]
    assert set(request.ignored) == {
        *("speed", "fallbacks", "thread", "betas", "output_config.task_budget"),
        *("system[0]", "tools[].defer_loading"),
        *(
            "tools[].max_uses",
            "tools[].mcp_server_name",
            "tools[1]",
            "tools[2]",
            "context_management.edits[0]",
        ),
    }


@pytest.mark.parametrize(
    ("type_", "name", "field"),
    [
        ("bash_20250124", "bash", "command"),
        ("text_editor_20250728", "str_replace_based_edit_tool", "insert_text"),
        ("memory_20250818", "memory", "new_path"),
    ],
)
def test_a_tool_that_the_client_runs_and_anthropic_s_models_know_is_described(
    type_: str, name: str, field: str
) -> None:
    request = parsed(tools=[{"type": type_, "name": name}], tool_choice={"type": "tool", "name": name})
    (tool,) = request.output_spec.tools
    assert (tool.name, field in tool.parameters["properties"], bool(tool.description)) == (name, True, True)
    assert request.ignored == ()


async def test_errors_have_anthropics_shape_and_a_hint() -> None:
    async with gateway(House(), Keys(secret="key_1")) as front:
        key = {"x-api-key": "secret", "anthropic-version": "2023-06-01"}
        reply = await front.post({**BODY, "max_token": 1}, "/v1/messages", headers=key)
        assert reply.status == 400
        assert reply.json == {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "unknown field 'max_token'",
                "code": "invalid_request_error",
                "param": "max_token",
                "hint": "did you mean 'max_tokens'?",
            },
        }
        refused = await front.post(BODY, "/v1/messages")
        assert (refused.status, refused.error["type"]) == (401, "authentication_error")
        assert (await front.post(BODY, "/v1/messages", headers=key)).status == 200


async def test_tokens_are_counted_without_an_answer() -> None:
    async with gateway(House(config=Config(serve=ServeConfig()))) as front:
        reply = await front.post({"model": "small", "messages": [USER]}, "/v1/messages/count_tokens")
        assert reply.json == {"input_tokens": 17}
        assert front.house.requests == []


async def test_an_answer_to_who_asked_for_no_thinking_has_none() -> None:
    async with gateway(House()) as front:
        reply = await front.post(BODY, "/v1/messages")
        assert reply.json["content"] == [{"type": "text", "text": "42"}]
        assert reply.json["usage"]["output_tokens_details"] == {"thinking_tokens": 5}
        asked = {**BODY, "thinking": {"type": "adaptive"}}
        assert [block["type"] for block in (await front.post(asked, "/v1/messages")).json["content"]] == [
            "thinking",
            "text",
        ]


async def test_what_was_edited_is_told_to_who_asked_for_edits() -> None:
    edits = {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}
    async with gateway(House()) as front:
        whole = await front.post({**BODY, **edits}, "/v1/messages")
        assert whole.json["context_management"] == {"applied_edits": []}
        streamed = named_events_of((await front.post({**BODY, **edits, "stream": True}, "/v1/messages")).body)
        assert streamed[-2]["context_management"] == {"applied_edits": []}
        assert "context_management" not in (await front.post(BODY, "/v1/messages")).json
        counted = await front.post({**BODY, **edits}, "/v1/messages/count_tokens")
        assert counted.json == {"input_tokens": 17}
