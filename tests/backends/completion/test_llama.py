"""llama.cpp's own `/completion`: the real engine counts every token."""

from contextlib import aclosing

import msgspec
import pytest
from msgspec.structs import replace

from perpend.backends.completion.llama import LlamaCompletion
from perpend.backends.contract import Call, CallEvent, Upstream
from perpend.families.family import Family, family_named
from perpend.providers.provider import Provider
from perpend.transport.client import HTTPClient, UpstreamAccount
from perpend.types import (
    AnswerDelta,
    AnswerLogprobs,
    CallEnded,
    Message,
    Sampling,
    ThinkingDelta,
    TokenLogprob,
)

TINY = family_named("tiny")
ACCOUNT = UpstreamAccount({"content-type": "application/json"})
QUESTION = (Message("user", "Start at 7: +5 *3 -4 +2 *7. Last digit?"),)


def call(family: Family = TINY, **changes: object) -> Call:
    fields: dict[str, object] = {
        "model": "small",
        "family": family,
        "messages": QUESTION,
        "max_tokens": 12,
        "phase": "thinking",
        "continuation": family.open,
        "sampling": Sampling(temperature=0.0, seed=1),
    }
    return Call(**{**fields, **changes})  # pyright: ignore[reportArgumentType] - fields by name


async def collect(backend: LlamaCompletion, asked: Call) -> list[CallEvent]:
    async with aclosing(backend.stream(asked)) as batches:
        return [event async for batch in batches for event in batch]


@pytest.fixture
async def http():
    client = HTTPClient()
    yield client
    await client.aclose()


@pytest.fixture
def engine(http: HTTPClient, engine_url: str) -> LlamaCompletion:
    async def url() -> str:
        return engine_url

    return LlamaCompletion(Upstream(Provider(name="embedded"), http, url, ACCOUNT))


async def test_the_engine_stops_at_the_very_token(engine: LlamaCompletion) -> None:
    events = await collect(engine, call(max_tokens=12))
    *deltas, end = events
    assert all(isinstance(delta, ThinkingDelta) for delta in deltas)
    assert sum(delta.tokens for delta in deltas if isinstance(delta, ThinkingDelta)) <= 12
    assert isinstance(end, CallEnded)
    assert end.reason == "length"
    assert end.usage is not None
    assert end.usage.thinking == 12


async def test_the_engine_counts_a_prompt_before_it_is_sent(engine: LlamaCompletion) -> None:
    events = await collect(engine, call())
    end = events[-1]
    assert isinstance(end, CallEnded)
    assert end.usage is not None
    assert await engine.count_input(call()) == end.usage.input


@pytest.mark.parametrize("template", ["server", "chatml"])
async def test_both_templates_end_in_an_answer(engine: LlamaCompletion, template: str) -> None:
    family = family_named("gguf") if template == "server" else TINY
    events = await collect(engine, call(family, phase="answering", continuation="", max_tokens=8))
    assert any(isinstance(event, AnswerDelta) for event in events)


async def test_a_stop_sequence_of_the_clients_is_told_apart(engine: LlamaCompletion) -> None:
    first = await collect(engine, call(phase="answering", continuation="", max_tokens=8))
    text = "".join(event.text for event in first if isinstance(event, AnswerDelta))
    sampling = Sampling(temperature=0.0, seed=1, stop=(text[4:8],))
    again = await collect(engine, call(phase="answering", continuation="", max_tokens=8, sampling=sampling))
    assert isinstance(again[-1], CallEnded)
    assert again[-1].reason == "stop_sequence"


def first_logprobs(events: list[CallEvent]) -> list[TokenLogprob]:
    return [token for event in events if isinstance(event, AnswerLogprobs) for token in event.tokens]


async def test_all_of_the_sampling_reaches_the_engine(
    engine: LlamaCompletion, http: HTTPClient, engine_url: str
) -> None:
    """A token that was the likeliest is never said once it is forbidden; its alternatives are told."""

    async def said(sampling: Sampling) -> list[TokenLogprob]:
        asked = call(phase="answering", continuation="", max_tokens=4, sampling=sampling)
        return first_logprobs(await collect(engine, asked))

    told = Sampling(temperature=0.0, seed=1, logprobs=2)
    tokens = await said(told)
    assert len(tokens) == 4
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)
    first = tokens[0].token
    assert first == tokens[0].top_logprobs[0].token
    body = msgspec.json.encode({"content": first})
    (number,) = msgspec.json.decode(await http.post_json(f"{engine_url}/tokenize", body, ACCOUNT))["tokens"]
    without = await said(replace(told, logit_bias={str(number): -100.0}, top_k=40, min_p=0.05))
    assert first not in [token.token for token in without]
    penalties = {"presence_penalty": 2.0, "frequency_penalty": 2.0, "repetition_penalty": 1.5}
    assert await said(replace(told, **penalties)) != tokens


async def test_a_seed_gives_the_same_answer_whatever_was_asked_before_where_nothing_is_remembered(
    engine: LlamaCompletion,
) -> None:
    """With the cache, the last words of a prompt are read alone or beside others: some weights round otherwise then."""
    drawn = call(
        phase="answering",
        continuation="",
        cache=False,
        sampling=Sampling(temperature=1.0, seed=5, logprobs=1),
    )
    other = call(
        phase="answering", continuation="", messages=(Message("user", "Start at 7: +5 *9. Last digit?"),)
    )
    first = await collect(engine, drawn)
    await collect(engine, other)
    await collect(engine, replace(drawn, cache=True))
    again = await collect(engine, drawn)
    assert again == first
    end = again[-1]
    assert isinstance(end, CallEnded)
    assert end.usage is not None
    assert end.usage.cached == 0


async def test_what_is_remembered_of_a_prompt_isnt_read_again(engine: LlamaCompletion) -> None:
    for cached in (False, True):
        end = (await collect(engine, call(phase="answering", continuation="")))[-1]
        assert isinstance(end, CallEnded)
        assert end.usage is not None
        assert not cached or end.usage.cached > 0
