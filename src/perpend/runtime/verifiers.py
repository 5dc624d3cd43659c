"""Resolves the name of a verifier: a row of perpend.toml, or a built-in one."""

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.registry import checked_options
from perpend.transport.client import HTTPClient
from perpend.types import VerifierSpec
from perpend.verifiers import Verifier, make_verifier
from perpend.verifiers.command import Command
from perpend.verifiers.endpoint import Endpoint
from perpend.verifiers.function import PythonFunction

_MAX_KEPT = 64
"""How many verifiers with options are kept: the last used."""


class Verifiers:
    """Makes verifiers; all requests with the same name and options share one, and so its workers."""

    def __init__(self, config: Config) -> None:
        self._rows = config.verifiers
        self._without_options: dict[str, Verifier] = {}
        self._with_options: dict[tuple[str, bytes], Verifier] = {}
        self._own_http = HTTPClient()
        self._client_http = HTTPClient(public_only=not config.serve.private_addresses)

    def get(self, spec: VerifierSpec) -> Verifier:
        """The verifier of a spec; a row of perpend.toml precedes a built-in one. Raises BadRequest and ConfigError."""
        if not spec.options:
            if spec.name not in self._without_options:
                self._without_options[spec.name] = self._make(spec)
            return self._without_options[spec.name]
        key = spec.name, msgspec.json.encode(spec.options, order="sorted")
        verifier = self._with_options.pop(key, None) or self._make(spec)
        self._with_options[key] = verifier  # now the last used
        if len(self._with_options) > _MAX_KEPT:  # a request may still use the oldest: it isn't closed
            del self._with_options[next(iter(self._with_options))]
        return verifier

    def _make(self, spec: VerifierSpec) -> Verifier:
        name, row = spec.name, self._rows.get(spec.name)
        if row is None and name == "http":
            return Endpoint(self._client_http, **checked_options(Endpoint, spec.options, "verifier"))
        if row is None:
            return make_verifier(spec)
        if spec.options:
            raise BadRequest(f"the verifier {name!r} takes no options", field="verifier")
        if row.function is not None:
            return PythonFunction(name, row.function, timeout_s=row.timeout_s, needs_gold=row.needs_gold)
        if row.command is not None:
            return Command(name, row.command, timeout_s=row.timeout_s, needs_gold=row.needs_gold)
        assert row.url is not None
        return Endpoint(self._own_http, name, row.needs_gold, url=row.url, timeout_s=row.timeout_s)

    async def aclose(self) -> None:
        for verifier in (*self._without_options.values(), *self._with_options.values()):
            await verifier.aclose()
        await self._own_http.aclose()
        await self._client_http.aclose()
