"""Wires a `Config` into the objects that a command or a server needs."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from types import CoroutineType, TracebackType
from typing import Any, Self

from perpend.accounting.prices import Price
from perpend.config.load import home_dir
from perpend.config.schema import EMBEDDED, Config
from perpend.documents import PDFReader
from perpend.engine.embedders import Embedders
from perpend.engine.hub import PREFIX, of_hub
from perpend.engine.pool import EnginePool, Engines
from perpend.engine.pull import PullProgress, pull
from perpend.errors import WeightsError
from perpend.private_files import private_folder
from perpend.runtime.models import Models
from perpend.runtime.verifiers import Verifiers
from perpend.solve import AnswerCache, Control, Gate, Origin, Services, Sink, solve
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.solve.auxiliary_model import asking
from perpend.solve.count import count_input
from perpend.solve.documents import readable
from perpend.solve.embed import EmbeddingDeployment, embed
from perpend.solve.gate import EmbeddingGate
from perpend.solve.request_context import check_verifiers
from perpend.storage.conversations import ConversationStore
from perpend.storage.responses import ResponseStore
from perpend.storage.store import Store
from perpend.strategies import with_options
from perpend.transport.client import HTTPClient
from perpend.types import Answer, EmbeddingRequest, EmbeddingResult, Request


class Runtime:
    """All objects that a command or a server needs; `aclose` closes them."""

    def __init__(
        self, config: Config, home: Path, store: Store, engines: Engines, cache: AnswerCache | None = None
    ) -> None:
        """`cache` answers what it has in the place of models."""
        self._cache = cache
        self.config = config
        self.home = home
        self.store = store
        self.responses = ResponseStore(store, config.storage.responses_days)
        self.conversations = ConversationStore(store)
        self.engines = engines
        self._embedders = Embedders()
        self._http = HTTPClient()
        self.models = Models(config, home, self._http, self.engines)
        self.verifiers = Verifiers(config)
        self._services = Services(
            resolve=self.models.resolve,
            recorder=store.writer,
            default_effort=config.defaults.effort,
            cheap_model=self.models.cheap,
            verifier=self.verifiers.get,
            summary_every_tokens=config.defaults.summary_every_tokens,
            read_pdf=PDFReader().text,
        )

    @classmethod
    async def open(
        cls, config: Config, *, cache: AnswerCache | None = None, engines: Engines | None = None
    ) -> Self:
        """Opens the store, and wires the rest, with `engines` or its own. Raises StorageError."""
        home = home_dir(config)
        private_folder(home)
        path = config.storage.path or home / "perpend.db"
        store = Store.open(path, config.storage.durability)
        return cls(config, home, store, engines or EnginePool(config.engine, home), cache)

    async def fetch(
        self, model: str | None = None, progress: Callable[[PullProgress], None] | None = None
    ) -> None:
        """Pull an embedded model's weights where they are missing. Raises NotFound and WeightsError."""
        served = self.models.resolve(model)
        if served.provider != EMBEDDED:
            return
        weights = self.models.weights(served.name)
        if served.name.startswith(PREFIX):
            weights = of_hub(served.name)
        if weights is not None:
            await pull(weights, self.home, progress)
        path = self.models.path(served.name)
        if not path.exists():
            raise WeightsError(f"{path} doesn't exist", hint="name a GGUF file or a model of the catalogue")

    async def prepare(
        self, model: str | None = None, progress: Callable[[PullProgress], None] | None = None
    ) -> None:
        """Pull an embedded model's weights, and start its engine.

        Raises NotFound, WeightsError and EngineError.
        """
        await self.fetch(model, progress)
        served = self.models.resolve(model)
        if served.provider == EMBEDDED:
            assert served.context is not None
            await self.engines.ready(served.name, self.models.path(served.name), served.context)

    def solve(
        self,
        request: Request,
        sink: Sink | None = None,
        *,
        gate: Gate | None = None,
        log_sink: Sink | None = None,
        control: Control | None = None,
        key_id: str | None = None,
        source: str = "ask",
    ) -> "CoroutineType[Any, Any, Answer]":
        """See `perpend.solve.solve`. Raises PerpendError."""
        # not awaited here, which would add a frame to each batch
        origin = Origin(source, key_id, request.user)
        return solve(
            request,
            self._services,
            sink,
            cache=self._cache,
            gate=gate,
            log_sink=log_sink,
            control=control,
            origin=origin,
        )

    async def check(self, request: Request) -> None:
        """Checks a request before it starts. Raises BadRequest, NotFound, NoAccount and StoreUnavailable."""
        self.store.writer.check()
        self.models.resolve(request.model)
        await check_verifiers(
            request, with_options(request.strategy), self.verifiers.get, self.models.resolve
        )

    def asking(self, model: str | None, source: str) -> AbstractAsyncContextManager[AuxiliaryCalls]:
        """See `perpend.solve.auxiliary_model.asking`."""
        return asking(model, self._services, Origin(source))

    async def embed(
        self, request: EmbeddingRequest, *, gate: EmbeddingGate | None = None, key_id: str | None = None
    ) -> EmbeddingResult:
        """See `perpend.solve.embed`. Raises PerpendError."""
        packaged = self.models.packaged(request.model)
        if packaged is None:
            deployments = self.models.embedding_deployments(request.model)
        else:
            deployments = [EmbeddingDeployment(EMBEDDED, Price(), partial(self._embedders.embed, packaged))]
        name, _ = self.models.configured(request.model)
        origin = Origin("embeddings", key_id, request.user)
        return await embed(request, name, deployments, self.store.writer, origin, gate)

    async def count_input(self, request: Request) -> int:
        """Prompt tokens of `request`; see `perpend.solve.count`. Raises PerpendError."""
        request = await readable(request, self._services.read_pdf)
        return await count_input(request, self.models.resolve(request.model))

    async def aclose(self) -> None:
        await self.verifiers.aclose()
        await self._http.aclose()
        await self.engines.aclose()
        await self._embedders.aclose()
        self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
