"""The checks of `perpend doctor` that ask models: whether engine and providers do what budgets need."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import aiohttp

from perpend.backends.accounts import account_of, key_header, signer_of
from perpend.backends.contract import Backend, Call, CallEvent
from perpend.cli.doctor.checks import CheckFinding
from perpend.cli.launch.agents import agents
from perpend.config import Config, ProviderConfig
from perpend.config.schema import EMBEDDED
from perpend.config.secrets import provider_key
from perpend.engine.catalogue import catalogue
from perpend.errors import PerpendError, UpstreamError
from perpend.providers.provider import Provider
from perpend.runtime import Runtime
from perpend.sandbox import find_isolation_level
from perpend.sandbox.cgroups import writable
from perpend.solve import Origin, ServedModel, Services, solve
from perpend.transport.client import HTTPClient
from perpend.types import Answer, AnswerDelta, CallEnded, Event, Limits, Message, Request, ThinkingDelta

THINKING = 32
_ANSWER = 24
_QUESTION = Message("user", "A tray holds 6 rolls. How many rolls do 7 trays hold? Think step by step.")
_DEADLINE_MS = 60_000
_REFUSED = (401, 403)
_ENFORCEMENT = {
    "exact": "stopped at the very token",
    "native_hard": "the server holds it",
    "native_soft": "the server is asked to, and the stream is cut",
    "effort_only": "the stream is cut",
    "none": "the stream is cut",
}


async def sandbox() -> CheckFinding:
    """Which isolation level holds a program here, and why a higher one doesn't."""
    *higher, last = await find_isolation_level()
    failures = [f"{attempt.level.name} doesn't work: {attempt.failure}" for attempt in higher]
    if last.failure is None:
        memory = "kept by a cgroup" if await writable() else "counted, since no cgroup can be written here"
        message = "\n".join([f"{last.level.name}: {last.level.promises}", f"memory is {memory}", *failures])
        return CheckFinding(what="sandbox", ok=True, message=message)
    message = "\n".join(
        [*failures, f"{last.level.name} doesn't work: {last.failure}", "models' programs aren't run"]
    )
    fix = (
        "install bubblewrap 0.8 or newer, or allow user namespaces or Landlock here (docs/guides/sandbox.md)"
    )
    return CheckFinding(what="sandbox", ok=False, message=message, fix=fix)


def models(runtime: Runtime) -> CheckFinding:
    """Whether each name of the config means a model that can be asked."""
    names = [runtime.config.defaults.model, runtime.config.defaults.cheap_model, *runtime.config.models]
    errors: list[PerpendError] = []
    for name in dict.fromkeys(names):
        try:
            runtime.models.resolve(name)
        except PerpendError as error:
            errors.append(error)
    if not errors:
        return CheckFinding(what="models", ok=True, message=f"the default is {runtime.config.defaults.model}")
    message = "\n".join(error.message for error in errors)
    return CheckFinding(what="models", ok=False, message=message, fix=errors[0].hint)


def contexts(runtime: Runtime) -> Iterator[CheckFinding]:
    """The context of each embedded model on this machine, in tokens, and the agents whose first prompts fit."""
    config = runtime.config
    named = [config.defaults.model, *config.models, *catalogue()]
    for name in dict.fromkeys(named):
        model = runtime.models.resolve(name)
        if model.provider != EMBEDDED or not runtime.models.path(name).exists() or model.context is None:
            continue
        room = model.context - model.answer_tokens
        first = {agent.title: agent.prompt_tokens for agent in agents().values() if agent.prompt_tokens}
        fit = [title for title, tokens in first.items() if tokens <= room]
        short = [f"{title} ({tokens:,} tokens)" for title, tokens in first.items() if tokens > room]
        message = f"{model.context:,} tokens, room for the first prompt of {', '.join(fit) or 'no agent'}"
        if short:
            message += f"; too short for {', '.join(short)}"
        yield CheckFinding(what=f"context of {name}", ok=True, message=message)


