"""The Gemini wire: every recording is read to its own figures; what is sent follows the family."""

import json
from pathlib import Path
from typing import Any

import pytest
from replaying import Wire, answer, call, content, ended, joined, provider_states, thinking
from shared_data import FOLDER, shared

from perpend.backends import Call, CallEvent
from perpend.errors import UpstreamError
from perpend.families.family import family_named
from perpend.types import (
    CallEnded,
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    ProviderState,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)

OWN = Path(__file__).parents[2] / "fixtures" / "gemini"
RECORDINGS = sorted(path.parent.name for path in FOLDER.glob("wire/gemini/*/meta.json"))
PRO = family_named("gemini-2.5-pro")
FLASH = family_named("gemini-2.5-flash")
LEVELS = family_named("gemini")
WEATHER = Tool(name="weather", description="Today's", parameters={"type": "object", "properties": {}})


def responses(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        body = path.read_bytes().strip()
        return json.loads(body if body.startswith(b"[") else b"[" + body + b"]")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def assert_equal(events: list[CallEvent], path: Path) -> None:
    said = responses(path)
    parts = [part for one in said for part in one["candidates"][0]["content"].get("parts", [])]
    assert thinking(events) == "".join(part["text"] for part in parts if part.get("thought"))
    assert answer(events) == "".join(part.get("text", "") for part in parts if not part.get("thought"))
    assert provider_states(events) == [
        part["thoughtSignature"] for part in parts if "thoughtSignature" in part
    ]
    calls = [part for part in content(events) if isinstance(part, ToolUse)]
    assert [(use.name, json.loads(use.arguments)) for use in calls] == [
        (part["functionCall"]["name"], part["functionCall"]["args"])
        for part in parts
        if "functionCall" in part
    ]
    counts = said[-1]["usageMetadata"]
    usage = ended(events).usage
    assert usage is not None
    assert usage.total == counts["totalTokenCount"]
    assert usage == Usage(
        counts["promptTokenCount"],
        0,
        counts.get("thoughtsTokenCount", 0),
        counts.get("candidatesTokenCount", 0),
    )
    reason = said[-1]["candidates"][0]["finishReason"]
    assert ended(events).reason == ("length" if reason == "MAX_TOKENS" else "tool_calls" if calls else "stop")


@pytest.mark.parametrize("cuts", [0, 1, 2])
@pytest.mark.parametrize("name", RECORDINGS or ["none"])
async def test_a_recording_is_read_to_its_own_figures(name: str, cuts: int) -> None:
    path = next(shared(f"wire/gemini/{name}").glob("response.*"))
    if path.suffix == ".json":
        assert_equal(Wire("gemini", path.read_bytes()).whole(call()), path)
    else:
        assert_equal(await Wire("gemini", path.read_bytes(), cuts=cuts).stream(call()), path)


async def test_a_refusal_is_an_upstream_error_streamed_or_not() -> None:
    body = shared("wire/composed/gemini/error-missing-thought-signature/response.json").read_bytes()
    with pytest.raises(UpstreamError, match="thought_signature") as refused:
        await Wire("gemini", (400, body)).stream(call())
    assert refused.value.upstream_status == 400
    with pytest.raises(UpstreamError, match="thought_signature"):
        Wire("gemini", body).whole(call())


SAID = (
    Thought("**Looking** for both 🌦"),
    Text("I'll look", ProviderState("here", "dGV4dA==")),
    Text("."),
    ToolUse("c1", "weather", '{"city": "Bonn"}', ProviderState("here", "Y2FsbA==")),
    ToolUse("c2", "clock", "{}"),
)
END = CallEnded("tool_calls", Usage(35, 12, 21, 14), "gemini-x-1")


@pytest.mark.parametrize("cuts", range(4))
async def test_parts_and_signatures_keep_their_order_and_thoughts_are_counted_beside(cuts: int) -> None:
    events = await Wire("gemini", (OWN / "tool.sse").read_bytes(), cuts=cuts).stream(call())
    assert content(events) == SAID
    assert ended(events) == END


async def test_a_list_of_responses_says_the_same_as_the_stream() -> None:
    said = json.dumps(responses(OWN / "tool.sse")).encode()
    streamed = await Wire("gemini", (OWN / "tool.sse").read_bytes()).stream(call())
    assert joined(Wire("gemini", said).whole(call())) == joined(streamed)


def test_a_signature_on_an_empty_last_part_belongs_to_the_text_before_it() -> None:
    parts = [{"text": "Four."}, {"text": "", "thoughtSignature": "c2ln"}]
    body = json.dumps({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).encode()
    events = Wire("gemini", body).whole(call())
    assert content(events) == (Text("Four.", ProviderState("here", "c2ln")),)
    assert ended(events) == CallEnded("stop")


def test_a_blocked_prompt_is_filtered_content() -> None:
    body = b'{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 8}}'
    assert Wire("gemini", body).whole(call()) == [CallEnded("content_filter", Usage(8))]


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"])
def test_a_filtered_answer(reason: str) -> None:
    body = json.dumps({"candidates": [{"finishReason": reason}]}).encode()
    assert Wire("gemini", body).whole(call()) == [CallEnded("content_filter")]


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "INVENTED_LATER"])
def test_an_end_that_is_no_answer_is_an_upstream_error(reason: str) -> None:
    body = json.dumps({"candidates": [{"finishReason": reason, "finishMessage": "so it is"}]}).encode()
    with pytest.raises(UpstreamError, match=f"{reason} so it is"):
        Wire("gemini", body).whole(call())


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (
            b'data: {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}\n\n',
            "overloaded",
        ),
        (b"data: {damaged\n\n", "can't be read"),
        (b"", "in the middle"),
    ],
)
async def test_a_stream_that_breaks_is_an_upstream_error(rest: bytes, said: str) -> None:
    begun = (
        (OWN / "tool.sse")
        .read_bytes()
        .partition(b'data: {"candidates": [{"content": {"parts": [{"text": ""')[0]
    )
    with pytest.raises(UpstreamError, match=said):
        await Wire("gemini", begun + rest).stream(call())


