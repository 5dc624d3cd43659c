"""Real streams, said by a server, through the real gateway: each dialect's SDK gets what the recording says."""

import asyncio
import json
from pathlib import Path

import pytest
from sdks import DIALECTS, USER, Client, texts
from shared_data import FOLDER
from wire_server import Server, fronted

from perpend.backends.recording import provider_of, read_recording, replay
from perpend.config.schema import ModelConfig, ProviderConfig
from perpend.providers.provider import providers
from perpend.types import Usage

WIRE = FOLDER / "wire"
STREAMS = sorted(
    str(file.parent.relative_to(WIRE))
    for kind in ("sse", "ndjson")
    for file in WIRE.rglob(f"response.{kind}")
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", STREAMS)
async def test_a_recorded_stream_reaches_every_client(name: str, dialect: str, tmp_path: Path) -> None:
    recording = read_recording(WIRE / name)
    provider = provider_of(recording)
    expected = await asyncio.to_thread(replay, recording)  # it runs a loop of its own
    like = provider.name if provider.name in providers() else None
    model = str(recording.request.get("model") or "recorded")
    async with fronted(
        Server([recording.body]),
        ProviderConfig(like=like, wire=provider.wire),
        ModelConfig(name=model),
        tmp_path,
    ) as front:
        client = Client(front)
        async with client.openai, client.anthropic:
            body = await getattr(client, dialect)(True, "thinking", USER)
    thinking, answer, calls = texts(dialect, body)
    assert (thinking, answer) == (expected.thinking, expected.answer)
    assert [json.loads(arguments) for _, arguments in calls] == [
        json.loads(call.arguments) for call in expected.tool_calls
    ]
    if (
        expected.usage is not None
    ):  # what a server doesn't split is split by estimates, so only the sum is certain
        used = Usage(**body["perpend"]["usage"])
        assert (used.input, used.cached, used.output) == (
            expected.usage.input,
            expected.usage.cached,
            expected.usage.output,
        )
