"""Names of models that a gateway in another folder can resolve."""

import asyncio
from pathlib import Path

from perpend.config import Config
from perpend.engine.hub import PREFIX
from perpend.runtime import Runtime


def servable(model: str, config: Config) -> str:
    """The model's name for a gateway in another folder. Raises NotFound, which names the nearest model."""
    name = from_anywhere(model)
    asyncio.run(_resolve(name, config))
    return name


def from_anywhere(model: str) -> str:
    """The name that a process in another folder resolves: a file gets its absolute path."""
    return str(Path(model).resolve()) if model.endswith(".gguf") and not model.startswith(PREFIX) else model


async def _resolve(name: str, config: Config) -> None:
    async with await Runtime.open(config) as runtime:
        runtime.models.resolve(name)