async def sent(asked: Call, provider: str = "here") -> dict[str, Any]:
    wire = Wire("gemini", (OWN / "tool.sse").read_bytes(), provider=provider)
    await wire.stream(asked)
    assert wire.asked[0].path == f"/models/{asked.model}:streamGenerateContent?alt=sse"
    return wire.asked[0].body


async def test_the_request_is_the_one_that_the_vendor_recorded() -> None:
    recorded = json.loads(shared("wire/gemini/gen-gemini3flash-level-stream/request.json").read_bytes())
    question = recorded["contents"][0]["parts"][0]["text"]
    body = await sent(call(LEVELS, effort="low", thinking_tokens=500, messages=(Message("user", question),)))
    assert body["generationConfig"].pop("maxOutputTokens") == 4096
    assert body == recorded


@pytest.mark.parametrize(
    ("family", "tokens", "config"),
    [
        (PRO, 2000, {"thinkingBudget": 2000, "includeThoughts": True}),
        (PRO, 50_000, {"thinkingBudget": 32768, "includeThoughts": True}),
        (PRO, 0, {"thinkingBudget": 128, "includeThoughts": True}),
        (FLASH, 0, {"thinkingBudget": 0, "includeThoughts": False}),
    ],
)
async def test_a_budget_keeps_to_the_models_bounds(family: Any, tokens: int, config: dict[str, Any]) -> None:
    assert (await sent(call(family, thinking_tokens=tokens)))["generationConfig"]["thinkingConfig"] == config


async def test_a_level_is_the_nearest_and_a_family_without_thinking_is_sent_none() -> None:
    config = (await sent(call(LEVELS, effort="max")))["generationConfig"]["thinkingConfig"]
    assert config == {"thinkingLevel": "high", "includeThoughts": True}
    config = (await sent(call(LEVELS, effort="none")))["generationConfig"]["thinkingConfig"]
    assert config == {"thinkingLevel": "low", "includeThoughts": True}
    assert (
        "thinkingConfig"
        not in (await sent(call(family_named("gemini-chat"), effort="high")))["generationConfig"]
    )


