"""OpenAI's background mode: a response outlives its connection, and continues on another one.

A stream resumes after the last received event. Where OpenAI refuses that (it does for responses more than five minutes
old: openai-python #2828) the response is polled until it is complete, and the missing events are delivered.
Reference: https://platform.openai.com/docs/guides/background; openai 3.54: responses.retrieve, responses.cancel.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Any

from perpend.backends.body import Body
from perpend.backends.contract import Call, CallEvent, Upstream
from perpend.backends.openai_responses.events import ResponsesDecoder, ResponsesEvent
from perpend.backends.stream_decoder import relay
from perpend.errors import Rejected, UpstreamError, UpstreamMalformed, UpstreamTimeout
from perpend.providers.provider import Provider
from perpend.types import AnswerDelta, CallEnded, ProviderStateDelta, ThinkingDelta, ToolCallDelta

_RETRY_WAITS_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each retry in a row; an event resets the row."""
_POLL_S = 2.0
_FINAL_STATUSES = ("completed", "incomplete", "failed", "cancelled")

Batches = AsyncGenerator[list[CallEvent], None]
Exchange = Callable[[Upstream], Batches]


class BackgroundDecoder(ResponsesDecoder):
    """Notes each event's sequence number, and skips repeated events."""

    def __init__(self, call: Call, provider: Provider) -> None:
        super().__init__(call, provider)
        self.id = ""
        """The response's id; empty until it is known."""
        self.identified = asyncio.get_running_loop().create_future()
        self.last_number = -1
        """Sequence number of the last event."""
        self.finished = False

    def take(self, event: ResponsesEvent, batch: list[CallEvent]) -> None:
        if 0 <= event.sequence_number <= self.last_number:
            return
        self.last_number = max(self.last_number, event.sequence_number)
        if event.response is not None:
            self.id = event.response.id or self.id
            if self.id and not self.identified.done():
                self.identified.set_result(None)
            self.finished = event.response.status in _FINAL_STATUSES
        super().take(event, batch)


