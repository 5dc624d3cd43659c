"""`/v1/completions`, as vLLM and transformers write it."""

import pytest
from replaying import Wire, call

from perpend.errors import UpstreamError
from perpend.families.family import family_named
from perpend.providers.provider import Provider, providers
from perpend.types import AnswerDelta, CallEnded, OutputFormat, OutputSpec, Sampling, ThinkingDelta, Usage

VLLM = [
    '{"model":"m","choices":[{"text":"a","finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":1}}',
    '{"model":"m","choices":[{"text":"b","finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":3}}',
    '{"model":"m","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,'
    '"prompt_tokens_details":{"cached_tokens":4}}}',
    "[DONE]",
]
ASKED = call(family_named("tiny"), phase="thinking", continuation="<think>\n")


def completions(*events: str, provider: str | Provider = "here") -> Wire:
    return Wire(
        "raw_completion", "".join(f"data: {event}\n\n" for event in events).encode(), provider=provider
    )


async def test_tokens_are_counted_from_the_running_usage() -> None:
    assert await completions(*VLLM).stream(ASKED) == [
        ThinkingDelta("ab", 3),
        CallEnded("length", Usage(5, 4, 3, 0), "m"),
    ]


async def test_a_stream_that_breaks_off_is_an_upstream_error() -> None:
    with pytest.raises(UpstreamError, match="in the middle"):
        await completions(VLLM[0]).stream(ASKED)


@pytest.mark.parametrize("error", ['"the model died"', '{"message": "the model died"}'])
async def test_an_error_is_told_in_its_own_words(error: str) -> None:
    with pytest.raises(UpstreamError, match="the model died"):
        await completions(VLLM[0], f'{{"error": {error}}}').stream(ASKED)


@pytest.mark.parametrize(
    "pieces", [["so</think>"], ["so</th", "ink>"], ["so", "</think>\\n\\n"], ["so<", "/think>", "x"]]
)
async def test_a_stop_sequence_that_a_server_leaves_in_is_no_text(pieces: list[str]) -> None:
    """As transformers does."""
    events = [f'{{"choices": [{{"text": "{piece}"}}]}}' for piece in pieces]
    *said, end = await completions(*events, '{"choices": [{"text": "", "finish_reason": "stop"}]}').stream(
        ASKED
    )
    assert [event.text for event in said if isinstance(event, ThinkingDelta)] == ["so"]
    assert isinstance(end, CallEnded)
    assert end.reason == "stop"


async def test_the_beginning_of_a_stop_sequence_is_text_in_the_end() -> None:
    events = await completions(
        '{"choices": [{"text": "a</th"}]}', '{"choices": [{"text": "", "finish_reason": "length"}]}'
    ).stream(ASKED)
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == "a</th"


async def test_a_stop_sequence_of_the_clients_is_told_apart() -> None:
    asked = call(family_named("tiny"), phase="answering", sampling=Sampling(stop=(".",)))
    *said, end = await completions('{"choices": [{"text": "It is 4.", "finish_reason": "stop"}]}').stream(
        asked
    )
    assert (said, end) == ([AnswerDelta("It is 4", 1)], CallEnded("stop_sequence", None, None))


async def test_no_stop_sequence_is_none_at_all() -> None:
    """An empty list ends transformers' stream with an error."""
    wire = completions(*VLLM)
    await wire.stream(call(family_named("tiny"), phase="answering"))
    assert "stop" not in wire.asked[0].body
    await wire.stream(call(family_named("tiny"), phase="answering", sampling=Sampling(stop=("\n",))))
    assert wire.asked[1].body["stop"] == ["\n"]


async def test_a_row_leaves_out_what_its_server_refuses() -> None:
    output_spec = OutputSpec(output=OutputFormat(schema={"type": "object"}))
    asked = call(family_named("qwen2.5-coder"), phase="answering", output_spec=output_spec)
    for row, names in (("vllm", {"structured_outputs", "json_schema"}), ("transformers", set[str]())):
        wire = completions(*VLLM, provider=providers()[row])
        await wire.stream(asked)
        assert {"structured_outputs", "json_schema"} & wire.asked[0].body.keys() == names
        assert '{"type":"object"}' in wire.asked[0].body["prompt"]
