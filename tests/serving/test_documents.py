"""Documents in every dialect: a model reads their text, whoever serves it."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pdfs import pdf
from wire_server import Server, chat_bodies, fronted

from perpend.config.schema import ModelConfig, ProviderConfig

PDF = base64.b64encode(pdf("Six times seven")).decode()
CSV = base64.b64encode(b"a,b\n1,2\n").decode()


def file(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"


def chat(url: str) -> tuple[str, dict[str, Any]]:
    part = {"type": "file", "file": {"filename": "x.pdf", "file_data": url}}
    return "/v1/chat/completions", {"messages": [{"role": "user", "content": [part]}]}


def responses(url: str) -> tuple[str, dict[str, Any]]:
    part = {"type": "input_file", "filename": "x.pdf", "file_data": url}
    return "/v1/responses", {"input": [{"role": "user", "content": [part]}]}


def block(source: dict[str, Any], **fields: Any) -> tuple[str, dict[str, Any]]:
    part = {"type": "document", "source": source, "title": "x.pdf", **fields}
    return "/v1/messages", {"max_tokens": 99, "messages": [{"role": "user", "content": [part]}]}


def messages(url: str) -> tuple[str, dict[str, Any]]:
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return block({"type": "base64", "media_type": media_type, "data": data})


async def asked(given: tuple[str, dict[str, Any]], home: Path) -> tuple[Any, Server]:
    (path, body), server = given, Server(chat_bodies("42"))
    async with fronted(server, ProviderConfig(like="vllm"), ModelConfig(name="qwen"), home) as front:
        return await front.post({"model": "m", **body}, path), server


def told(server: Server) -> str:
    return server.asked[0].body["messages"][0]["content"]


@pytest.mark.parametrize("dialect", [chat, responses, messages])
async def test_a_pdf_is_read(dialect: Any, tmp_path: Path) -> None:
    reply, server = await asked(dialect(file("application/pdf", PDF)), tmp_path)
    assert reply.status == 200, reply.body
    assert told(server) == '<document name="x.pdf">\nSix times seven\n</document>\n'


@pytest.mark.parametrize("dialect", [chat, responses, messages])
async def test_a_text_is_as_it_is(dialect: Any, tmp_path: Path) -> None:
    _, server = await asked(dialect(file("text/csv", CSV)), tmp_path)
    assert told(server) == '<document name="x.pdf">\na,b\n1,2\n\n</document>\n'


@pytest.mark.parametrize(
    "source",
    [
        {"type": "text", "media_type": "text/plain", "data": "hello"},
        {"type": "content", "content": "hello"},
        {"type": "content", "content": [{"type": "text", "text": "hello"}]},
    ],
)
async def test_anthropics_other_sources(source: dict[str, Any], tmp_path: Path) -> None:
    _, server = await asked(block(source, citations={"enabled": False}), tmp_path)
    assert told(server) == '<document name="x.pdf">\nhello\n</document>\n'


async def test_one_in_a_tools_result(tmp_path: Path) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "document", "source": source}]}
    use: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "read", "input": {}}
    turns: list[Any] = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    _, server = await asked(("/v1/messages", {"max_tokens": 99, "messages": turns}), tmp_path)
    assert server.asked[0].body["messages"][1]["content"] == "<document>\nSix times seven\n</document>\n"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (chat("https://example.com/x.pdf"), "messages[0].content[0].file.file_data"),
        (chat(file("application/zip", PDF)), "messages[0].content[0].file.file_data"),
        (chat(file("application/pdf", CSV)), "messages"),
        (responses("file-abc"), "input[0].content[0].file_data"),
        (block({"type": "url", "url": "https://example.com/x.pdf"}), "messages[0].content[0].source.type"),
    ],
)
async def test_what_cant_be_read_is_refused(given: Any, field: str, tmp_path: Path) -> None:
    reply, server = await asked(given, tmp_path)
    assert reply.status == 400
    assert reply.error["param"] == field
    assert server.asked == []


@pytest.mark.parametrize("media_type", ["application/pdf", "text/plain"])
@pytest.mark.parametrize("data", ["é", "\ufffd", "a", "日本"])
@pytest.mark.parametrize("dialect", [chat, responses, messages])
async def test_what_isnt_base64_is_refused(dialect: Any, data: str, media_type: str, tmp_path: Path) -> None:
    reply, server = await asked(dialect(file(media_type, data)), tmp_path)
    assert (reply.status, server.asked) == (400, []), reply.body


async def test_a_deadline_holds_for_reading_too(tmp_path: Path) -> None:
    """A document waits for a process, and for others' documents."""
    path, body = chat(file("application/pdf", PDF))
    reply, server = await asked((path, {**body, "deadline_ms": 1}), tmp_path)
    assert (reply.status, reply.error["code"], server.asked) == (504, "deadline_exceeded", [])
