"""Each kind of block says to the model what it says at Anthropic's, or is passed over and named."""

from typing import Any

import msgspec
import pytest

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.dialects.anthropic_request import parse
from perpend.types import Message, Request, Text, ToolResult, ToolUse

USER = {"role": "user", "content": "hi"}
HOSTED = [
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [
            {"type": "web_search_result", "url": "https://x.example", "title": "X", "encrypted_content": "…"}
        ],
    },
    {
        "type": "web_fetch_tool_result",
        "tool_use_id": "s2",
        "content": {"type": "web_fetch_result", "url": "https://x.example", "content": {"type": "document"}},
    },
    {"type": "container_upload", "file_id": "file_1"},
]


def read(*messages: dict[str, Any], **fields: Any) -> Request:
    body = {"model": "small", "max_tokens": 9, "messages": list(messages), **fields}
    return parse(msgspec.json.encode(body), Config()).request


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(*blocks: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "tool_result", "tool_use_id": "c1", "content": list(blocks)}]
    return {"role": "user", "content": content}


def test_what_the_vendor_s_own_tools_did_is_passed_over() -> None:
    request = read(USER, assistant(*HOSTED, {"type": "text", "text": "Found."}), USER, assistant(*HOSTED))
    assert request.messages == (
        Message("user", "hi"),
        Message("assistant", "Found."),
        Message("user", "hi"),
    )
    named = {f"messages[{m}].content[{i}]" for m in (1, 3) for i in range(len(HOSTED))}
    assert named <= set(request.ignored)


def test_a_tool_that_the_client_s_search_found_is_told() -> None:
    call = {
        "type": "tool_use",
        "id": "c1",
        "name": "ToolSearch",
        "input": {"query": "web"},
        "caller": {"type": "direct"},
    }
    found = [{"type": "tool_reference", "tool_name": name} for name in ("WebFetch", "NotebookEdit")]
    request = read(USER, assistant(call), result(*found))
    assert request.messages[1:] == (
        Message("assistant", (ToolUse("c1", "ToolSearch", '{"query":"web"}'),)),
        Message("tool", (ToolResult("c1", "Found the tool WebFetch.\nFound the tool NotebookEdit.\n"),)),
    )
    assert request.ignored == ("messages[].content[].caller",)


def test_a_search_result_is_text_with_its_source() -> None:
    block = {
        "type": "search_result",
        "source": "https://x.example",
        "title": "X",
        "content": [{"type": "text", "text": "says"}, {"type": "text", "text": "so"}],
        "citations": {"enabled": True},
    }
    assert read(result(block)).messages[0].parts == (ToolResult("c1", "X\nhttps://x.example\nsays\nso"),)


def test_a_system_message_in_the_middle_stays_in_its_place() -> None:
    told = {"role": "system", "content": [{"type": "text", "text": "Now in French."}]}
    changed = {"role": "system", "content": [{"type": "tool_addition", "tool": {"name": "x"}}]}
    request = read(USER, told, changed, {"role": "system", "output_config": {}}, system="Be brief.")
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "Be brief."),
        ("user", "hi"),
        ("system", "Now in French."),
    ]


@pytest.mark.parametrize(
    ("after", "shown"), [([], True), ([assistant({"type": "text", "text": "a"}), USER], False)]
)
def test_a_system_message_for_one_turn_is_gone_with_the_next(after: list[Any], shown: bool) -> None:
    once = {"role": "system", "content": "Only now.", "clear_at": "next_user_message"}
    assert (Message("system", "Only now.") in read(USER, once, *after).messages) == shown


def test_a_tool_s_result_that_is_an_object_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        read({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": {"a": 1}}]})
    assert refused.value.field == "messages[0].content[0].content"


def test_a_summary_of_what_was_before_is_text() -> None:
    request = read(assistant({"type": "compaction", "content": "They greeted.", "signature": "s"}), USER)
    assert request.messages[0] == Message("assistant", "They greeted.")
    assert Text("They greeted.") in request.messages[0].parts
