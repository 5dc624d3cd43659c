"""`perpend eval run --dry-run`: forecast a run."""

from perpend.config.schema import Config
from perpend.evals.problems import Problem
from perpend.evals.runs.samples import RunSettings
from perpend.evals.stats.forecast import Consumption, Forecast, forecast, of_gateway
from perpend.runtime import Runtime
from perpend.storage.past_requests import latest_requests


async def run_forecast(
    settings: RunSettings, problems: list[Problem], config: Config, parallel: int
) -> Forecast:
    """Forecast a run; `parallel`: requests at a time. Raises NotFound where the model doesn't exist."""
    if settings.target != "local":
        return of_gateway(problems, settings)
    async with await Runtime.open(config) as runtime:
        served = runtime.models.resolve(settings.model)
        history = latest_requests(runtime.store, served.name)
        return forecast(problems, settings, served, config.defaults.effort, history, parallel)


def print_forecast(found: Forecast, *, gateway: bool) -> None:
    """Print a forecast as text. `gateway`: the run is on a gateway, which has the prices."""
    print(f"{found.n} problems, {found.samples} samples; prompts of at most {found.prompt_tokens} tokens")
    print(f"at most: {_consumption_text(found.at_most)}")
    if found.alike:
        print(f"as {found.alike} requests of the same kind: {_consumption_text(found.expected)}")
    elif gateway:
        print("what it costs there, and how fast it is, isn't known here")
    else:
        print("nothing like it is in the ledger: ask a few with --limit 5, and this tells what to expect")
    if found.pace is not None:
        pace = found.pace
        print(f"at {pace.tokens_per_s:.1f} output tokens/s with {pace.at_once:.1f} requests at a time")
    print(f"a difference to another such run shows from about {100 * found.detectable:.0f} points on")


def _consumption_text(consumed: Consumption) -> str:
    tokens, cost, seconds = consumed.output_tokens, consumed.cost_usd, consumed.seconds
    return ", ".join(
        (
            "output tokens not known" if tokens is None else f"{tokens} output tokens",
            "cost not known" if cost is None else f"${cost:.4f}",
            "time not known" if seconds is None else f"{seconds:.0f} s",
        )
    )
