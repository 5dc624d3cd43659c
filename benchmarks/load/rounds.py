"""The cells, in turn: each gateway is measured alone on its core, all of them in every round."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec
import uvloop

from .dialects import Dialect
from .gateways import Gateway
from .generator import Kind, Meter, drive
from .processes import cpu_of, machine_cpu_s
from .report import Measured


class Plan(msgspec.Struct, frozen=True):
    seconds: float
    rounds: int
    clients: list[int]
    """Of the first kind's dialect; the others are asked by as many as the last of these."""
    dialects: list[Dialect]

    def kinds(self) -> list[tuple[Kind, int]]:
        """Each way to ask, and by how many clients."""
        return [
            (Kind(dialect, stream), clients)
            for dialect in self.dialects
            for stream in (False, True)
            for clients in (self.clients if dialect is self.dialects[0] else self.clients[-1:])
        ]


def measure(targets: list[Gateway], plan: Plan, own_pid: int, say: Callable[[str], None]) -> list[Measured]:
    """Every mode and number of clients for each target; the order of targets alternates by round."""
    cells: list[Measured] = []
    for round_number in range(plan.rounds):
        for target in targets if round_number % 2 == 0 else reversed(targets):
            with others_paused(target, targets):
                for kind, clients in plan.kinds():
                    watch = meter(target, targets, own_pid)
                    cell = uvloop.run(drive(target.endpoint, kind, clients, plan.seconds, watch))
                    cells.append(Measured(target.name, round_number, cell))
                    say(
                        f"round {round_number + 1}/{plan.rounds}  {target.name:8} {cell.dialect:9} {cell.mode:6}"
                        f" {clients:3} clients  {cell.per_s:9,.1f}/s  p50 {cell.p50_ms:8.2f} ms"
                    )
    return cells


def meter(target: Gateway, targets: list[Gateway], own_pid: int) -> Meter:
    def read() -> tuple[float, float]:
        gateway = target.running.cpu_s() if target.running else 0.0
        ours = cpu_of(own_pid) + sum(t.running.cpu_s() for t in targets if t.running)
        return gateway, machine_cpu_s() - ours

    return read


@contextmanager
def others_paused(target: Gateway, targets: list[Gateway]) -> Generator[None]:
    """A gateway that isn't its turn is stopped; the upstream, which all share, never is."""
    others = [t.running for t in targets if t.running and t is not target and t.name != "direct"]
    for other in others:
        other.pause()
    try:
        yield
    finally:
        for other in others:
            other.resume()
