"""`perpend launch`: a stock agent on a gateway of its own, inside a budget, with an account at its end."""

from typing import Annotated

from perpend.cli.launch.agents import agent
from perpend.cli.options import EFFORT, ConfigFile, Json, Thinking, milliseconds
from perpend.config import load_config
from perpend.types import Effort


def launch(
    name: str,
    /,
    *arguments: str,
    model: str | None = None,
    effort: Annotated[Effort | None, EFFORT] = None,
    max_thinking_tokens: Thinking = None,
    deadline: str | None = None,
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
    model
        Answers all of it, whatever models the agent names; as in `perpend ask`.
    effort
        none, minimal, low, medium, high or max.
    max_thinking_tokens
        Think at most this many tokens for an answer.
    deadline
        Time for each answer: 30s, 2m.
    json
        Print the account as a line of JSON; on stderr as ever, since stdout is the agent's.
    """
    from perpend.cli.launch.run import KeyDefaults, Launch, run
    from perpend.cli.models.servable import from_anywhere
    from perpend.serving import server

    row = agent(name)
    executable = row.executable()
    loaded = load_config(config)
    defaults = KeyDefaults(
        model=from_anywhere(model or loaded.defaults.model),
        effort=effort,
        max_thinking_tokens=max_thinking_tokens,
        deadline_ms=milliseconds(deadline),
    )
    launched = Launch(row, defaults, as_json=json)
    raise SystemExit(server.run(run(launched, [executable], arguments, loaded)))
