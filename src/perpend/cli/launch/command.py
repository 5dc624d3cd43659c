"""`perpend launch`: a stock agent on a gateway of its own, inside a budget, with an account at its end."""

from perpend.cli.launch.agents import agent
from perpend.cli.option_groups import KeyDefaultOptions
from perpend.cli.options import ConfigFile, Dollars, Json, milliseconds
from perpend.config import load_config
from perpend.config.limits import Allowance

_NO_DEFAULTS = KeyDefaultOptions()


def launch(
    name: str,
    /,
    *arguments: str,
    defaults: KeyDefaultOptions = _NO_DEFAULTS,
    max_cost: Dollars = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Run a coding agent on a gateway, inside a budget; at its end, print what it used.

    Joins the gateway that runs here, or is one itself as long as the agent runs. The agent is the stock program and
    keeps its terminal, signals and exit status; its own settings aren't touched. Where its requests say how much to
    think, or until when, that goes before the options.

    Examples:

    - `perpend launch codex`
    - `perpend launch claude --model openai/o4-mini --effort low -- -p "What does this repository do?"`

    Parameters
    ----------
    name
        codex, claude, opencode, aider or llm.
    arguments
        After `--`: the agent's own.
    defaults.model
        Answers all of it, whatever models the agent names; as in `perpend ask`.
    defaults.effort
        none, minimal, low, medium, high or max.
    defaults.max_thinking_tokens
        Think at most this many tokens for an answer.
    defaults.deadline
        Time for each answer: 30s, 2m.
    max_cost
        US dollars for the whole run: what would cost more is refused.
    json
        Print the account as a line of JSON; on stderr as ever, since stdout is the agent's.
    """
    from perpend.cli.launch.run import KeyDefaults, Launch, run
    from perpend.cli.models.servable import from_anywhere
    from perpend.serving import server

    row = agent(name)
    executable = row.executable()
    loaded = load_config(config)
    of_key = KeyDefaults(
        model=from_anywhere(defaults.model or loaded.defaults.model),
        effort=defaults.effort,
        max_thinking_tokens=defaults.max_thinking_tokens,
        deadline_ms=milliseconds(defaults.deadline),
        limits=None if max_cost is None else Allowance(usd_total=max_cost),
    )
    launched = Launch(row, of_key, as_json=json)
    raise SystemExit(server.run(run(launched, [executable], arguments, loaded)))
