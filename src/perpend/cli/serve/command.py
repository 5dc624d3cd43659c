"""`perpend serve`: the gateway."""

import logging

from msgspec.structs import replace

from perpend.cli.options import ConfigFile, Json, Port, Workers
from perpend.config import load_config


def serve(
    *,
    host: str | None = None,
    port: Port | None = None,
    model: str | None = None,
    workers: Workers | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Serve the HTTP API until interrupted.

    Examples:

    - `perpend serve`
    - `perpend serve --model ./own.gguf --port 9000`
    - `perpend serve --workers 4`

    Parameters
    ----------
    host
        Address to listen on; only this machine can reach the default, 127.0.0.1.
    port
        Port to listen on, 8080 by default; 0 lets the system choose.
    model
        The default model: a name of `perpend models list`, PROVIDER/MODEL, or the path of a GGUF file.
    workers
        Processes that answer requests, 1 by default: one for each core that the gateway may use.
    json
        Print a line once it listens: its `url`, the default `model`, whether a `key` is needed.
    """
    from perpend.cli.serve.gateway import gateway
    from perpend.serving import server

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    loaded = load_config(config)
    defaults, listen = loaded.defaults, loaded.serve
    if model is not None:
        defaults = replace(defaults, model=model)
    if host is not None:
        listen = replace(listen, host=host)
    if port is not None:
        listen = replace(listen, port=port)
    if workers is not None:
        listen = replace(listen, workers=workers)
    chosen = replace(loaded, defaults=defaults, serve=listen)
    if listen.workers == 1:
        server.run(gateway(chosen, json=json))
    else:
        from perpend.cli.serve.supervised import supervised

        server.run(supervised(chosen, json=json))