async def test_sampling_and_output_format() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, seed=3, stop=("x",))
    output = OutputFormat(schema={"type": "object", "properties": {}})
    config = (await sent(call(FLASH, sampling=sampling, output_spec=OutputSpec(output=output))))[
        "generationConfig"
    ]
    del config["thinkingConfig"]
    assert config == {
        "maxOutputTokens": 4096,
        "temperature": 0.5,
        "topP": 0.9,
        "seed": 3,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {}},
    }


async def test_a_format_beside_tools_is_told_in_words_to_models_that_refuse_both() -> None:
    output_spec = OutputSpec(tools=(WEATHER,), output=OutputFormat(schema={"type": "object"}))
    body = await sent(call(FLASH, output_spec=output_spec))
    assert "responseMimeType" not in body["generationConfig"]
    assert body["systemInstruction"]["parts"][0]["text"].endswith('fits this JSON schema: {"type":"object"}')
    body = await sent(call(LEVELS, output_spec=output_spec))
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert "systemInstruction" not in body


@pytest.mark.parametrize(
    ("choice", "sent_as"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (ForcedTool("weather"), {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
async def test_tools(choice: Any, sent_as: dict[str, Any]) -> None:
    body = await sent(
        call(FLASH, output_spec=OutputSpec(tools=(WEATHER, Tool(name="clock")), tool_choice=choice))
    )
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Today's",
                    "parametersJsonSchema": {"type": "object", "properties": {}},
                },
                {"name": "clock", "description": ""},
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": sent_as}


TURN = (
    Message("system", "Be brief."),
    Message("user", (Text("This?"), Image("data:image/png;base64,AAAA"), Image("https://example.com/a.png"))),
    Message("assistant", SAID),
    Message("tool", (ToolResult("c1", "Rain"),)),
    Message("tool", (ToolResult("c2", (Text("no"), Image("data:image/png;base64,BBBB")), failed=True),)),
)


async def test_a_second_turn_gives_back_signatures_in_their_places_and_results_together() -> None:
    body = await sent(call(LEVELS, messages=TURN))
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "This?"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "I'll look", "thoughtSignature": "dGV4dA=="},
                {"text": "."},
                {
                    "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Bonn"}},
                    "thoughtSignature": "Y2FsbA==",
                },
                {"functionCall": {"id": "c2", "name": "clock", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "weather", "response": {"output": "Rain"}}},
                {"functionResponse": {"id": "c2", "name": "clock", "response": {"error": "no"}}},
                {"inlineData": {"mimeType": "image/png", "data": "BBBB"}},
            ],
        },
    ]


async def test_another_vendors_carries_are_dropped_and_its_calls_excused_where_one_is_demanded() -> None:
    parts = (await sent(call(LEVELS, messages=TURN), "elsewhere"))["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [
        None,
        None,
        "skip_thought_signature_validator",
        None,
    ]
    parts = (await sent(call(PRO, messages=TURN), "elsewhere"))["contents"][1]["parts"]
    assert not any("thoughtSignature" in part for part in parts)


async def test_input_is_counted_by_the_vendor() -> None:
    wire = Wire("gemini", b'{"totalTokens": 17, "promptTokensDetails": []}')
    assert await wire.count(call(FLASH)) == 17
    assert wire.asked[0].path == "/models/m:countTokens"
    assert wire.asked[0].body["generateContentRequest"].keys() == {"model", "contents"}
    assert await Wire("gemini", (404, b"{}")).count(call()) is None


async def test_a_model_without_call_ids_gets_some() -> None:
    parts = [{"functionCall": {"name": name}} for name in "fg"]
    body = json.dumps({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).encode()
    uses = [part for part in content(Wire("gemini", body).whole(call())) if isinstance(part, ToolUse)]
    assert all(use.id.startswith("call_") for use in uses)
    assert len({use.id for use in uses}) == 2
