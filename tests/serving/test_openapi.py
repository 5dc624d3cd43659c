"""The document is whole: every reference leads somewhere, and it tells of every route and field."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from scripted import BODY, House, gateway

from perpend.serving.admin import ADMIN_PATH
from perpend.serving.dialects.anthropic_schema import MessagesRequest
from perpend.serving.dialects.openai_chat_schema import ChatRequest
from perpend.serving.dialects.openai_responses_schema import ResponsesRequest
from perpend.serving.openapi import document

METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "trace"}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():  # pyright: ignore[reportUnknownVariableType] -- JSON of any shape
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    schemas = whole["components"]["schemas"]
    found = set(references(whole))
    assert found
    assert {reference.removeprefix("#/components/schemas/") for reference in found} <= set(schemas)


def test_the_structure_is_that_of_openapi_3_1() -> None:
    whole = document()
    assert whole["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(whole["info"])
    operations: list[str] = []
    for path, item in whole["paths"].items():
        assert path.startswith("/")
        assert set(item) <= METHODS
        for operation in item.values():
            operations.append(operation["operationId"])
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert status.isdigit()
                assert response["description"]
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    assert len(operations) == len(set(operations))


@pytest.mark.parametrize("body", [ChatRequest, MessagesRequest, ResponsesRequest])
def test_a_request_s_schema_is_the_type_that_bodies_are_decoded_into(body: Any) -> None:
    schema = document()["components"]["schemas"][body.__name__]
    assert set(schema["properties"]) == set(body.__struct_fields__)
    assert schema["required"] == ([] if body is ResponsesRequest else ["messages"])
    assert schema["additionalProperties"] is False


async def test_it_is_served_and_tells_of_every_route() -> None:
    async with gateway(House()) as front:
        served = (await front.get("/openapi.json")).json
        assert served == msgspec.json.decode(msgspec.json.encode(document()))
        asked = {"input": "hi", "background": True}
        item = {"role": "user", "content": "hi"}
        bodies: dict[str, Any] = {"/v1/conversations": {}}
        bodies |= {f"/v1/responses{end}": asked for end in ("", "/input_tokens", "/compact")}
        bodies |= {"/v1/completions": {"prompt": "hi"}, "/v1/embeddings": {"model": "m", "input": "hi"}}
        ids = {"/v1/responses": (await front.post(asked, "/v1/responses")).json["id"]}
        talk = ids["/v1/conversations"] = (await front.post({"items": [item]}, "/v1/conversations")).json[
            "id"
        ]
        said = (await front.get(f"/v1/conversations/{talk}/items")).json["first_id"]
        for path, operations in served["paths"].items():
            if path.startswith(ADMIN_PATH):  # see test_admin
                continue
            id_ = next((one for start, one in ids.items() if path.startswith(start)), "")
            real = path.replace("{model}", "small").replace("{id}", id_).replace("{item}", said)
            reply = await (
                front.get(real) if "get" in operations else front.post(bodies.get(path, BODY), real)
            )
            assert reply.status == 200, real
