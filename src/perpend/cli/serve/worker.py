"""A worker process: `python -m perpend.cli.serve.worker CHANNEL LISTENER`, with two inherited descriptors.

When its supervisor ends, even by kill -9, it stops as at a signal.
"""

import asyncio
import logging
import pickle
import signal
import socket
import sys
from functools import partial

import msgspec
from msgspec import Raw

from perpend.cli.serve.gateway import app_for, checked
from perpend.config import Config
from perpend.errors import PerpendError
from perpend.observability.totals import Samples, samples_of
from perpend.runtime import Runtime
from perpend.runtime.metrics import metrics_of
from perpend.serving import server
from perpend.serving.cache.response_cache import response_cache
from perpend.serving.info import Readiness
from perpend.serving.workers.channel import Channel, ChannelError
from perpend.serving.workers.engines import SharedEngines
from perpend.serving.workers.messages import SharedState, WorkerStart
from perpend.serving.workers.peers import Peers


async def worker(end: socket.socket, listener: socket.socket) -> None:
    """Serve until a signal, or until the supervisor is gone."""
    channel = await Channel.open(end, {})
    start = await channel.call("start", None, WorkerStart)
    _log_as(start.index)
    config: Config = pickle.loads(start.config)  # noqa: S301 -- from the supervisor, which runs this program
    engines = SharedEngines(config.engine, channel, start.count)
    cache = response_cache(config)
    async with await Runtime.open(config, cache=cache, engines=engines) as runtime:
        access, metrics = checked(runtime), metrics_of(runtime)
        readiness = Readiness(
            runtime.store.check, model=partial(runtime.models.problem, config.defaults.model)
        )

        def apply(state: SharedState) -> None:
            engines.states, readiness.waiting_for = state.engines, state.waiting_for

        async def pushed(raw: Raw) -> None:
            apply(msgspec.msgpack.decode(raw, type=SharedState))

        async def samples(_: Raw) -> list[Samples]:
            return samples_of(metrics.registry)

        async def hurry(_: Raw) -> None:
            serving.finish()
            serving.stop()

        apply(start.state)
        channel.handlers |= {"state": pushed, "samples": samples}
        app = app_for(runtime, access, metrics, readiness, cache)
        app.join(Peers(channel, start.index, start.count))
        serving = server.server_for(app)
        channel.handlers["hurry"] = hurry
        following = asyncio.create_task(_end_with(channel, serving))
        channel.notify("ready")
        try:
            await server.serve(serving, listener, serving.finish)
        finally:
            await app.aclose()
            following.cancel()
    await channel.aclose()


async def _end_with(channel: Channel, serving: server.Server) -> None:
    """Stop once the supervisor is gone; SIGALRM ends the process where that takes longer than the grace."""
    await channel.closed()
    signal.alarm(server.GRACE_S + 5)
    serving.finish()


def _log_as(index: int) -> None:
    form = f"%(asctime)s %(levelname)s worker {index} %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form)


def main() -> None:
    end, listener = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:])
    end.set_inheritable(False)  # a child that outlived this process would keep them
    listener.set_inheritable(False)
    try:
        server.run(worker(end, listener))
    except ChannelError:
        raise SystemExit("perpend: a worker's supervisor is gone") from None
    except PerpendError as error:
        print(f"perpend: a worker can't start: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