async def embedded(runtime: Runtime) -> AsyncGenerator[CheckFinding, None]:
    """Whether the engine starts and answers: with the default model, else the smallest whose weights are here. Raises
    EngineError where it doesn't start.
    """
    name = _startable(runtime)
    if name is None:
        if runtime.models.resolve(None).provider != EMBEDDED:
            yield CheckFinding(
                what="engine", ok=True, message="not needed: the default model is a provider's"
            )
            return
        fix = f"perpend models pull {runtime.config.defaults.model}"
        yield CheckFinding(
            what="engine starts", ok=False, message="there are no weights to start it with", fix=fix
        )
        return
    began = time.monotonic()
    await runtime.prepare(name)
    yield CheckFinding(what="engine starts", ok=True, message=f"{name}, in {time.monotonic() - began:.1f} s")
    async for finding in ask_model(runtime, name):
        yield finding


def _startable(runtime: Runtime) -> str | None:
    """A model whose weights are on this machine."""
    config = runtime.config
    default = runtime.models.resolve(None)
    if default.provider == EMBEDDED:
        weights = runtime.models.weights(None)
        path = runtime.models.path(default.name)
        if path.exists() if weights is None else weights.pulled(runtime.home):
            return default.name
    here = [row for row in catalogue().values() if row.pulled(runtime.home) and row.name not in config.models]
    return min(here, key=lambda row: row.size).name if here else None


