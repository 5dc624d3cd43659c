"""A conversation made short: one opaque item, which later stands for all that came before it."""

from typing import Any

from scripted import DELTAS, STARTED, House, answer, gateway, named_events_of

from perpend.types import Finished, Message, Text

PATH = "/v1/responses"
ADD = {"type": "function", "name": "add"}
TURN: list[dict[str, Any]] = [
    {"role": "user", "content": "What is 6 × 7?"},
    {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "42"},
]


async def test_it_is_asked_for_by_an_item_and_comes_as_one() -> None:
    summed_up = answer(content=(Text("42"),))
    async with gateway(House([STARTED], DELTAS, [Finished(summed_up)])) as front:
        body = {"input": [*TURN, {"type": "compaction_trigger"}], "tools": [ADD], "store": False}
        (item,) = (await front.post(body, PATH)).json["output"]
        assert item["type"] == "compaction"
        asked = front.house.requests[0]
        assert (asked.output_spec.tool_choice, asked.ignored) == ("none", ())
        assert "Sum up this conversation" in asked.messages[-1].text
        events = named_events_of((await front.post({**body, "stream": True}, PATH)).body)
        kinds = [event["type"].removeprefix("response.") for event in events]
        assert kinds == ["created", "in_progress", "output_item.added", "output_item.done", "completed"]
        assert [event["sequence_number"] for event in events] == list(range(5))
        made = events[3]["item"]
        assert [made] == events[4]["response"]["output"]
        await front.post({"input": [made, {"role": "user", "content": "Sure?"}]}, PATH)
        summary, sure = front.house.requests[2].messages
        assert (summary.role, summary.text) == ("user", "What came before, summed up:\n\n42")
        assert sure == Message("user", "Sure?")


async def test_one_of_another_maker_and_a_trigger_before_the_end_are_passed_over() -> None:
    async with gateway(House()) as front:
        other = {"type": "compaction", "encrypted_content": "gAAA"}
        await front.post({"input": [other, {"type": "compaction_trigger"}, *TURN]}, PATH)
        (asked,) = front.house.requests
        assert asked.ignored == ("input[0]", "input[1]")
        assert len(asked.messages) == 3


async def test_an_endpoint_of_its_own_gives_the_user_s_messages_and_the_item() -> None:
    async with gateway(House()) as front:
        short = (await front.post({"input": TURN, "model": "small"}, f"{PATH}/compact")).json
        assert (short["object"], short["usage"]["output_tokens"]) == ("response.compaction", 7)
        question, item = short["output"]
        assert (question["role"], question["content"][0]["text"]) == ("user", TURN[0]["content"])
        assert item["type"] == "compaction"
        again = [*short["output"], {"role": "user", "content": "Sure?"}]
        await front.post({"input": again}, PATH)
        assert [message.role for message in front.house.requests[1].messages] == ["user", "user", "user"]
        assert short["id"] not in front.house.responses.rows
