"""`perpend config`: check, show, and the schema."""

import sys
from pathlib import Path

import msgspec
from cyclopts import App

from perpend.cli.console import print_json
from perpend.cli.options import ConfigFile, Json
from perpend.config import Config, load
from perpend.config.secrets import redacted
from perpend.errors import ConfigError

app = App(name="config", help="Check and show the configuration.\n\nSuch as `perpend config check`.")


@app.command
def check(*, json: Json = False, config: ConfigFile = None) -> None:
    """Say whether the configuration is right; errors name file, line and the nearest valid key.

    Example: `perpend config check --config ./perpend.toml`

    Parameters
    ----------
    json
        Print an object that names the `file`.
    """
    from perpend.backends.accounts import check_wire
    from perpend.families.family import family_named

    loaded = load(config)
    for name, provider in loaded.config.providers.items():
        if provider.wire is not None:
            try:
                check_wire(name, provider.wire)
            except ConfigError as error:
                origin = loaded.origins["providers", name, "wire"]
                raise ConfigError(f"{origin}: {error.message}", hint=error.hint, field=error.field) from None
    for name, row in loaded.config.models.items():
        if row.family is not None:
            try:
                family_named(row.family)
            except ConfigError as error:
                path = ("models", name, "family")
                message = f"{loaded.origins[path]}: {'.'.join(path)}: {error.message}"
                raise ConfigError(message, hint=error.hint, field=".".join(path)) from None
    if json:
        print_json({"file": loaded.file, "ok": True})
    else:
        print(f"{loaded.file or 'the defaults'}: ok")


@app.command
def show(*, json: Json = False, config: ConfigFile = None) -> None:
    """Print the effective configuration as JSON; where each value was set goes to stderr.

    Secrets are left out.

    Example: `PERPEND_SERVE__PORT=9000 perpend config show`

    Parameters
    ----------
    json
        It's JSON without this, too.
    """
    loaded = load(config)
    print_json(redacted(loaded.config))
    for path, origin in loaded.origins.items():
        print(f"{'.'.join(path)}: {origin}", file=sys.stderr)


@app.command
def schema(*, json: Json = False) -> None:
    """Print the JSON schema of perpend.toml.

    Example: `perpend config schema > perpend.schema.json`

    Parameters
    ----------
    json
        It's JSON without this, too.
    """

    def hook(kind: type) -> dict[str, object]:
        if kind is Path:
            return {"type": "string"}
        raise TypeError(f"no schema of {kind}")

    print_json(msgspec.json.schema(Config, schema_hook=hook))
