"""What is sent on the OpenAI chat wire: parts, tools, formats, and the thoughts that a vendor wants back."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from replaying import call
from wire_requests import well_formed

from perpend.backends.openai_chat.request import chat_body
from perpend.families.family import family_of
from perpend.providers.provider import Provider, providers
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    ProviderState,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)

ADD = Tool(name="add", description="Adds.", parameters={"type": "object"})
PLAIN = Provider(name="plain")


def body(provider: Provider = PLAIN, model: str = "m", **changes: Any) -> dict[str, Any]:
    written = chat_body(replace(call(family_of(model), **changes), model=model), provider)
    return msgspec.json.decode(msgspec.json.encode(written))


def turn(*parts: Part) -> tuple[Message, ...]:
    """A question, what the assistant said, and the tool's answer."""
    result = Message("tool", (ToolResult("call_1", "5"),))
    return (Message("user", "2 + 3?"), Message("assistant", parts), result)


USE = ToolUse("call_1", "add", '{"a": 2}')


def test_pictures_go_beside_the_text() -> None:
    parts = (Text("What is it?"), Image("data:image/png;base64,AA==", "low"))
    (message,) = body(messages=(Message("user", parts),))["messages"]
    assert message["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
    ]


def test_text_alone_goes_as_text() -> None:
    (message,) = body(messages=(Message("user", (Text("a"), Text("b"))),))["messages"]
    assert message == {"role": "user", "content": "ab"}


def test_a_tool_call_and_its_result() -> None:
    _, assistant, result = body(messages=turn(Text("So: "), USE))["messages"]
    function = {"name": "add", "arguments": '{"a": 2}'}
    assert assistant == {
        "role": "assistant",
        "content": "So: ",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "5"}


def test_pictures_of_a_result_follow_as_the_users() -> None:
    seen = ToolResult("call_1", (Text("here"), Image("https://x/y.png")))
    result, pictures = body(messages=(Message("tool", (seen,)),))["messages"]
    assert result["content"] == "here"
    assert pictures["content"] == [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]


def test_tools_and_how_they_are_chosen() -> None:
    output_spec = OutputSpec(tools=(ADD,), tool_choice=ForcedTool("add"), parallel_tools=False)
    sent = body(output_spec=output_spec)
    assert sent["tools"][0]["function"] == {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object"},
    }
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert sent["parallel_tool_calls"] is False
    assert "tools" not in body(output_spec=output_spec, phase="thinking"), "thinking isn't bound by them"


def test_a_schema_is_sent_or_where_it_is_not_taken_told() -> None:
    output_spec = OutputSpec(output=OutputFormat(schema={"type": "object"}, strict=True))
    assert body(output_spec=output_spec)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    told = body(providers()["deepseek"], "deepseek-v4-flash", output_spec=output_spec)
    assert told["response_format"] == {"type": "json_object"}
    assert '{"type":"object"}' in told["messages"][-1]["content"]
    assert body(output_spec=OutputSpec(output=OutputFormat()))["response_format"] == {"type": "json_object"}


def test_a_format_never_binds_a_thought_that_stands_in_the_text() -> None:
    """TGI holds all of the text to it: it is told in words until the thought is over."""
    tgi, output_spec = providers()["tgi"], OutputSpec(output=OutputFormat(schema={"type": "object"}))
    thinks = body(tgi, "deepseek-r1", output_spec=output_spec, thinking_tokens=9)
    assert "response_format" not in thinks
    assert '{"type":"object"}' in thinks["messages"][-1]["content"]
    assert (
        body(tgi, "deepseek-r1", output_spec=output_spec, phase="answering")["response_format"]["type"]
        == "json_schema"
    )
    assert "response_format" in body(
        providers()["vllm"], "deepseek-r1", output_spec=output_spec, thinking_tokens=9
    )


