"""Responses asked for again by id: their items, their streams, cancelled and deleted."""

import asyncio
from typing import Any

from scripted import DELTAS, STARTED, House, Keys, answer, gateway, named_events_of, until

from perpend.types import AnswerDelta, Finished, Message, Text, Thought

PATH = "/v1/responses"
BODY: dict[str, Any] = {"model": "small", "input": "What is 6 × 7?"}
STREAMED: dict[str, Any] = {**BODY, "background": True, "stream": True}


async def test_what_a_request_brought_is_listed_a_page_at_a_time() -> None:
    items = [{"role": "user", "content": f"{n}"} for n in range(3)]
    async with gateway(House()) as front:
        made = (await front.post({**BODY, "input": items}, PATH)).json["id"]
        listing = f"{PATH}/{made}/input_items"
        whole = (await front.get(listing)).json
        texts = [item["content"][0]["text"] for item in whole["data"]]
        assert (whole["object"], texts, whole["has_more"]) == ("list", ["2", "1", "0"], False)
        first = (await front.get(f"{listing}?order=asc&limit=2")).json
        assert first["has_more"] is True
        assert first["data"] == [whole["data"][2], whole["data"][1]]
        assert (first["first_id"], first["last_id"]) == tuple(item["id"] for item in first["data"])
        rest = (await front.get(f"{listing}?order=asc&after={first['last_id']}")).json
        assert [item["content"][0]["text"] for item in rest["data"]] == ["2"]
        for query, field in (("limit=0", "limit"), ("order=up", "order"), ("after=msg_1", "after")):
            refused = await front.get(f"{listing}?{query}")
            assert (refused.status in (400, 404), refused.error["param"]) == (True, field)


async def test_an_item_is_known_by_its_id_to_its_key_alone() -> None:
    said = (Thought("6 × 7"), Text("42"))
    house = House([STARTED], DELTAS, [Finished(answer(content=said))])
    async with gateway(house, Keys(mine="key_1", yours="key_2")) as front:
        mine, yours = ({"authorization": f"Bearer {name}"} for name in ("mine", "yours"))
        first = (await front.post(BODY, PATH, headers=mine)).json
        brought = (await front.get(f"{PATH}/{first['id']}/input_items", headers=mine)).json["data"]
        ids = [brought[0]["id"], *(item["id"] for item in first["output"])]
        references = [{"type": "item_reference", "id": id_} for id_ in ids]
        again = {**BODY, "input": [*references, {"role": "user", "content": "Sure?"}]}
        second = (await front.post(again, PATH, headers=mine)).json
        turns = (Message("user", "What is 6 × 7?"), Message("assistant", said), Message("user", "Sure?"))
        assert house.requests[1].messages == turns
        listed = (await front.get(f"{PATH}/{second['id']}/input_items?order=asc", headers=mine)).json
        assert [item["id"] for item in listed["data"]][:3] == ids
        for headers, id_ in ((yours, ids[0]), (mine, "msg_unknown"), (mine, f"{ids[1][:-1]}9")):
            body = {**BODY, "input": [{"type": "item_reference", "id": id_}]}
            refused = await front.post(body, PATH, headers=headers)
            assert (refused.status, refused.error["param"]) == (404, "input[0].id")
            assert id_ in refused.error["message"]


async def test_prompt_tokens_are_counted_without_an_answer() -> None:
    async with gateway(House()) as front:
        counted = (await front.post(BODY, f"{PATH}/input_tokens")).json
        assert counted == {"object": "response.input_tokens", "input_tokens": 17}
        assert front.house.requests == []


async def test_a_deleted_response_is_gone() -> None:
    async with gateway(House()) as front:
        made = (await front.post(BODY, PATH)).json["id"]
        gone = {"id": made, "object": "response", "deleted": True}
        assert (await front.delete(f"{PATH}/{made}")).json == gone
        assert (await front.get(f"{PATH}/{made}")).status == 404
        assert (await front.delete(f"{PATH}/{made}")).status == 404


async def test_a_background_response_is_cancelled_and_one_that_is_done_stays() -> None:
    house = House([STARTED], asyncio.Event(), [Finished(answer())])
    async with gateway(house) as front:
        queued = (await front.post({**BODY, "background": True}, PATH)).json["id"]
        await until(lambda: house.requests)
        cancelled = (await front.post(b"", f"{PATH}/{queued}/cancel")).json
        assert (cancelled["status"], cancelled["output"]) == ("cancelled", [])
        assert house.cancelled.is_set()
        assert front.metrics.in_flight == 0
        assert (await front.get(f"{PATH}/{queued}")).json == cancelled
        assert (await front.post(b"", f"{PATH}/{queued}/cancel")).json == cancelled
    async with gateway(House()) as front:
        made = (await front.post(BODY, PATH)).json["id"]
        refused = await front.post(b"", f"{PATH}/{made}/cancel")
        assert (refused.status, refused.error["param"]) == (400, "id")


async def test_a_background_stream_can_be_left_and_come_back_to() -> None:
    go_on = asyncio.Event()
    house = House([STARTED], DELTAS[:3], go_on, [AnswerDelta("2")], [Finished(answer())])
    async with gateway(house) as front:
        async with front.session.post(PATH, json=STREAMED) as left:
            head = await left.content.readuntil(b"\n\n")
        (created,) = named_events_of(head)
        assert (created["type"], created["response"]["status"]) == ("response.created", "in_progress")
        again = f"{PATH}/{created['response']['id']}?stream=true"
        coming = asyncio.create_task(front.get(f"{again}&starting_after=1"))
        await until(lambda: house.requests)
        go_on.set()
        rest = named_events_of((await coming).body)
        numbers = [event["sequence_number"] for event in rest]
        assert numbers == list(range(2, 2 + len(rest)))
        assert rest[-1]["type"] == "response.completed"
        assert "".join(e["delta"] for e in rest if e["type"] == "response.output_text.delta") == "42"
        stored = await front.get(f"{PATH}/{created['response']['id']}")
        assert stored.json == rest[-1]["response"]
        whole = named_events_of((await front.get(again)).body)
        assert whole[0] == created
        assert whole[2:] == rest


async def test_a_cancelled_stream_ends_and_so_does_one_whose_answer_fails() -> None:
    async with gateway(House([STARTED], asyncio.Event())) as front:
        reading = asyncio.create_task(front.post(STREAMED, PATH))
        await until(lambda: front.house.requests)
        (id_,) = front.house.responses.rows
        await front.post(b"", f"{PATH}/{id_}/cancel")
        last = named_events_of((await reading).body)[-1]
        assert (last["type"], last["response"]["status"]) == ("response.failed", "cancelled")
        again = named_events_of((await front.get(f"{PATH}/{id_}?stream=true")).body)
        assert again[-1] == last
    async with gateway(House([STARTED], RuntimeError("a bug"))) as front:
        last = named_events_of((await front.post(STREAMED, PATH)).body)[-1]
        assert last["response"]["error"]["code"] == "server_error"


async def test_a_response_without_a_stream_says_so() -> None:
    async with gateway(House()) as front:
        made = (await front.post(BODY, PATH)).json["id"]
        refused = await front.get(f"{PATH}/{made}?stream=true")
        assert (refused.status, refused.error["param"]) == (400, "stream")
        refused = await front.get(f"{PATH}/{made}?stream=true&starting_after=x")
        assert (refused.status, refused.error["param"]) == (400, "starting_after")
