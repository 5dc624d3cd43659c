"""OpenAI's SDK, checking strictly what it gets, on the endpoints of responses by id and of conversations."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from scripted import DELTAS, STARTED, Gateway, House, answer, gateway, until
from sdks import Client

from perpend.types import AnswerDelta, Finished, Text, ToolUse, custom_arguments

BODY: dict[str, Any] = {"model": "small", "input": "What is 6 × 7?"}


@contextlib.asynccontextmanager
async def sdk(house: House) -> AsyncGenerator[tuple[Gateway, Any], None]:
    async with gateway(house) as front, Client(front).openai as client:
        yield front, client


async def test_a_response_is_counted_listed_referred_to_and_deleted() -> None:
    async with sdk(House()) as (front, client):
        responses = client.responses
        assert (await responses.input_tokens.count(**BODY)).input_tokens == 17
        made = await responses.create(**BODY)
        assert (await responses.retrieve(made.id)).output_text == "42"
        (brought,) = [item async for item in responses.input_items.list(made.id)]
        assert brought.content[0].text == BODY["input"]
        references = [{"type": "item_reference", "id": item.id} for item in (brought, *made.output)]
        asked = [*references, {"role": "user", "content": "Sure?"}]
        assert (await responses.create(model="small", input=asked)).output_text == "42"
        assert len(front.house.requests[1].messages) == 3
        await responses.delete(made.id)
        assert (await front.get(f"/v1/responses/{made.id}")).status == 404


async def test_a_background_stream_is_resumed_and_another_response_cancelled() -> None:
    go_on = asyncio.Event()
    house = House([STARTED], DELTAS[:3], go_on, [AnswerDelta("2")], [Finished(answer())])
    async with sdk(house) as (_, client):
        responses = client.responses
        async with await responses.create(**BODY, background=True, stream=True) as stream:
            created = await anext(aiter(stream))
        again = await responses.retrieve(created.response.id, stream=True, starting_after=0)
        go_on.set()
        events = [event async for event in again]
        assert [event.sequence_number for event in events] == list(range(1, len(events) + 1))
        assert events[-1].response.output_text == "42"
        go_on.clear()
        queued = await responses.create(**BODY, background=True)
        await until(lambda: len(house.requests) == 2)
        assert (await responses.cancel(queued.id)).status == "cancelled"


async def test_a_conversation_from_its_beginning_to_its_end() -> None:
    async with sdk(House()) as (_, client):
        talk = await client.conversations.create(items=[{"role": "user", "content": "Hello."}])
        said = await client.responses.create(**BODY, conversation=talk.id)
        items = [item async for item in client.conversations.items.list(talk.id, order="asc", limit=2)]
        assert [item.type for item in items] == ["message", "message", "reasoning", "message"]
        assert items[3].id == said.output[1].id
        more = await client.conversations.items.create(talk.id, items=[{"role": "user", "content": "Bye."}])
        found = await client.conversations.items.retrieve(more.data[0].id, conversation_id=talk.id)
        assert found.content[0].text == "Bye."
        await client.conversations.items.delete(found.id, conversation_id=talk.id)
        changed = await client.conversations.update(talk.id, metadata={"topic": "sums"})
        assert (await client.conversations.retrieve(talk.id)).metadata == changed.metadata
        assert (await client.conversations.delete(talk.id)).deleted is True


async def test_a_custom_tool_is_called_in_responses_and_in_chat() -> None:
    use = ToolUse("call_1", "patch", custom_arguments("*** Begin"))
    end = answer(stop="tool_calls", content=(Text("42"), use))
    async with sdk(House([STARTED], [Finished(end)])) as (_, client):
        asked = {**BODY, "tools": [{"type": "custom", "name": "patch"}]}
        called = (await client.responses.create(**asked)).output[1]
        *_, last = [event async for event in await client.responses.create(**asked, stream=True)]
        streamed = last.response.output[1]
        assert (called.type, called.input, called.call_id) == ("custom_tool_call", "*** Begin", "call_1")
        assert (streamed.type, streamed.input) == (called.type, called.input)
        chat = await client.chat.completions.create(
            model="small",
            messages=[{"role": "user", "content": "hi"}],
            tools=[{"type": "custom", "custom": {"name": "patch"}}],
        )
        (call,) = chat.choices[0].message.tool_calls
        assert (call.type, call.custom.input) == ("custom", "*** Begin")
