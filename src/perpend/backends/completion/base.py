"""Raw completion: the server continues a prompt, so thinking can be cut at an exact token.

This is the base of two wires: llama.cpp's `/completion`, and `/v1/completions` of vLLM, SGLang and others. Their
modules name the API references.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from perpend.backends.contract import Call, CallEvent, Upstream, append_text
from perpend.backends.options import with_options
from perpend.backends.sampling import FieldNames, SamplingFields, sampling_fields
from perpend.backends.speech import Speech
from perpend.backends.stopping import Stopper
from perpend.backends.stream_decoder import Decoders, StreamDecoder, merged, relay
from perpend.errors import BadRequest, UpstreamError
from perpend.families.prompts import begin_answer, chatml, system_first, with_family_prompt
from perpend.families.tool_call_parser import ToolCallReader
from perpend.families.tool_markup import OPEN, as_text, callable_tools, forced, schema_of
from perpend.providers.provider import Provider
from perpend.types import (
    CallEnded,
    Message,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

_Reason = Literal["stop", "stop_sequence", "length"]

SAME: FieldNames = {
    name: name
    for name in (
        *("temperature", "top_p", "top_k", "min_p", "seed", "stop", "logit_bias", "logprobs"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty"),
    )
}
"""Sampling fields that both wires name as Perpend does."""


class RawChunk(Struct, frozen=True):
    """One streamed event of either wire."""

    text: str = ""
    generated: int | None = None
    """Tokens generated so far in this call; None where the server doesn't count while it streams."""
    reason: _Reason | None = None
    usage: Usage | None = None
    model_version: str | None = None
    first_logprobs: dict[str, float] | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


class RawCompletion(ABC):
    """The loop that both wires share; a subclass builds the body and reads the events."""

    supports_prefix = True
    resumes: ClassVar[bool]
    path: ClassVar[str]
    field_names: ClassVar[FieldNames]
    decoders: ClassVar[Decoders[Any]]

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._provider = upstream.provider

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest for tools or images that the family lacks; UpstreamError."""
        return relay(self._upstream, self.path, partial(self._body, call), self._decoder(call))

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads a response that wasn't streamed. Raises UpstreamError."""
        return self._decoder(call).whole(body)

    def _decoder(self, call: Call) -> "_CompletionDecoder":
        return _CompletionDecoder(self._provider, self.decoders, call, self.read)

    async def _body(self, call: Call, base: str) -> dict[str, Any]:
        prompt = await self._prompt(base, call)
        if call.phase == "answering" and forced(call.output_spec):
            prompt += f"{OPEN}\n"
        body = self.body(call, prompt)
        self._provider.rename(body)
        return with_options(body, call, self._provider)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return self._sampling(call).left_out

    def steers(self, call: Call) -> dict[str, Any]:
        """Returns an empty dict: the prompt begins and ends thoughts, so no field asks for them."""
        return {}

    async def count_input(self, call: Call) -> int | None:
        """Returns None: not every server of this wire has a tokenizer."""
        return None

    def sampling(self, call: Call) -> dict[str, Any]:
        """Returns the sampling under the wire's names, without stop sequences and log-probabilities: see `body`."""
        fields = self._sampling(call).fields
        for name in ("stop", "logprobs"):
            fields.pop(self._provider.fields.get(name, name), None)
        if "temperature" not in fields and call.family.temperature is not None:
            fields["temperature"] = call.family.temperature
        return fields

    def _sampling(self, call: Call) -> SamplingFields:
        return sampling_fields(call, self.field_names, self._provider)

    @abstractmethod
    def body(self, call: Call, prompt: str) -> dict[str, Any]:
        """Builds the body of a request on this wire."""

    @abstractmethod
    def read(self, event: Any, call: Call) -> RawChunk:
        """Reads a streamed event of this wire. Raises UpstreamError."""

    async def _prompt(self, base: str, call: Call) -> str:
        """Builds the prompt. Raises BadRequest for tools or images that the family lacks, and UpstreamError."""
        family = call.family
        if callable_tools(call.output_spec) and family.tools == "none":
            hint = "ask a model that does, or leave out tools"
            raise BadRequest(f"models of the family {family.name} call no tools", hint=hint, field="tools")
        thinking = call.continuation.startswith(family.open) and call.continuation != family.skip
        messages = as_text(call.messages, call.output_spec, family.tools)
        messages = with_family_prompt(messages, family, thinking=thinking)
        server_s = family.template == "server"
        prompt = await self._server_template(base, messages) if server_s else chatml(messages)
        return begin_answer(prompt, call.continuation, family)

    async def _server_template(self, base: str, messages: tuple[Message, ...]) -> str:
        body = msgspec.json.encode({"messages": system_first(messages)})
        answer = await self._upstream.http.post_json(f"{base}/apply-template", body, self._upstream.account)
        return msgspec.json.decode(answer, type=_Template).prompt


class _Template(Struct):
    prompt: str