async def reachable(name: str, provider: ProviderConfig) -> CheckFinding:
    """Whether a server answers at the provider's address and accepts the key. Costs nothing.

    Raises ConfigError or UpstreamError where the request can't be authorised.
    """
    what = f"provider {name}: reachable"
    found = account_of(name, provider)
    assert found is not None, "it has a row in the config"
    row, provider = found
    path = "health" if row.wire == "llama_completion" else "models"
    url = f"{row.base_url}/{path}"
    headers = provider.headers | await _authorised(name, row, provider, url)
    timeout = aiohttp.ClientTimeout(total=provider.connect_timeout_s)
    try:
        async with (
            aiohttp.ClientSession(
                headers=headers, timeout=timeout, proxy=provider.proxy, trust_env=url.startswith("https:")
            ) as http,
            http.get(url, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        message = f"{url}: {str(error) or f'no answer in {provider.connect_timeout_s:g} s'}"
        fix = f"is the server running? correct providers.{name}.base_url"
        return CheckFinding(what=what, ok=False, message=message, fix=fix)
    if status in _REFUSED:
        fix = f"check providers.{name}.api_key_env or api_key_file, or what auth stands for"
        return CheckFinding(
            what=what, ok=False, message=f"{url} answered {status}: it refuses the key", fix=fix
        )
    return CheckFinding(what=what, ok=True, message=f"{url} answered {status}")


async def _authorised(name: str, row: Provider, provider: ProviderConfig, url: str) -> dict[str, str]:
    """The headers of a GET. Raises ConfigError or UpstreamError where there is nothing to authorise it with."""
    if key := provider_key(name, provider):
        return key_header(row.auth, key)
    http = HTTPClient()
    try:
        signer = signer_of(row, http)
        return {} if signer is None else await signer.headers("GET", url, b"")
    finally:
        await http.aclose()


async def ask_model(runtime: Runtime, name: str) -> AsyncGenerator[CheckFinding, None]:
    """Ask one small request, which the ledger records, for four findings: streaming, thinking, budget, usage."""
    served = runtime.models.resolve(name)
    recorder = RecordingBackend(served.backend)
    pieces: list[list[Event]] = []

    async def sink(batch: list[Event]) -> None:
        if any(isinstance(event, ThinkingDelta | AnswerDelta) for event in batch):
            pieces.append(batch)

    request = Request(
        messages=(_QUESTION,),
        model=name,
        limits=Limits(
            max_thinking_tokens=THINKING, max_output_tokens=THINKING + _ANSWER, deadline_ms=_DEADLINE_MS
        ),
    )
    try:
        answer = await solve(
            request, _services(runtime, replace(served, backend=recorder)), sink, origin=Origin("doctor")
        )
    except PerpendError as error:
        refused = isinstance(error, UpstreamError) and error.upstream_status is not None
        what = f"{name}: {'answers' if refused else 'streams'}"
        yield CheckFinding(what=what, ok=False, message=error.message, fix=error.hint)
        return
    yield _streams(name, pieces, answer)
    yield _thinks(name, pieces, answer)
    yield _holds(name, served, answer)
    yield _reports(name, recorder)


def _services(runtime: Runtime, served: ServedModel) -> Services:
    """The runtime's services, with one model."""
    return Services(
        resolve=lambda _: served,
        recorder=runtime.store.writer,
        default_effort="low",
        cheap_model=lambda _: served,
        verifier=runtime.verifiers.get,
        summary_every_tokens=runtime.config.defaults.summary_every_tokens,
    )


class RecordingBackend:
    """A backend that records the ends of its calls."""

    def __init__(self, backend: Backend) -> None:
        self.supports_prefix = backend.supports_prefix
        self.resumes = backend.resumes
        self.ends: list[CallEnded] = []
        self._backend = backend

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        async with aclosing(self._backend.stream(call)) as batches:
            async for batch in batches:
                self.ends += [event for event in batch if isinstance(event, CallEnded)]
                yield batch

    def left_out(self, call: Call) -> tuple[str, ...]:
        return self._backend.left_out(call)

    def steers(self, call: Call) -> dict[str, Any]:
        return self._backend.steers(call)

    async def count_input(self, call: Call) -> int | None:
        return await self._backend.count_input(call)


def _streams(name: str, pieces: list[list[Event]], answer: Answer) -> CheckFinding:
    what = f"{name}: streams"
    if len(pieces) > 1:
        return CheckFinding(what=what, ok=True, message=f"{len(pieces)} pieces in {answer.elapsed_s:.1f} s")
    message = "the whole answer came at once" if pieces else "nothing came"
    fix = "let the server stream, and whatever stands before it: budgets are held by watching the stream"
    return CheckFinding(what=what, ok=False, message=message, fix=fix)


def _thinks(name: str, pieces: list[list[Event]], answer: Answer) -> CheckFinding:
    what = f"{name}: emits thinking"
    if any(isinstance(event, ThinkingDelta) for batch in pieces for event in batch):
        return CheckFinding(what=what, ok=True, message=f"{answer.usage.thinking} tokens")
    if answer.usage.thinking:
        return CheckFinding(
            what=what, ok=True, message=f"{answer.usage.thinking} tokens, counted but not shown"
        )
    fix = (
        "start the server with its reasoning parser. A model that doesn't reason: set its `family`, or ask "
        "with effort none"
    )
    return CheckFinding(what=what, ok=False, message="none came", fix=fix)


def _holds(name: str, served: ServedModel, answer: Answer) -> CheckFinding:
    what = f"{name}: honours a budget"
    used, enforcement = answer.usage.thinking, _ENFORCEMENT[served.family.budget]
    if used <= THINKING:
        return CheckFinding(what=what, ok=True, message=f"thought {used} of {THINKING} tokens; {enforcement}")
    message = f"thought {used} tokens, {THINKING} were allowed"
    fix = (
        f"its family is {served.family.name}: set `family` to one with a budget field, or cap with max_tokens"
    )
    return CheckFinding(what=what, ok=False, message=message, fix=fix)


def _reports(name: str, recorder: RecordingBackend) -> CheckFinding:
    what = f"{name}: reports usage"
    usage = next((end.usage for end in reversed(recorder.ends) if end.usage is not None), None)
    if usage is not None and usage.input:
        return CheckFinding(what=what, ok=True, message=f"input {usage.input}, output {usage.output} tokens")
    fix = "let the server send usage in its stream (stream_options.include_usage)"
    return CheckFinding(what=what, ok=False, message="none came: what it costs is estimated", fix=fix)


def models_of(config: Config, provider: str) -> list[str]:
    """Names of the config's models that the provider serves."""
    return [
        name
        for name, row in config.models.items()
        if provider in [deployment.provider for deployment in row.all_deployments]
    ]
