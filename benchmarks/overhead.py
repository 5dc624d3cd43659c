"""What the gateway costs: added latency, requests and streams per second, CPU and memory, on one core.

A fast fake upstream and the load generator share one core; the gateway has another to itself. Added figures are
through the gateway minus direct, of the same round; ratios compare gateways that took turns in the same run.

    python -m benchmarks.overhead                               # the gateway by itself
    python -m benchmarks.overhead --against bare --against litellm --json    # side by side; the last line is JSON
    python -m benchmarks.overhead --against vllm-router          # a compiled peer, which only relays
    python -m benchmarks.overhead --dialects chat               # a third of the time
    python -m benchmarks.overhead --checkout ../before          # old against new code, with these packages
    python -m benchmarks.overhead --workers 2                   # several workers beside one; see benchmarks.workers
    python -m benchmarks.overhead --engine smollm2-135m         # on top of a real model
    python -m benchmarks.overhead --gateway-url http://127.0.0.1:8080/v1 --key K --model fake-reasoner
"""

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from rich.console import Console

from benchmarks import machine
from benchmarks.load import engine, gateways, litellm, namespace, vllm_router
from benchmarks.load.dialects import DIALECTS, Dialect
from benchmarks.load.gateways import Gateway
from benchmarks.load.generator import Endpoint
from benchmarks.load.report import Results, print_tables
from benchmarks.load.rounds import Plan, measure
from benchmarks.load.verify import verify

console = Console(stderr=True)


def say(line: str) -> None:
    console.print(line, highlight=False)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="per cell (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="gateways take turns (default 3)")
    parser.add_argument("--clients", default="1,16,64", help="default 1,16,64; ratios are taken at the last")
    parser.add_argument(
        "--dialects", help=f"default {','.join(DIALECTS)}; chat alone with --engine and --gateway-url"
    )
    parser.add_argument("--subject", choices=["perpend", "bare"], default="perpend", help="bare: the floor")
    parser.add_argument("--against", choices=["litellm", "vllm-router", "bare"], action="append", default=[])
    parser.add_argument("--checkout", metavar="FOLDER", help="another checkout of Perpend, measured beside")
    parser.add_argument("--workers", type=int, help="as many workers, measured beside, on all cores")
    parser.add_argument("--engine", metavar="WEIGHTS", help="a real model in the fake upstream's place")
    parser.add_argument("--chunk-delay-ms", type=float, default=0.0, help="upstream's pause between chunks")
    parser.add_argument("--gateway-url", help="measure one that already runs; ends in /v1")
    parser.add_argument("--key", default="", help="its key")
    parser.add_argument("--model", default="fake-reasoner", help="its model")
    parser.add_argument("--direct-url", help="the upstream behind it, to know what it adds")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")
    ask = parser.parse_args()
    ask.against += ["checkout"] if ask.checkout else []
    ask.against += ["workers"] if ask.workers else []
    return ask


def main() -> None:
    ask = options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    if not ask.gateway_url:
        isolate(ask)
    results = Results("gateway" if ask.gateway_url else ask.subject)
    with TemporaryDirectory(prefix="perpend-bench-") as folder:
        facts = run(ask, results, Path(folder))
    rival = "litellm" if "litellm" in ask.against else next(iter(ask.against), None)
    clients, dialects = client_counts(ask), dialects_of(ask)
    figures = results.figures(rival, clients[-1], dialects[0].name)
    others = [name for name in ("direct", *ask.against) if results.has(name)]
    ratios = results.ratios(others, clients[-1])
    wide = None if sys.stdout.isatty() else 140
    print_tables(results, figures, ratios, Console(stderr=ask.json, width=wide))
    if errors := results.errors():
        console.print(f"[red]errors:[/red] {errors}")
    if ask.json:
        settings = {"seconds": ask.seconds, "rounds": ask.rounds, "clients": clients, "against": ask.against}
        settings["dialects"] = [dialect.name for dialect in dialects]
        report: dict[str, Any] = {"benchmark": "overhead", "subject": results.subject, **figures}
        report["ratios"] = msgspec.to_builtins(ratios)
        report |= {"errors": errors, "settings": settings, "hardware": machine.describe(), **facts}
        print(msgspec.json.encode({**report, "cells": results.as_rows()}).decode(), flush=True)
    sys.exit(1 if errors else 0)