@pytest.mark.parametrize("model", ["m", "deepseek-r1", "qwen3-8b", "gpt-oss-20b", "magistral-small"])
@pytest.mark.parametrize("name", [row.name for row in providers().values() if row.wire == "openai_chat"])
def test_what_goes_to_any_provider_is_well_formed(name: str, model: str) -> None:
    """By OpenAI's own types, the row's own fields apart."""
    output_spec = OutputSpec(
        tools=(ADD,), tool_choice=ForcedTool("add"), output=OutputFormat(schema={"type": "object"})
    )
    asked = {
        "output_spec": output_spec,
        "sampling": Sampling(temperature=0.5, top_p=0.9, seed=1, stop=(".",)),
    }
    for tokens in (0, 2048):
        sent = body(providers()[name], model, messages=turn(USE), thinking_tokens=tokens, **asked)
        well_formed("openai_chat", sent, providers()[name])


class TestThoughts:
    said = turn(Thought("Hm."), USE)

    @pytest.mark.parametrize(
        ("provider", "model", "field"),
        [
            ("deepseek", "deepseek-v4-flash", "reasoning_content"),
            ("deepseek", "deepseek-reasoner", None),
            ("moonshot", "kimi-k2-thinking", "reasoning_content"),
            ("openai", "gpt-4o", None),
        ],
    )
    def test_go_back_where_they_are_wanted(self, provider: str, model: str, field: str | None) -> None:
        assistant = body(providers()[provider], model, messages=self.said)["messages"][1]
        extra = set(assistant) - {"role", "content", "tool_calls"}
        assert extra == ({field} if field else set())
        if field:
            assert assistant[field] == "Hm."

    def test_of_finished_turns_do_not_where_only_a_pending_call_needs_them(self) -> None:
        later = (
            *self.said,
            Message("assistant", (Thought("Yes."), Text("5"))),
            Message("user", "And 3 + 4?"),
        )
        sent = body(providers()["moonshot"], "kimi-k2-thinking", messages=later)["messages"]
        assert not any("reasoning_content" in message for message in sent)

    def test_are_never_left_out_where_their_absence_is_refused(self) -> None:
        messages = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
        sent = body(providers()["deepseek"], "deepseek-v4-flash", messages=messages)["messages"][1]
        assert sent == {"role": "assistant", "content": "b", "reasoning_content": ""}

    def test_stand_between_tags_where_the_vendor_leaves_them(self) -> None:
        messages = (Message("assistant", (Thought("Hm."), Text("5"))), Message("user", "Sure?"))
        sent = body(providers()["minimax"], "MiniMax-M2", messages=messages)["messages"][0]
        assert sent["content"] == "<think>\nHm.\n</think>\n\n5"

    def test_are_chunks_of_mistrals_content(self) -> None:
        messages = (Message("assistant", (Thought("Hm."), Text("5"))), Message("user", "Sure?"))
        sent = body(providers()["mistral"], "mistral-small-latest", messages=messages)["messages"][0]
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        assert sent["content"] == [thinking, {"type": "text", "text": "5"}]

    def test_of_openrouter_go_back_whole_and_only_there(self) -> None:
        details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]
        provider_state = ProviderState("openrouter", msgspec.json.encode(details).decode())
        messages = turn(Thought("Hm.", provider_state), USE)
        sent = body(providers()["openrouter"], "anthropic/claude-sonnet-4.5", messages=messages)["messages"][
            1
        ]
        assert sent["reasoning_details"] == details
        other = replace(providers()["openrouter"], name="another")
        sent = body(other, "anthropic/claude-sonnet-4.5", messages=messages)["messages"][1]
        assert "reasoning_details" not in sent
        assert sent["reasoning"] == "Hm."


def test_what_the_family_refuses_is_left_out() -> None:
    sent = body(model="grok-3-mini", sampling=Sampling(stop=("x",), seed=7))
    assert ("stop" in sent, sent["seed"]) == ("stop" not in family_of("grok-3-mini").rejects, 7)


def test_fields_that_a_place_names_otherwise_or_refuses() -> None:
    sent = body(providers()["mistral"], sampling=Sampling(seed=7))
    assert sent["random_seed"] == 7
    assert not {"seed", "stream_options"} & set(sent)
