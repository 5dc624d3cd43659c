"""`perpend serve` with a real small model, asked twice by stock clients."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from commands import run
from gateway import Gateway, running, small_model
from openai import OpenAI

CHAIN = "Start at 7: +5 *3 -4 +2 *7. Last digit?"


@pytest.fixture(scope="module")
def gateway(tiny_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway, None, None]:
    home = tmp_path_factory.mktemp("gateway")
    small_model(home, tiny_path)
    with running(home) as gateway:
        yield gateway


def openais(url: str, question: str) -> list[Any]:
    """Asked whole, whole and streamed: `(text, thinking, the perpend object)`."""
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        create: Any = client.chat.completions.create
        asked: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": question}]}
        asked["extra_body"] = {"max_thinking_tokens": 24, "cache": True}
        told: list[Any] = []
        for _ in range(2):
            body = create(**asked).to_dict()
            message = body["choices"][0]["message"]
            told.append((message["content"], message.get("reasoning_content", ""), body["perpend"]))
        chunks = [chunk.to_dict() for chunk in create(**asked, stream=True)]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        text, thinking = (
            "".join(delta.get(name) or "" for delta in deltas) for name in ("content", "reasoning_content")
        )
        return [*told, (text, thinking, chunks[-1]["perpend"])]


def anthropics(url: str, question: str) -> list[Any]:
    with Anthropic(base_url=url, api_key="none", max_retries=0) as sdk:
        client: Any = sdk  # options are spread, which its overloads can't follow
        asked: dict[str, Any] = {
            "model": "small",
            "max_tokens": 400,
            "messages": [{"role": "user", "content": question}],
            "thinking": {"type": "enabled", "budget_tokens": 24},
            "extra_body": {"cache": True},
        }
        bodies = [client.messages.create(**asked) for _ in range(2)]
        with client.messages.stream(**asked) as stream:
            own = [event.to_dict()["perpend"] for event in stream if event.type == "message_delta"]
            streamed = stream.get_final_message()
    reports = [*(body.to_dict()["perpend"] for body in bodies), *own]
    said = [
        tuple("".join(getattr(block, name, "") for block in body.content) for name in ("text", "thinking"))
        for body in (*bodies, streamed)
    ]
    return [(*parts, report) for parts, report in zip(said, reports, strict=True)]


@pytest.mark.parametrize(("ask", "question"), [(openais, CHAIN), (anthropics, CHAIN.replace("7:", "8:"))])
def test_the_second_time_it_is_answered_from_the_cache(gateway: Gateway, ask: Any, question: str) -> None:
    (text, thinking, first), *again = ask(gateway.url, question)
    assert text
    assert thinking
    assert not first["cache"]["hit"]
    assert len(again) == 2
    for same_text, same_thinking, report in again:
        assert (same_text, same_thinking) == (text, thinking)
        assert (report["cache"]["hit"], report["cache"]["saved"]) == (True, first["usage"])
        assert set(report["usage"].values()) == {0}


def test_metrics_and_usage_tell_what_it_saved(gateway: Gateway) -> None:
    openais(gateway.url, CHAIN.replace("7:", "9:"))
    assert 'perpend_cache_requests_total{result="hit"}' in gateway.metrics()
    total = json.loads(run(gateway.home, "usage", "--json").stdout)["total"]
    assert total["cache_hits"] >= 2
    assert total["saved_tokens"] >= 2 * 24
