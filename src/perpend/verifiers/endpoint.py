"""A verifier behind HTTP: it gets JSON in a POST and answers with a verdict as JSON. No redirect is followed."""

from typing import Annotated

import msgspec
from msgspec import Meta

from perpend.backends.addresses import ALLOW, is_private
from perpend.backends.http import Account, HTTPClient, Patience
from perpend.errors import BadRequest, ConfigError, UpstreamError, VerifierFailed
from perpend.types import Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.told import asked, read

Seconds = Annotated[float, Meta(gt=0, le=60)]


class Endpoint(Verifier):
    """`http` is shared by all requests and decides which addresses may be reached; without one, public ones."""

    def __init__(
        self,
        http: HTTPClient | None = None,
        name: str = "http",
        needs_gold: bool = False,
        *,
        url: str,
        timeout_s: Seconds = 10.0,
    ) -> None:
        """Raises BadRequest where `url` is none."""
        self.needs_gold = needs_gold
        self._owns = http is None
        self._http = http or HTTPClient(public_only=True)
        if not url.startswith(("http://", "https://")):
            raise BadRequest("a verifier's url begins with http:// or https://", field="verifier.url")
        if self._http.public_only and is_private(url):
            raise BadRequest("the verifier's address isn't a public one", hint=ALLOW, field="verifier.url")
        self._name = name
        self._url = url
        patience = Patience(min(timeout_s, 10.0), timeout_s, timeout_s, timeout_s)
        self._account = Account({"content-type": "application/json"}, patience)

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        body = msgspec.json.encode(asked(task, candidate))
        try:
            said = await self._http.post_json(self._url, body, self._account)
        except UpstreamError as error:
            message = f"the verifier {self._name!r} can't be asked: {error.message}"
            raise VerifierFailed(message, hint=error.hint, billed=False) from error
        except ConfigError as error:
            raise BadRequest(error.message, field="verifier.url") from None
        return read(self._name, said)

    async def aclose(self) -> None:
        if self._owns:
            await self._http.aclose()


verifiers.register("http")(Endpoint)
