"""`perpend serve --workers`: a supervisor, which keeps the engines, and workers, which serve the requests."""

import asyncio
import pickle
import signal
import sys
from functools import partial

from perpend.cli.serve.gateway import checked, greet, preparing, readiness_of
from perpend.config import Config
from perpend.runtime import Runtime
from perpend.serving import server
from perpend.serving.sealing import seals_of
from perpend.serving.workers.hub import Hub
from perpend.serving.workers.supervisor import WorkerSupervisor

WORKER = (sys.executable, "-m", "perpend.cli.serve.worker")


async def supervised(config: Config, *, json: bool) -> None:
    """Serve with several workers until interrupted. This process keeps the engines, and serves no request itself.

    Raises ConfigError as `gateway` does, and PerpendError where a worker can't be started.
    """
    listen = config.serve
    async with await Runtime.open(config) as runtime:
        access = checked(runtime)
        seals_of(listen.seal_keys_env, runtime.home)  # made once, before the workers read it
        readiness = readiness_of(runtime)
        listeners = server.bind_each(listen.host, listen.port, listen.workers)
        port = listeners[0].getsockname()[1]
        hub = Hub(pickle.dumps(config), listen.workers, runtime.engines, lambda: readiness.waiting_for)
        workers = WorkerSupervisor(WORKER, listeners, hub)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, workers.stop)
        async with preparing(runtime, readiness):
            await workers.run(partial(greet, config, port, access.auth.needed, json=json))
