"""Coding agents as they are: their requests go through a tool loop on `perpend serve`, in front of a scripted model.

The stock programs themselves are run by `python -m benchmarks.clients`.
"""

import json
from collections.abc import Generator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from agent_turns import (
    CLAUDE_TOOLS,
    CODEX_TOOLS,
    JSON,
    claude_asks,
    claude_code,
    codex,
    codex_answered,
    codex_message,
)
from benchmarks.clients.upstream import Upstream, upstream
from gateway import Gateway, running

EDIT = "Change pear to pomelo in note.txt, then show the file. (cue: edit)"


@pytest.fixture(scope="module")
def model() -> Generator[Upstream]:
    with upstream() as model:
        yield model


@pytest.fixture(scope="module")
def gateway(model: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    home = tmp_path_factory.mktemp("gateway")
    (home / "perpend.toml").write_text(
        f'[defaults]\nmodel = "scripted"\n[providers.script]\nlike = "vllm"\nbase_url = "{model.url}"\n'
        '[models.scripted]\nprovider = "script"\nfamily = "vllm-budget"\n[aliases]\n"claude-*" = "scripted"\n'
    )
    with running(home) as gateway:
        yield gateway


def events(gateway: Gateway, path: str, body: JSON) -> list[JSON]:
    """The data of a stream's events."""
    asked = Request(f"{gateway.url}{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(asked, timeout=30) as response:
        lines = response.read().decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def of_type(said: list[JSON], kind: str) -> list[JSON]:
    return [event for event in said if event["type"] == kind]


@pytest.mark.parametrize("known", CODEX_TOOLS)
def test_codex_goes_through_a_tool_loop(known: str, gateway: Gateway) -> None:
    items = [codex_message("user", EDIT)]
    for output in ("done", "pomelo"):
        said = events(gateway, "/v1/responses", codex(known, items))
        done = [event["item"] for event in of_type(said, "response.output_item.done")]
        assert done[-1]["type"] in ("function_call", "custom_tool_call")
        items = [*items, *codex_answered(done, output)]
    last = of_type(events(gateway, "/v1/responses", codex(known, items)), "response.completed")[0]["response"]
    assert last["output"][-1]["content"][0]["text"].startswith("The file now says pomelo")
    assert "client_metadata" in last["perpend"]["ignored"]


def test_codex_patches_with_a_custom_tool(gateway: Gateway) -> None:
    asked = codex("one that it knows", [codex_message("user", EDIT)])
    call = of_type(events(gateway, "/v1/responses", asked), "response.output_item.done")[-1]["item"]
    assert (call["type"], call["name"]) == ("custom_tool_call", "apply_patch")
    assert call["input"].startswith("*** Begin Patch\n*** Update File: note.txt")


def test_codex_shows_a_picture_that_its_tool_read(gateway: Gateway) -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}
    call = {
        "type": "function_call",
        "call_id": "call_1",
        "name": "view_image",
        "arguments": '{"path": "a.png"}',
    }
    result: JSON = {"type": "function_call_output", "call_id": "call_1", "output": [picture]}
    items = [codex_message("user", "What is in a.png? (cue: image)"), call, result]
    said = events(gateway, "/v1/responses", codex("a model that Codex doesn't know", items))
    assert (
        of_type(said, "response.completed")[0]["response"]["output"][-1]["content"][0]["text"]
        == "A PNG image."
    )


def blocks(said: list[JSON]) -> list[JSON]:
    """A message's content blocks, put together as Claude Code does."""
    made: list[JSON] = [dict(event["content_block"]) for event in of_type(said, "content_block_start")]
    given = [""] * len(made)
    for event in of_type(said, "content_block_delta"):
        delta, at = event["delta"], event["index"]
        if delta["type"] == "input_json_delta":
            given[at] += delta["partial_json"]
        else:
            field = delta["type"].removesuffix("_delta")
            made[at][field] += delta[field]
    return [
        {**block, "input": json.loads(text)} if text else block
        for block, text in zip(made, given, strict=True)
    ]


def test_claude_code_goes_through_a_tool_loop(gateway: Gateway) -> None:
    messages = claude_asks(EDIT)
    for output in ("1\tpear", "changed", "pomelo"):
        content = blocks(events(gateway, "/v1/messages?beta=true", claude_code(messages, CLAUDE_TOOLS)))
        call = content[-1]
        assert call["type"] == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": output}
        messages = [
            *messages,
            {"role": "assistant", "content": content},
            {"role": "user", "content": [result]},
        ]
    last = blocks(events(gateway, "/v1/messages?beta=true", claude_code(messages, CLAUDE_TOOLS)))
    assert last[-1]["text"].startswith("The file now says pomelo")


def test_claude_code_loads_a_tool_that_it_had_put_off(gateway: Gateway, model: Upstream) -> None:
    found: Any = [{"type": "tool_reference", "tool_name": "WebFetch"}]
    call = {"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {"query": "select:WebFetch"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": found}
    loaded = {"type": "text", "text": "Tool loaded."}
    messages = [
        *claude_asks("Name a fruit. (cue: text)"),
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, loaded]},
    ]
    said = blocks(events(gateway, "/v1/messages?beta=true", claude_code(messages, CLAUDE_TOOLS)))
    assert "pomelo" in said[-1]["text"]
    assert "WebFetch" in next(one["content"] for one in model.seen[-1]["messages"] if one["role"] == "tool")
