"""What the name of a verifier means: a row of perpend.toml, or one that Perpend has."""

from perpend.backends.http import HTTPClient
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.registry import checked_options
from perpend.types import VerifierSpec
from perpend.verifiers import Verifier, made
from perpend.verifiers.command import Command
from perpend.verifiers.endpoint import Endpoint
from perpend.verifiers.function import Function


class Verifiers:
    """One verifier of each kind serves all requests: its workers are shared. With options of its own, one each."""

    def __init__(self, config: Config) -> None:
        self._own = config.verifiers
        self._shared: dict[str, Verifier] = {}
        self._anywhere = HTTPClient()
        self._clients = HTTPClient(public_only=not config.serve.private_addresses)

    def get(self, spec: VerifierSpec) -> Verifier:
        """One of perpend.toml goes before one of the same name. Raises BadRequest, and ConfigError."""
        if spec.options:
            return self._made(spec)
        if spec.name not in self._shared:
            self._shared[spec.name] = self._made(spec)
        return self._shared[spec.name]

    def _made(self, spec: VerifierSpec) -> Verifier:
        name, row = spec.name, self._own.get(spec.name)
        if row is None and name == "http":
            return Endpoint(self._clients, **checked_options(Endpoint, spec.options, "verifier"))
        if row is None:
            return made(spec)
        if spec.options:
            raise BadRequest(f"the verifier {name!r} takes no options", field="verifier")
        if row.function is not None:
            return Function(name, row.function, timeout_s=row.timeout_s, needs_gold=row.needs_gold)
        if row.command is not None:
            return Command(name, row.command, timeout_s=row.timeout_s, needs_gold=row.needs_gold)
        assert row.url is not None
        return Endpoint(self._anywhere, name, row.needs_gold, url=row.url, timeout_s=row.timeout_s)

    async def aclose(self) -> None:
        for verifier in self._shared.values():
            await verifier.aclose()
        await self._anywhere.aclose()
        await self._clients.aclose()
