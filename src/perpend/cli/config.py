"""`perpend config`: check, show, and the schema."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from perpend.cli.console import print_json
from perpend.config import Config, load

app = App(name="config", help="Check and show the configuration.")
File = Annotated[Path | None, Parameter(name=["--config", "-c"])]


@app.command
def check(*, config: File = None) -> None:
    """Say whether the configuration is right; errors name file and line."""
    loaded = load(config)
    print(f"{loaded.file or 'the defaults'}: ok")


@app.command
def show(*, config: File = None) -> None:
    """Print the effective configuration as JSON; where each value was set goes to stderr."""
    loaded = load(config)
    print_json(loaded.config)
    for path, origin in loaded.origins.items():
        print(f"{'.'.join(path)}: {origin}", file=sys.stderr)


@app.command
def schema() -> None:
    """Print the JSON schema of perpend.toml."""

    def hook(kind: type) -> dict[str, object]:
        if kind is Path:
            return {"type": "string"}
        raise TypeError(f"no schema of {kind}")

    print_json(msgspec.json.schema(Config, schema_hook=hook))