def isolate(ask: argparse.Namespace) -> None:
    """Everything is measured in one loopback-only network namespace; what needs a network happens before."""
    if namespace.inside():
        namespace.raise_loopback()
        return
    if "litellm" in ask.against:
        litellm.install()
    if "vllm-router" in ask.against:
        vllm_router.PEER.install()
    if namespace.available():
        namespace.enter()
    if "litellm" in ask.against:
        raise SystemExit(
            "LiteLLM runs only in a network namespace of its own; here `unshare -rn` doesn't work"
        )


def client_counts(ask: argparse.Namespace) -> list[int]:
    return sorted({int(count) for count in ask.clients.split(",")})


def dialects_of(ask: argparse.Namespace) -> list[Dialect]:
    """The first one is asked by every number of clients."""
    names = ask.dialects or ("chat" if ask.engine or ask.gateway_url else ",".join(DIALECTS))
    if unknown := set(names.split(",")) - DIALECTS.keys():
        raise SystemExit(f"there is no dialect {', '.join(sorted(unknown))}; known: {', '.join(DIALECTS)}")
    return [DIALECTS[name] for name in names.split(",")]


def cores() -> tuple[int | None, int | None]:
    """One for the gateway, one for the load; no pinning on a machine with one core."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[-1]) if len(mine) > 1 else (None, None)


def run(ask: argparse.Namespace, results: Results, folder: Path) -> dict[str, Any]:
    """Start everything, measure every cell in turn; the facts about who took part."""
    gateway_core, load_core = cores()
    with ExitStack() as stack:
        targets: list[Gateway] = []
        if ask.gateway_url:
            if ask.direct_url:
                targets.append(Gateway("direct", "", Endpoint(ask.direct_url)))
            targets.append(Gateway("gateway", "", Endpoint(ask.gateway_url, ask.key, ask.model)))
        elif ask.engine:
            targets += stack.enter_context(engine.pair(ask.engine, folder))
        else:
            upstream = stack.enter_context(gateways.upstream(load_core, folder, ask.chunk_delay_ms))
            targets.append(upstream)
            for name in dict.fromkeys([ask.subject, *ask.against]):
                home = folder / name
                home.mkdir()
                start = starter(ask, name)
                targets.append(stack.enter_context(start(upstream.endpoint.url, gateway_core, home)))
            if load_core is not None:
                os.sched_setaffinity(0, {load_core})
        plan = Plan(ask.seconds, ask.rounds, client_counts(ask), dialects_of(ask))
        silent = unshown(ask, targets, plan.dialects, results.subject)
        results.cells += measure(targets, plan, os.getpid(), say)
        return {
            "without_thinking": silent,
            "gateways": [facts_of(t) for t in targets if t.running and t.name != "direct"],
        }


def starter(ask: argparse.Namespace, name: str) -> gateways.Starter:
    if name == "workers":
        return gateways.with_workers(ask.workers)
    return gateways.checkout(Path(ask.checkout)) if name == "checkout" else gateways.STARTERS[name]


def unshown(
    ask: argparse.Namespace, targets: list[Gateway], dialects: list[Dialect], subject: str
) -> list[str]:
    """Who gives answers without their thinking, and how asked. Raises SystemExit for what is wrong or missing."""
    check = engine.verify if ask.engine else verify
    found = [way for one in targets for dialect in dialects for way in check(one.name, one.endpoint, dialect)]
    for way in found:
        say(f"{way}: leaves out the thinking")
        if way.startswith(f"{subject},"):
            raise SystemExit("nothing may be missing where the figures are about it")
    return found


def facts_of(target: Gateway) -> dict[str, Any]:
    assert target.running is not None
    return {
        "name": target.name,
        "version": target.version,
        "start_s": target.running.start_s,
        "idle_mib": target.idle_mib,
        "loaded_mib": target.running.memory_mib(),
    }


if __name__ == "__main__":
    main()
