"""A verifier behind HTTP: it gets JSON in a POST and answers with a verdict as JSON. Redirects aren't followed."""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from perpend.errors import BadRequest, UpstreamError, VerifierFailed
from perpend.transport.addresses import PRIVATE_ADDRESS_HINT, NotPublic, resolved, web_address
from perpend.transport.client import HTTPClient, Timeouts, UpstreamAccount
from perpend.types import Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.external_protocol import parse_verdict, verifier_question

Seconds = Annotated[float, Meta(gt=0, le=60)]


class Endpoint(Verifier):
    """`http`: a shared client, which decides what addresses may be reached; None: its own, for public ones only.

    `verify` raises VerifierFailed.
    """

    def __init__(
        self,
        http: HTTPClient | None = None,
        name: str = "http",
        needs_gold: bool = False,
        *,
        url: str,
        timeout_s: Seconds = 10.0,
    ) -> None:
        """`timeout_s`: seconds for each candidate. Raises BadRequest for a `url` that is invalid or private."""
        self.needs_gold = needs_gold
        self._owns = http is None
        self._http = http or HTTPClient(public_only=True)
        try:
            self._address = web_address(url)
        except ValueError as error:
            hint = 'such as "https://HOST:PORT/path"'
            raise BadRequest(f"the verifier's url {error}", hint=hint, field="verifier.url") from None
        if self._http.public_only and self._address.is_private:
            raise _private()
        self._name = name
        self._url = url
        timeouts = Timeouts(min(timeout_s, 10.0), timeout_s, timeout_s, timeout_s)
        self._account = UpstreamAccount({"content-type": "application/json"}, timeouts)

    async def check(self, task: Task) -> None:
        """Raises BadRequest for a private address. A name that doesn't resolve yet is checked again on connecting."""
        if self._http.public_only:
            try:
                async with asyncio.timeout(self._account.timeouts.connect_s):
                    await resolved(self._address.host, self._address.port)
            except NotPublic:
                raise _private() from None
            except OSError:
                pass

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        body = msgspec.json.encode(verifier_question(task, candidate))
        try:
            reply = await self._http.post_json(self._url, body, self._account)
        except UpstreamError as error:
            message = f"the verifier {self._name!r} can't be asked: {error.message}"
            raise VerifierFailed(message, hint=error.hint, billed=False) from error
        return parse_verdict(self._name, reply)

    async def aclose(self) -> None:
        if self._owns:
            await self._http.aclose()


def _private() -> BadRequest:
    return BadRequest(
        "the verifier's address isn't a public one", hint=PRIVATE_ADDRESS_HINT, field="verifier.url"
    )


verifiers.register("http")(Endpoint)
