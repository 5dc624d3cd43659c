"""Tools that may be called, for families that are asked first: a call without a thought, or an answer without tools."""

from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace
from spine import Spine, request
from words import WordBackend

from perpend.backends.contract import Call, CallEvent
from perpend.errors import UpstreamError
from perpend.types import AnswerDelta, CallEnded, ForcedTool, OutputSpec, ThinkingDelta, Tool, Usage

OUTPUT_SPEC = OutputSpec(tools=(Tool(name="get_weather"), Tool(name="read_file")))


class Choosing(WordBackend):
    """Weighs first tokens as it is told to."""

    def __init__(self, first_logprobs: dict[str, float] | None, *, dies: bool = False) -> None:
        super().__init__(thought=40, reply=40)
        self.first_logprobs = first_logprobs
        self.dies = dies

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        if not call.first_logprobs:
            async for batch in super().stream(call):
                yield batch
            return
        self.calls.append(call)
        if self.dies:
            raise UpstreamError("the server died")
        yield [AnswerDelta("get")]
        yield [CallEnded("length", Usage(9, 0, 0, 1), first_logprobs=self.first_logprobs)]


def asked(output_spec: OutputSpec = OUTPUT_SPEC, **changes: int):
    return replace(request(effort="low", **changes), output_spec=output_spec)


async def test_a_call_is_written_without_a_thought() -> None:
    backend = Choosing({"get": -0.1, "reply": -2.0})
    spine = Spine(backend)
    answer = await spine.ask(asked(max_output_tokens=30))
    choice, call = backend.calls
    assert choice.max_tokens == 1
    assert (call.phase, call.output_spec.tool_choice, call.max_tokens) == (
        "answering",
        ForcedTool("get_weather"),
        29,
    )
    assert (answer.usage.thinking, answer.usage.answer) == (0, 30)


async def test_a_reply_is_thought_about_and_knows_of_no_tools() -> None:
    backend = Choosing({"get": -2.0, "reply": -0.1})
    spine = Spine(backend)
    answer = await spine.ask(asked(max_thinking_tokens=20, max_output_tokens=60))
    _, thinking, answering = backend.calls
    assert (thinking.phase, answering.phase) == ("thinking", "answering")
    assert thinking.output_spec.tool_choice == answering.output_spec.tool_choice == "none"
    assert answer.usage.thinking == 20
    assert answer.usage.output == 60
    assert answer.text == "".join(f"w{number} " for number in range(39))


async def test_nobody_hears_the_question() -> None:
    spine = Spine(Choosing({"get": -2.0, "reply": -0.1}))
    await spine.ask(asked())
    texts = [event.text for event in spine.events if isinstance(event, ThinkingDelta | AnswerDelta)]
    assert "get" not in "".join(texts)


async def test_a_server_that_tells_no_weights_may_still_call() -> None:
    backend = Choosing(None)
    await Spine(backend).ask(asked())
    assert {call.output_spec.tool_choice for call in backend.calls} == {"auto"}


@pytest.mark.parametrize(
    "output_spec",
    [OutputSpec(), replace(OUTPUT_SPEC, tool_choice="none"), replace(OUTPUT_SPEC, tool_choice="required")],
)
async def test_nothing_is_asked_where_nothing_is_open(output_spec: OutputSpec) -> None:
    backend = Choosing({"get": -0.1})
    await Spine(backend).ask(asked(output_spec))
    assert not any(call.first_logprobs for call in backend.calls)


async def test_a_server_that_dies_then_has_said_nothing() -> None:
    with pytest.raises(UpstreamError):
        await Spine(Choosing(None, dies=True)).ask(asked())
