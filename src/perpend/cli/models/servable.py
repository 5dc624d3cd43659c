"""A model that a command names for a gateway to serve, then or later."""

import asyncio
from pathlib import Path

from perpend.config import Config
from perpend.engine.hub import PREFIX
from perpend.runtime import Runtime


def servable(model: str, config: Config) -> str:
    """Its name for a gateway, which runs in another folder. Raises NotFound naming the nearest model."""
    name = from_anywhere(model)
    asyncio.run(_resolve(name, config))
    return name


def from_anywhere(model: str) -> str:
    """`model` as a process in another folder finds it: a file by its whole path."""
    return str(Path(model).resolve()) if model.endswith(".gguf") and not model.startswith(PREFIX) else model


async def _resolve(name: str, config: Config) -> None:
    async with await Runtime.open(config) as runtime:
        runtime.models.resolve(name)
