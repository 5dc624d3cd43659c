"""What the name of a verifier means: a row of perpend.toml, or one that Perpend has."""

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

_MOST = 64
"""Verifiers with options that are kept."""


class Verifiers:
    """One verifier of each kind, with the same options, serves all requests: its workers are shared."""

    def __init__(self, config: Config) -> None:
        self._own = config.verifiers
        self._shared: dict[str, Verifier] = {}
        self._with_options: dict[tuple[str, bytes], Verifier] = {}
        self._anywhere = HTTPClient()
        self._clients = HTTPClient(public_only=not config.serve.private_addresses)

    def get(self, spec: VerifierSpec) -> Verifier:
        """One of perpend.toml goes before one of the same name. Raises BadRequest, and ConfigError."""
        if not spec.options:
            if spec.name not in self._shared:
                self._shared[spec.name] = self._made(spec)
            return self._shared[spec.name]
        key = spec.name, msgspec.json.encode(spec.options, order="sorted")
        found = self._with_options.pop(key, None) or self._made(spec)
        self._with_options[key] = found  # the last that was asked for
        if len(self._with_options) > _MOST:  # a request may still use the oldest: it isn't closed
            del self._with_options[next(iter(self._with_options))]
        return found

    def _made(self, spec: VerifierSpec) -> Verifier:
        name, row = spec.name, self._own.get(spec.name)
        if row is None and name == "http":
            return Endpoint(self._clients, **checked_options(Endpoint, spec.options, "verifier"))
        if row is None:
            return make_verifier(spec)
        if spec.options:
            raise BadRequest(f"the verifier {name!r} takes no options", field="verifier")
        if row.function is not None:
            return PythonFunction(name, row.function, timeout_s=row.timeout_s, needs_gold=row.needs_gold)
        if row.command is not None:
            return Command(name, row.command, timeout_s=row.timeout_s, needs_gold=row.needs_gold)
        assert row.url is not None
        return Endpoint(self._anywhere, name, row.needs_gold, url=row.url, timeout_s=row.timeout_s)

    async def aclose(self) -> None:
        for verifier in (*self._shared.values(), *self._with_options.values()):
            await verifier.aclose()
        await self._anywhere.aclose()
        await self._clients.aclose()
