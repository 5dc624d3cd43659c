"""Responses over a real socket: kept before their end is sent, gone on from, made in the background."""

import asyncio
from typing import Any

import pytest
from scripted import DELTAS, STARTED, House, Keys, answer, gateway, named_events_of, until

from perpend.errors import StorageError, UpstreamError
from perpend.storage.rows import ResponseRow
from perpend.types import Finished, Message, ProviderState, Text, Thought

PATH = "/v1/responses"
BODY: dict[str, Any] = {"model": "small", "input": "What is 6 × 7?"}


async def test_a_whole_response() -> None:
    async with gateway(House()) as front:
        reply = await front.post(BODY, PATH)
        assert reply.status == 200
        body = reply.json
        assert [item["type"] for item in body["output"]] == ["reasoning", "message"]
        assert body["output"][0]["content"] == [{"type": "reasoning_text", "text": "6 × 7"}]
        assert body["output"][1]["content"][0]["text"] == "42"
        assert body["usage"]["output_tokens_details"] == {"reasoning_tokens": 5}
        assert body["perpend"]["request_id"] == "req_1"
        assert (await front.get(f"{PATH}/{body['id']}")).json == body
        assert front.house.sources == ["responses"]


async def test_it_can_be_gone_on_from_by_its_owner_alone() -> None:
    said = (Thought("6 × 7", ProviderState("v", "signature")), Text("42"))
    house = House([STARTED], DELTAS, [Finished(answer(content=said))])
    async with gateway(house, Keys(mine="key_1", yours="key_2")) as front:
        mine, yours = ({"authorization": f"Bearer {name}"} for name in ("mine", "yours"))
        first = (await front.post({**BODY, "instructions": "Brief."}, PATH, headers=mine)).json
        second = {"input": "Sure?", "previous_response_id": first["id"], "thinking_visibility": "hidden"}
        assert (await front.post(second, PATH, headers=mine)).status == 200
        turns = (Message("user", "What is 6 × 7?"), Message("assistant", said), Message("user", "Sure?"))
        assert house.requests[1].messages == turns
        refused = await front.post(second, PATH, headers=yours)
        assert (refused.status, refused.error["param"]) == (404, "previous_response_id")
        assert (await front.get(f"{PATH}/{first['id']}", headers=yours)).status == 404
        assert (await front.get(f"{PATH}/{first['id']}")).status == 401


async def test_one_that_is_not_stored_is_not_found() -> None:
    async with gateway(House()) as front:
        body = (await front.post({**BODY, "store": False}, PATH)).json
        assert (await front.get(f"{PATH}/{body['id']}")).status == 404
        assert front.house.responses.rows == {}


async def test_it_is_kept_before_the_client_sees_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(House()) as front:

        async def full(row: ResponseRow) -> None:
            raise StorageError("the disk is full")

        monkeypatch.setattr(front.house.responses, "put", full)
        *_, last = named_events_of((await front.post({**BODY, "stream": True}, PATH)).body)
        assert last["type"] == "response.failed"
        reply = await front.post(BODY, PATH)
        assert (reply.status, reply.error["code"]) == (500, "storage_error")


async def test_in_the_background() -> None:
    go_on = asyncio.Event()
    async with gateway(House([STARTED], go_on, DELTAS, [Finished(answer())])) as front:
        queued = (await front.post({**BODY, "background": True}, PATH)).json
        assert (queued["status"], queued["output"]) == ("queued", [])
        await until(lambda: front.house.requests)
        assert (await front.get(f"{PATH}/{queued['id']}")).json["status"] == "in_progress"
        early = await front.post({**BODY, "previous_response_id": queued["id"]}, PATH)
        assert (early.status, early.error["param"]) == (400, "previous_response_id")
        assert front.metrics.in_flight == 1
        go_on.set()
        await until(lambda: not front.metrics.in_flight)
        done = (await front.get(f"{PATH}/{queued['id']}")).json
        assert (done["status"], done["background"]) == ("completed", True)
        assert done["output"][1]["content"][0]["text"] == "42"


async def test_what_fails_in_the_background_says_so() -> None:
    async with gateway(House([STARTED], UpstreamError("it hung up", hint="again"))) as front:
        queued = (await front.post({**BODY, "background": True}, PATH)).json
        await until(lambda: not front.metrics.in_flight and front.house.requests)
        failed = (await front.get(f"{PATH}/{queued['id']}")).json
        assert (failed["status"], failed["error"]["type"]) == ("failed", "upstream_error")


async def test_a_server_that_stops_leaves_nothing_queued() -> None:
    house = House([STARTED], asyncio.Event(), [Finished(answer())])
    async with gateway(house) as front:
        queued = (await front.post({**BODY, "background": True}, PATH)).json
        await until(lambda: house.requests)
    assert house.responses.rows[queued["id"]].status == "failed"
    async with gateway(house) as front:  # and one that was killed
        row = house.responses.rows[queued["id"]]
        house.responses.rows[row.id] = ResponseRow(row.id, None, "queued", row.body, row.conversation)
        assert (await front.get(f"{PATH}/{row.id}")).json["status"] == "failed"


async def test_errors_have_openais_shape() -> None:
    async with gateway(House()) as front:
        reply = await front.post({**BODY, "inputs": 1}, PATH)
        assert (reply.status, reply.error["param"]) == (400, "inputs")
        assert reply.error["hint"] == "did you mean 'input'?"
        assert (await front.get(PATH)).status == 405


async def test_a_client_that_tries_a_websocket_is_told_to_go_on_over_http() -> None:
    async with gateway(House()) as front:
        asked = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        refused = await front.get(PATH, headers=asked)
        assert (refused.status, refused.error["code"]) == (426, "upgrade_refused")