class BackgroundResponse:
    """One background response; it is cancelled at OpenAI if `events` is closed before its end."""

    def __init__(
        self,
        upstream: Upstream,
        body: Body,
        call: Call,
        thinking_params: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """`thinking_params()` returns the thinking parameters in the body."""
        self._upstream = upstream
        self._call = call
        self._body = body
        self._thinking_params = thinking_params
        self._include = "&include%5B%5D=".join(["", *body.get("include", [])])
        self._decoder = BackgroundDecoder(call, upstream.provider)
        self._delivered = _Delivered()
        self._tries = 0

    async def events(self) -> Batches:
        """Yields events as `relay` does.

        Raises UpstreamError after several failed retries in a row, and UpstreamTimeout at the account's total timeout.
        """
        decoder, account = self._decoder, self._upstream.account
        total_s = account.timeouts.total_s
        deadline, exchange = monotonic() + total_s, self._create
        try:
            while (left_s := deadline - monotonic()) > 0:
                upstream = self._upstream._replace(account=account.with_total_timeout(left_s))
                last_number, wait_s = decoder.last_number, _POLL_S
                try:
                    async with aclosing(exchange(upstream)) as batches:
                        async for batch in batches:
                            self._delivered.add(batch)
                            yield batch
                            if isinstance(batch[-1], CallEnded):
                                decoder.finished = True
                                return
                    self._tries = 0
                except UpstreamError as error:
                    if (end := decoder.end()) is not None:
                        yield [end]
                        return
                    self._tries = 0 if decoder.last_number > last_number else self._tries
                    exchange, wait_s = self._next(error, exchange)
                await asyncio.sleep(min(wait_s, deadline - monotonic()))
            raise UpstreamTimeout(f"{self._upstream.provider.name}: no end came within {total_s:g} s")
        finally:
            if decoder.id and not decoder.finished:
                self._upstream.http.run_in_background(self._cancel())

    def _next(self, error: UpstreamError, exchange: Exchange) -> tuple[Exchange, float]:
        """Returns the next exchange after `error`, and seconds to wait first. Raises `error` where no retry helps."""
        decoder, failure = self._decoder, self._decoder.failure
        if not decoder.id or (failure is not None and not isinstance(failure, UpstreamMalformed)):
            raise error
        error.billed = True  # the response was started, and may still run
        refused = error.upstream_status is not None
        if refused and isinstance(error, Rejected) and exchange == self._resume:
            return self._poll, 0.0
        if (refused and not error.retry_later) or self._tries == len(_RETRY_WAITS_S):
            raise error
        decoder.failure = None
        wait_s = max(_RETRY_WAITS_S[self._tries], error.retry_after or 0.0)
        self._tries += 1
        has_number = decoder.last_number >= 0
        return (self._resume if has_number and exchange != self._poll else self._poll), wait_s

    async def _create(self, upstream: Upstream) -> Batches:
        """Starts the response; if cancelled before its id is known, a background task gets the id and cancels it."""
        batches = relay(
            upstream, "/responses", self._body, self._decoder, thinking_params=self._thinking_params
        )
        first = asyncio.ensure_future(anext(batches))
        try:
            batch = await asyncio.shield(first)
        except asyncio.CancelledError:
            self._upstream.http.run_in_background(
                self._abandon(batches, first, is_known=bool(self._decoder.id))
            )
            raise
        async with aclosing(batches):
            yield batch
            async for batch in batches:
                yield batch

    async def _abandon(
        self, batches: Batches, first: asyncio.Future[list[CallEvent]], *, is_known: bool
    ) -> None:
        await asyncio.wait((first, self._decoder.identified), return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await batches.aclose()
        if self._decoder.id and not is_known:
            await self._cancel()

    def _resume(self, upstream: Upstream) -> Batches:
        path = f"/responses/{self._decoder.id}?stream=true&starting_after={self._decoder.last_number}{self._include}"
        return relay(upstream, path, None, self._decoder)

    async def _poll(self, upstream: Upstream) -> Batches:
        """Yields the missing events if the response is complete, else nothing. Raises UpstreamError."""
        url = f"{await upstream.url()}/responses/{self._decoder.id}?stream=false{self._include}"
        body = await upstream.http.get_json(url, upstream.account)
        try:
            response = ResponsesDecoder(self._call, upstream.provider).whole(body)
        except UpstreamError as error:
            self._decoder.failure = error
            raise
        if response:
            yield self._delivered.remaining(response)

    async def _cancel(self) -> None:
        url = f"{await self._upstream.url()}/responses/{self._decoder.id}/cancel"
        await self._upstream.http.post_json(url, b"", self._upstream.account)


class _Delivered:
    """Counts the delivered part of a response: characters of each kind of text, and other events."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, batch: list[CallEvent]) -> None:
        for event in batch:
            if isinstance(event, ThinkingDelta | AnswerDelta):
                self._counts[type(event).__name__] += len(event.text)
            elif isinstance(event, ToolCallDelta):
                self._counts[f"arguments {event.index}"] += len(event.arguments)
                self._counts[f"call {event.index}"] += bool(event.id)
            elif isinstance(event, ProviderStateDelta):
                self._counts["carried"] += 1

    def remaining(self, response: list[CallEvent]) -> list[CallEvent]:
        """Returns the events of a complete response without the delivered ones."""
        delivered = self._counts.copy()

        def undelivered(kind: str, text: str) -> str:
            length = min(delivered[kind], len(text))
            delivered[kind] -= length
            return text[length:]

        remaining: list[CallEvent] = []
        for event in response:
            if isinstance(event, ThinkingDelta | AnswerDelta):
                if text := undelivered(type(event).__name__, event.text):
                    remaining.append(type(event)(text, 0))
            elif isinstance(event, ToolCallDelta):
                arguments = undelivered(f"arguments {event.index}", event.arguments)
                is_known = not event.id or delivered[f"call {event.index}"]
                if arguments or not is_known:
                    names = ("", "") if is_known else (event.id, event.name)
                    remaining.append(ToolCallDelta(event.index, *names, arguments))
            elif isinstance(event, ProviderStateDelta):
                if undelivered("carried", "."):
                    remaining.append(event)
            else:
                remaining.append(event)
        return remaining
