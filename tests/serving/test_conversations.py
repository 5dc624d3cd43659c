"""Conversations that are kept here: made, listed, gone on from, changed and deleted."""

from typing import Any

from scripted import House, Keys, gateway

from perpend.types import Message

PATH = "/v1/conversations"
HELLO = {"role": "user", "content": "What is 6 × 7?"}


def texts(listing: Any) -> list[str]:
    return [item["content"][0]["text"] for item in listing["data"] if item["type"] == "message"]


async def test_responses_go_on_from_it_and_are_added_to_it() -> None:
    async with gateway(House()) as front:
        talk = (await front.post({"items": [HELLO], "metadata": {"topic": "sums"}}, PATH)).json
        assert (talk["object"], talk["metadata"]) == ("conversation", {"topic": "sums"})
        first = (await front.post({"conversation": talk["id"]}, "/v1/responses")).json
        assert first["conversation"] == {"id": talk["id"]}
        body = {"conversation": {"id": talk["id"]}, "input": "Sure?", "stream": True, "store": False}
        await front.post(body, "/v1/responses")
        hello, said, sure = front.house.requests[1].messages
        assert (hello, sure) == (Message("user", HELLO["content"]), Message("user", "Sure?"))
        assert (said.text, said.thinking) == ("42", "6 × 7")
        listing = (await front.get(f"{PATH}/{talk['id']}/items?order=asc")).json
        assert texts(listing) == [HELLO["content"], "42", "Sure?", "42"]
        assert first["output"][1] == listing["data"][2]


async def test_it_and_its_items_are_changed_and_deleted() -> None:
    async with gateway(House()) as front:
        talk = (await front.post(b"", PATH)).json
        one = f"{PATH}/{talk['id']}"
        assert (await front.get(one)).json == talk
        assert (await front.post({"metadata": {"a": "b"}}, one)).json["metadata"] == {"a": "b"}
        added = (
            await front.post({"items": [HELLO, {"role": "assistant", "content": "42"}]}, f"{one}/items")
        ).json
        assert texts(added) == [HELLO["content"], "42"]
        first, second = added["data"]
        assert (await front.get(f"{one}/items/{first['id']}")).json == first
        assert (await front.delete(f"{one}/items/{first['id']}")).json["id"] == talk["id"]
        assert (await front.get(f"{one}/items")).json["data"] == [second]
        assert (await front.get(f"{one}/items/{first['id']}")).status == 404
        gone = {"id": talk["id"], "object": "conversation.deleted", "deleted": True}
        assert (await front.delete(one)).json == gone
        assert (await front.get(one)).status == 404


async def test_it_belongs_to_its_key() -> None:
    async with gateway(House(), Keys(mine="key_1", yours="key_2")) as front:
        mine, yours = ({"authorization": f"Bearer {name}"} for name in ("mine", "yours"))
        talk = (await front.post({}, PATH, headers=mine)).json["id"]
        assert (await front.get(f"{PATH}/{talk}", headers=yours)).status == 404
        asked = {"conversation": talk, "input": "hi"}
        refused = await front.post(asked, "/v1/responses", headers=yours)
        assert (refused.status, refused.error["param"]) == (404, "conversation")


async def test_what_no_response_could_go_on_from_is_refused() -> None:
    async with gateway(House()) as front:
        refused = await front.post({"items": [{"content": "who?"}]}, PATH)
        assert (refused.status, refused.error["param"]) == (400, "items[0].role")
        talk = (await front.post({}, PATH)).json["id"]
        empty = await front.post({"conversation": talk}, "/v1/responses")
        assert (empty.status, empty.error["param"]) == (400, "input")
        both = {"conversation": talk, "previous_response_id": "resp_1", "input": "hi"}
        refused = await front.post(both, "/v1/responses")
        assert (refused.status, refused.error["param"]) == (400, "conversation")


async def test_a_text_stands_as_it_came_in_items_that_are_no_messages() -> None:
    async with gateway(House()) as front:
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "content": "said"}
        talk = await front.post({"items": [HELLO, call]}, PATH)
        assert talk.status == 200, talk.body
        listing = (await front.get(f"{PATH}/{talk.json['id']}/items")).json
        assert listing["data"][0]["content"] == "said"
