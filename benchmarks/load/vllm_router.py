"""vLLM's router, a compiled peer (Rust, Apache-2.0): it picks a worker and relays, and keeps no keys, prices or ledger.

`round_robin` is its cheapest policy; its own default, `cache_aware`, keeps a tree of prompts for its choice of worker.
"""

from pathlib import Path

from benchmarks.peer import Peer

PEER = Peer("vllm-router", "0.1.17", ("vllm-router==0.1.17",))


def command(port: int, metrics_port: int, upstream: str, home: Path) -> tuple[list[str], dict[str, str]]:
    """The router's command line and its whole environment."""
    run = [PEER.program("vllm-router"), "--host", "127.0.0.1", "--port", str(port)]
    run += ["--worker-urls", upstream.removesuffix("/v1"), "--policy", "round_robin"]
    run += ["--prometheus-port", str(metrics_port), "--log-level", "error"]
    return run, {"PATH": f"{PEER.folder / 'bin'}:/usr/bin:/bin", "HOME": str(home)}
