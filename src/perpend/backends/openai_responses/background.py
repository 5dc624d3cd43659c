"""OpenAI's background mode: a response outlives its connection, and is gone on with over another one.

A stream is resumed after the last event that came. Where that is refused (it is for responses that are more than five
minutes old: openai-python #2828) the response is asked for until it is done, and what hadn't come yet is handed on.
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

_WAITS_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each try to go on; from the first again once an event has come."""
_POLL_S = 2.0
_OVER = ("completed", "incomplete", "failed", "cancelled")

Batches = AsyncGenerator[list[CallEvent], None]
Ask = Callable[[Upstream], Batches]


class BackgroundDecoder(ResponsesDecoder):
    """Knows how far it is; an event that comes again is passed over."""

    def __init__(self, call: Call, provider: Provider) -> None:
        super().__init__(call, provider)
        self.id = ""
        """Of the response, once it has come."""
        self.named = asyncio.get_running_loop().create_future()
        self.last = -1
        """Number of the last event."""
        self.over = False

    def take(self, event: ResponsesEvent, batch: list[CallEvent]) -> None:
        if 0 <= event.sequence_number <= self.last:
            return
        self.last = max(self.last, event.sequence_number)
        if event.response is not None:
            self.id = event.response.id or self.id
            if self.id and not self.named.done():
                self.named.set_result(None)
            self.over = event.response.status in _OVER
        super().take(event, batch)


class BackgroundResponse:
    """One response that is made in the background; cancelled there if `events` is closed before its end."""

    def __init__(
        self,
        upstream: Upstream,
        body: Body,
        call: Call,
        asks: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """`asks()`: what of the body asks for thinking."""
        self._upstream = upstream
        self._call = call
        self._body = body
        self._asks = asks
        self._more = "&include%5B%5D=".join(["", *body.get("include", [])])
        self._decoder = BackgroundDecoder(call, upstream.provider)
        self._handed_on = _HandedOn()
        self._tries = 0

    async def events(self) -> Batches:
        """As `relay`. Raises UpstreamError once nothing has come of several tries to go on."""
        decoder, account = self._decoder, self._upstream.account
        total_s = account.timeouts.total_s
        ends, ask = monotonic() + total_s, self._created
        try:
            while (left_s := ends - monotonic()) > 0:
                upstream = self._upstream._replace(account=account.with_total_timeout(left_s))
                last, wait_s = decoder.last, _POLL_S
                try:
                    async with aclosing(ask(upstream)) as batches:
                        async for batch in batches:
                            self._handed_on.note(batch)
                            yield batch
                            if isinstance(batch[-1], CallEnded):
                                decoder.over = True
                                return
                    self._tries = 0
                except UpstreamError as error:
                    if (end := decoder.end()) is not None:
                        yield [end]
                        return
                    self._tries = 0 if decoder.last > last else self._tries
                    ask, wait_s = self._next(error, ask)
                await asyncio.sleep(min(wait_s, ends - monotonic()))
            raise UpstreamTimeout(f"{self._upstream.provider.name}: no end came within {total_s:g} s")
        finally:
            if decoder.id and not decoder.over:
                self._upstream.http.run_in_background(self._cancel())

    def _next(self, error: UpstreamError, ask: Ask) -> tuple[Ask, float]:
        """How to go on after `error`, and the seconds to wait first. Raises it where going on can't help."""
        decoder, failure = self._decoder, self._decoder.failure
        if not decoder.id or (failure is not None and not isinstance(failure, UpstreamMalformed)):
            raise error
        error.billed = True  # it was begun, and may be worked on still
        refused = error.upstream_status is not None
        if refused and isinstance(error, Rejected) and ask == self._resumed:
            return self._polled, 0.0
        if (refused and not error.retry_later) or self._tries == len(_WAITS_S):
            raise error
        decoder.failure = None
        wait_s = max(_WAITS_S[self._tries], error.retry_after or 0.0)
        self._tries += 1
        numbered = decoder.last >= 0
        return (self._resumed if numbered and ask != self._polled else self._polled), wait_s

    async def _created(self, upstream: Upstream) -> Batches:
        """Whoever goes away before the response has a name leaves somebody behind to cancel it."""
        batches = relay(upstream, "/responses", self._body, self._decoder, asks=self._asks)
        first = asyncio.ensure_future(anext(batches))
        try:
            batch = await asyncio.shield(first)
        except asyncio.CancelledError:
            self._upstream.http.run_in_background(self._abandon(batches, first, known=bool(self._decoder.id)))
            raise
        async with aclosing(batches):
            yield batch
            async for batch in batches:
                yield batch

    async def _abandon(
        self, batches: Batches, first: asyncio.Future[list[CallEvent]], *, known: bool
    ) -> None:
        await asyncio.wait((first, self._decoder.named), return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await batches.aclose()
        if self._decoder.id and not known:
            await self._cancel()

    def _resumed(self, upstream: Upstream) -> Batches:
        path = f"/responses/{self._decoder.id}?stream=true&starting_after={self._decoder.last}{self._more}"
        return relay(upstream, path, None, self._decoder)

    async def _polled(self, upstream: Upstream) -> Batches:
        """What hadn't come yet, if the response is done; else nothing."""
        url = f"{await upstream.url()}/responses/{self._decoder.id}?stream=false{self._more}"
        body = await upstream.http.get_json(url, upstream.account)
        try:
            whole = ResponsesDecoder(self._call, upstream.provider).whole(body)
        except UpstreamError as error:
            self._decoder.failure = error
            raise
        if whole:
            yield self._handed_on.rest(whole)

    async def _cancel(self) -> None:
        url = f"{await self._upstream.url()}/responses/{self._decoder.id}/cancel"
        await self._upstream.http.post_json(url, b"", self._upstream.account)


class _HandedOn:
    """How much of a response was handed on: characters of each kind of text, and how many of what isn't text."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, batch: list[CallEvent]) -> None:
        for event in batch:
            if isinstance(event, ThinkingDelta | AnswerDelta):
                self._counts[type(event).__name__] += len(event.text)
            elif isinstance(event, ToolCallDelta):
                self._counts[f"arguments {event.index}"] += len(event.arguments)
                self._counts[f"call {event.index}"] += bool(event.id)
            elif isinstance(event, ProviderStateDelta):
                self._counts["carried"] += 1

    def rest(self, whole: list[CallEvent]) -> list[CallEvent]:
        """The events of a whole response, less what was handed on of it."""
        left = self._counts.copy()

        def unsaid(kind: str, text: str) -> str:
            known = min(left[kind], len(text))
            left[kind] -= known
            return text[known:]

        rest: list[CallEvent] = []
        for event in whole:
            if isinstance(event, ThinkingDelta | AnswerDelta):
                if text := unsaid(type(event).__name__, event.text):
                    rest.append(type(event)(text, 0))
            elif isinstance(event, ToolCallDelta):
                arguments = unsaid(f"arguments {event.index}", event.arguments)
                known = not event.id or left[f"call {event.index}"]
                if arguments or not known:
                    names = ("", "") if known else (event.id, event.name)
                    rest.append(ToolCallDelta(event.index, *names, arguments))
            elif isinstance(event, ProviderStateDelta):
                if unsaid("carried", "."):
                    rest.append(event)
            else:
                rest.append(event)
        return rest
