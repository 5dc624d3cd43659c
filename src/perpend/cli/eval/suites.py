"""`perpend eval suites`, `pull`, `init`, `check`: problems, where they come from, and whether they can be trusted."""

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from perpend.cli.console import note, print_json, print_table
from perpend.cli.option_groups import DrawOptions
from perpend.cli.options import ConfigFile, Json
from perpend.config import home_dir, load_config
from perpend.extras import install


def suites(*, json: Json = False, config: ConfigFile = None) -> None:
    """List the suites: whether they are here, how many problems they have, their licence, and how to get them.

    Example: `perpend eval suites --json`

    Parameters
    ----------
    json
        Print an array of objects.
    """
    rows = _facts(home_dir(load_config(config)))
    if json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "here", "n", "graded by", "date", "licence", "what")
    for row in rows:
        texts = (row[key] for key in ("name", "found", "n", "verifier", "date", "licence", "title"))
        table.add_row(*["" if text is None else str(text) for text in texts])
    print_table(table)
    note("`perpend eval suites --json` says how to get those that aren't here")


def _facts(home: Path) -> list[dict[str, Any]]:
    from perpend.data.tasks import kinds
    from perpend.evals.suites import reasoning_gym
    from perpend.evals.suites.catalogue import catalogue

    generated: dict[str, Any] = {"n": None, "date": "made when asked for", "needs": None}
    tiny: dict[str, Any] = {
        "name": "tiny",
        "title": f"the tiny reasoner's {len(kinds.names())} kinds of task, made afresh; tiny/KIND for one of them",
        "found": "perpend",
        "verifier": "exact",
        "licence": "Apache-2.0",
        "home": None,
        "how": "it comes with Perpend",
        **generated,
    }
    fresh: dict[str, Any] = {
        "name": "gym",
        "title": f"reasoning-gym: {len(reasoning_gym.MIX)} tasks, made afresh; "
        "gym/TASK or gym/TASK@LEVEL for one of them",
        "found": "reasoning_gym" if find_spec("reasoning_gym") else None,
        "verifier": "reasoning_gym",
        "licence": "Apache-2.0",
        "home": "https://github.com/open-thought/reasoning-gym",
        "how": install("perpend[evals]"),
        **generated,
    }
    rows = [tiny, fresh]
    for suite in catalogue().values():
        found = suite.locate(home)
        rows.append(
            {
                "name": suite.name,
                "title": suite.title,
                "found": found.where if found else None,
                "n": suite.n or None,
                "verifier": suite.verifier,
                "date": suite.date,
                "licence": suite.licence,
                "home": suite.home,
                "how": suite.instructions,
                "needs": suite.needs,
            }
        )
    return rows


def pull(suite: str, /, *, json: Json = False, config: ConfigFile = None) -> None:
    """Fetch a suite's files and check their digests.

    HF_ENDPOINT names a mirror of the Hugging Face hub, HF_TOKEN a token for data sets with conditions.

    Example: `perpend eval pull gsm8k`

    Parameters
    ----------
    suite
        A name of `perpend eval suites`.
    json
        Print an object with its `files`.
    """
    from perpend.evals.suites.catalogue import find_suite
    from perpend.evals.suites.pull import pull as fetch

    found = find_suite(suite)
    note(f"{found.title}; licence: {found.licence}")
    paths = asyncio.run(fetch(found, home_dir(load_config(config))))
    if json:
        print_json({"suite": found.name, "files": list(paths)})
        return
    for path in paths:
        print(path)


def init(file: Path, /, *, json: Json = False) -> None:
    """Write a suite of your own to start from: rows with `question`, `gold`, and maybe `verifier`, `category`, `date`.

    Replace its examples with 100 to 500 questions of your own, then let `perpend eval check FILE` look at them.

    Example: `perpend eval init mine.jsonl`

    Parameters
    ----------
    file
        A .jsonl or .csv file that isn't there yet.
    json
        Print an object with the `file`.
    """
    from perpend.evals.suites.own_questions import template

    template(file)
    if json:
        print_json({"file": file})
    note(f"wrote {file}: replace its rows with your own, then run `perpend eval check {file}`")


def check(
    suite: str,
    /,
    *,
    draw: DrawOptions = DrawOptions(),
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Test a suite before trusting it: its golds must pass its verifiers, and wrong answers mustn't.

    Labels are looked at too: questions that are there twice, golds that are told. The exit status is 1 where figures
    of this suite would be wrong.

    Examples: `perpend eval check mine.jsonl`, `perpend eval check gsm8k --limit 50`

    Parameters
    ----------
    suite
        A name of `perpend eval suites`, or a .jsonl or .csv file of your own.
    json
        Print an object.
    """
    from perpend.evals.audits.trial import trial
    from perpend.evals.suites.catalogue import load

    home = home_dir(load_config(config))
    result = asyncio.run(trial(load(suite, home, limit=draw.limit, seed=draw.seed)))
    if json:
        print_json({"sound": result.sound, "tried": result.tried, "findings": result.findings})
    else:
        for finding in result.findings:
            which = f": {', '.join(finding.problems)}" if finding.problems else ""
            print(f"{'wrong' if finding.serious else 'note'}: {finding.what}{which}")
        print(f"{result.tried} golds put to their verifiers: {'sound' if result.sound else 'not sound'}")
    if not result.sound:
        raise SystemExit(1)
