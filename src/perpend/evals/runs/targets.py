"""Targets of a run: this process's models, or a gateway. `fleet` has engines on a Ray cluster."""

import time
from typing import Any, Protocol

import aiohttp
import msgspec
from msgspec import Struct

from perpend.errors import PerpendError, Unauthenticated, UpstreamError, UpstreamOverloaded
from perpend.evals.runs.log import SampleLog
from perpend.runtime import Runtime
from perpend.types import (
    Answer,
    Candidate,
    Image,
    Message,
    PerpendReport,
    Request,
    StrategySpec,
    Text,
    Tool,
    ToolUse,
    Usage,
)


class Target(Protocol):
    async def answer(self, request: Request, log: SampleLog) -> Answer:
        """Answer a request; its events go to `log` where the target reports them. Raises PerpendError."""
        ...


class Local:
    """This process's models."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def answer(self, request: Request, log: SampleLog) -> Answer:
        """Solve in this process. Raises PerpendError."""
        return await self.runtime.solve(request, log_sink=log, source="eval")


class _Function(Struct):
    name: str
    arguments: str


class _ToolCall(Struct):
    id: str
    function: _Function


class _Message(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct):
    message: _Message


class _Completion(Struct):
    choices: list[_Choice]
    perpend: PerpendReport


_COMPLETION = msgspec.json.Decoder(_Completion)


class Gateway:
    """A running `perpend serve`, asked over its OpenAI chat API. It reports no events."""

    def __init__(self, base_url: str, key: str | None = None) -> None:
        """`base_url` ends before `/chat/completions`."""
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        headers = {"content-type": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)

    async def answer(self, request: Request, log: SampleLog) -> Answer:
        """Ask the gateway. Raises UpstreamError where it can't be reached, refuses or isn't Perpend's,
        UpstreamOverloaded for 429 and 503, and Unauthenticated for 401.
        """
        began = time.perf_counter()
        try:
            async with self._session.post(self._url, data=msgspec.json.encode(body_of(request))) as reply:
                data = await reply.read()
        except aiohttp.ClientError as error:
            raise UpstreamError(f"{self._url}: {error}", hint="is the gateway running?") from error
        if reply.status != 200:
            raise refusal(reply.status, data)
        try:
            completion = _COMPLETION.decode(data)
        except ValueError as error:
            hint = "only Perpend's own gateways say what an answer cost; name other servers as providers"
            raise UpstreamError(f"{self._url} isn't a Perpend gateway: {error}", hint=hint) from None
        return _answer(completion, time.perf_counter() - began)

    async def aclose(self) -> None:
        await self._session.close()


def body_of(request: Request) -> dict[str, Any]:
    """The request as a body of `POST /v1/chat/completions`."""
    limits, sampling = request.limits, request.sampling
    verifier = request.verifier
    fields: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": _content(message)} for message in request.messages],
        "reasoning_effort": request.effort,
        "max_thinking_tokens": limits.max_thinking_tokens,
        "max_completion_tokens": limits.max_output_tokens,
        "max_cost_usd": None if limits.max_cost_usd is None else str(limits.max_cost_usd),
        "deadline_ms": limits.deadline_ms,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        "strategy": None if request.strategy == StrategySpec() else _strategy(request.strategy),
        "tools": [_function(tool) for tool in request.output_spec.tools] or None,
        "verifier": verifier and {"name": verifier.name, "gold": verifier.gold, **verifier.options},
    }
    return {name: value for name, value in fields.items() if value is not None}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, Image) for part in message.parts):
        return message.text
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Image):
            parts.append({"type": "image_url", "image_url": {"url": part.url}})
        elif isinstance(part, Text):
            parts.append({"type": "text", "text": part.text})
    return parts


def _function(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _strategy(spec: StrategySpec) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": spec.name, **spec.options}
    if spec.verifier is not None:
        fields["verifier"] = {"name": spec.verifier.name, **spec.verifier.options}
    return fields


class _Error(Struct):
    message: str = ""
    code: str | None = None
    hint: str | None = None


class _Failure(Struct):
    error: _Error


def refusal(status: int, data: bytes) -> PerpendError:
    """The error that a gateway's failed reply means."""
    try:
        error = msgspec.json.decode(data, type=_Failure).error
    except ValueError:
        error = _Error(f"HTTP {status}")
    if status == 401:
        return Unauthenticated(error.message, hint="name the key's variable with --key-env")
    kind = UpstreamOverloaded if status in (429, 503) else UpstreamError
    return kind(error.message, hint=error.hint, upstream_status=status)


def _answer(completion: _Completion, seconds: float) -> Answer:
    message, report = completion.choices[0].message, completion.perpend
    return Answer(
        request_id=report.request_id,
        model=report.model,
        model_version=report.model_version,
        plan=report.plan,
        budget=report.budget,
        text=message.content or "",
        thinking=message.reasoning_content or "",
        usage=report.usage,
        cost_usd=report.cost_usd,
        truncated=report.truncated,
        stop_reason=report.stop_reason,
        candidates=tuple(
            Candidate(
                index=index,
                model=candidate.model,
                answer=candidate.answer,
                usage=Usage(thinking=candidate.thinking, answer=candidate.answer_tokens),
                cost_usd=candidate.cost_usd,
                stop_reason=candidate.stop_reason,
                score=candidate.score,
                verdict=candidate.verdict,
            )
            for index, candidate in enumerate(report.candidates)
        ),
        elapsed_s=seconds,
        content=tuple(
            ToolUse(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()
        ),
    )
