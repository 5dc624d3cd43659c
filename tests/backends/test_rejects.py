"""What a family's `rejects` says of roles and tools, on every wire whose messages have roles."""

import json
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace
from replaying import Wire, call

from perpend.backends import backends
from perpend.errors import UpstreamError
from perpend.families.family import family_named
from perpend.providers.provider import Provider
from perpend.types import Message, OutputFormat, OutputSpec

WIRES = [name for name in backends.names() if not name.endswith("_completion")]
SAID = (Message("system", "Be brief."), Message("user", "Hi"))
IN_JSON = OutputSpec(output=OutputFormat())


async def sent(wire: str, *rejects: str, refused: str = "") -> Any:
    family = replace(family_named("openai-chat"), rejects=rejects)
    place = Wire(wire, b"", provider=Provider(name="here"))
    with suppress(UpstreamError):  # the server says nothing
        await place.stream(
            call(
                family,
                messages=SAID,
                output_spec=IN_JSON,
                refused=frozenset((refused,)) if refused else frozenset[str](),
            )
        )
    return place.asked[0].body


def roles(body: Any) -> list[str]:
    said: Any = body.get("contents") or body.get("messages") or body["input"]
    messages: list[Any] = said["messages"] if "messages" in said else said  # noqa: SIM401 -- a list, but for DashScope
    return [message["role"] for message in messages]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_rejected_system_message_is_said_in_another_role(wire: str) -> None:
    for body in (await sent(wire, "system", "developer"), await sent(wire, refused="system")):
        assert "Be brief." in json.dumps(body)
        assert not {"system", "systemInstruction"} & body.keys()
        assert {*roles(body)} == {"user"}


@pytest.mark.parametrize("wire", ["openai_chat", "openai_responses"])
async def test_a_developer_speaks_where_that_is_taken(wire: str) -> None:
    assert roles(await sent(wire, "system"))[:2] == ["developer", "user"]
    assert roles(await sent(wire))[:2] == ["system", "user"]