def stops(call: Call) -> list[str]:
    """Returns the stop sequences: the family's close tag while it thinks, the client's for an answer."""
    if call.phase == "thinking":
        return [call.family.close, *([call.pause] if call.pause else [])]
    return list(call.sampling.stop)


def likeliest(call: Call) -> int:
    """Returns the number of most likely tokens to request for each generated token."""
    return max(call.first_logprobs, 0 if call.logprobs is None else max(call.logprobs, 1))


def answer_schema(call: Call) -> dict[str, Any] | None:
    """Returns the JSON schema of the answer; None in other phases."""
    return schema_of(call.output_spec) if call.phase == "answering" else None


class _CompletionDecoder(StreamDecoder[Any]):
    """Turns a call's text into events: separates tool calls, and drops a stop sequence that the server left in."""

    def __init__(
        self, provider: Provider, decoders: Decoders[Any], call: Call, chunk: Callable[[Any, Call], RawChunk]
    ) -> None:
        constrained = answer_schema(call) is not None
        super().__init__(
            provider.name, decoders, Speech(call, provider, constrained=constrained, in_answer=True)
        )
        self._call, self._chunk = call, chunk
        self._so_far: RawChunk | None = None
        self._thinks = call.phase == "thinking"
        self._stopper, self._requested_stops = Stopper(stops(call)), _stops_of(call)
        self._generated = self._counted = 0  # tokens generated so far, and those that events have counted
        self._calls: ToolCallReader | None = None
        if call.phase == "answering" and (tools := callable_tools(call.output_spec)):
            untagged = call.family.tools == "chosen"
            self._calls = ToolCallReader(tools, inside=forced(call.output_spec), untagged=untagged)

    def take(self, event: Any, batch: list[CallEvent]) -> None:
        try:
            chunk = self._chunk(event, self._call)
        except UpstreamError as error:
            self.failure = error
            return
        if chunk.text:
            self._add(chunk, batch)
        if chunk.logprobs and self._stopper.stopped is None:
            self.speech.add_logprobs(chunk.logprobs, batch)
        if not (chunk.text or chunk.reason or chunk.usage):
            return
        so_far = self._so_far or RawChunk()
        self._so_far = RawChunk(
            reason=chunk.reason or so_far.reason,
            usage=merged(so_far.usage, chunk.usage),
            model_version=chunk.model_version or so_far.model_version,
            first_logprobs=so_far.first_logprobs or chunk.first_logprobs,
        )

    def _add(self, chunk: RawChunk, batch: list[CallEvent]) -> None:
        self._generated = self._generated + 1 if chunk.generated is None else chunk.generated
        if self._stopper.stopped is None and (text := self._stopper.feed(chunk.text)):
            self._emit(text, batch)

    def rest(self) -> list[CallEvent]:
        """Returns the events that were held back, with their tokens."""
        batch: list[CallEvent] = []
        if constrained := self._stopper.close():
            self._emit(constrained, batch)
        if self._calls is not None:
            self._append(self._calls.close(), batch)
        return [*batch, *super().rest()]

    def end(self) -> CallEnded | None:
        so_far = self._so_far
        if so_far is None or (so_far.reason is None and not self.done):
            return None
        reason: Literal["stop", "stop_sequence", "length", "tool_calls"] = so_far.reason or "stop"
        if reason == "stop" and self._stopper.stopped in self._requested_stops:
            reason = "stop_sequence"
        if self._calls is not None and self._calls.calls and reason == "stop":
            reason = "tool_calls"
        return CallEnded(reason, so_far.usage, so_far.model_version, first_logprobs=so_far.first_logprobs)

    def _emit(self, text: str, batch: list[CallEvent]) -> None:
        if self._calls is not None:
            self._append(self._calls.feed(text), batch)
        elif self._thinks:
            append_text(batch, ThinkingDelta, text, self._take_new_tokens())
        else:
            self.speech.answer(text, batch, self._take_new_tokens())

    def _append(self, pieces: list[str | ToolCallDelta], batch: list[CallEvent]) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                self.speech.answer(piece, batch, self._take_new_tokens())
            else:
                piece.tokens = self._take_new_tokens()
                batch.append(piece)

    def _take_new_tokens(self) -> int:
        """Returns the tokens that no event has counted yet, and counts them."""
        tokens, self._counted = self._generated - self._counted, self._generated
        return tokens


def reason_for(at_limit: bool, stopping_word: str, call: Call) -> _Reason:
    """Returns the reason for the end. `stopping_word`: the matched stop sequence, or empty."""
    if at_limit:
        return "length"
    return "stop_sequence" if stopping_word and stopping_word in _stops_of(call) else "stop"


def _stops_of(call: Call) -> tuple[str, ...]:
    """Returns the stop sequences without the family's close tag."""
    return (call.pause,) if call.phase == "thinking" else call.sampling.stop


def usage_of(call: Call, prompt: int, cached: int, generated: int) -> Usage:
    """Converts token counts; all generated tokens belong to the call's phase."""
    if call.phase == "thinking":
        return Usage(prompt, cached, thinking=generated)
    return Usage(prompt, cached, answer=generated)
