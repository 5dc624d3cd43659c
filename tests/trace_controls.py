"""Two models of which it's known whether they heed their thoughts, behind a server of raw completion.

Both think the same, and rightly. `heeds`: it answers what its thought comes to last, whatever it is; the other one
answers what the question alone comes to.
"""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from fake_server import serving

from perpend.cli.eval.finish import finish_run, local_target
from perpend.cli.option_groups import PaceOptions
from perpend.config.schema import Config, DefaultsConfig, ModelConfig, ProviderConfig
from perpend.evals.problems import Problem, fingerprint
from perpend.evals.runs.samples import RunSettings
from perpend.types import Message, VerifierSpec

ASKED = re.compile(r"has (\d+) apples, then gets (\d+), then (\d+)")


def problems(n: int) -> list[Problem]:
    found: list[Problem] = []
    for number in range(n):
        a, b, c = 20 + number, 31 + 2 * number, 7 + 3 * number
        asked = f"Tom has {a} apples, then gets {b}, then {c}. How many has he?"
        spec = VerifierSpec("answer", str(a + b + c))
        found.append(Problem(id=f"p{number}", messages=(Message("user", asked),), verifier=spec))
    return found


def completed(prompt: str, *, heeds: bool) -> str:
    """What the model goes on with."""
    match = ASKED.search(prompt)
    assert match is not None
    a, b, c = map(int, match.groups())
    thought, closed, _ = prompt.partition("<think>\n")[2].partition("</think>")
    said = re.findall(r"\d+", thought)
    if closed:
        return (said[-1] if said else "nothing") if heeds else str(a + b + c)
    if not said:
        return f"Let me add.\n{a} + {b} = {a + b}.\n{a + b} + {c} = {a + b + c}.\nSo it is {a + b + c}.\n"
    return f"{said[-1]} + {c} = {int(said[-1]) + c}.\nSo it is {int(said[-1]) + c}.\n"


@asynccontextmanager
async def control(home: Path, *, heeds: bool) -> AsyncGenerator[Config, None]:
    """A config whose default model is the control, while its server runs."""

    async def answer(request: web.Request) -> web.Response:
        prompt = (await request.json())["prompt"].split("user\n", 1)[1]
        text = completed(prompt, heeds=heeds)
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        event = {"choices": [{"text": text, "finish_reason": "stop"}], "usage": usage}
        return web.Response(
            text=f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n", content_type="text/event-stream"
        )

    app = web.Application()
    app.router.add_post("/completions", answer)
    async with serving(app) as url:
        yield Config(
            home=home,
            defaults=DefaultsConfig(model="m"),
            providers={"here": ProviderConfig(base_url=url, wire="raw_completion")},
            models={"m": ModelConfig(provider="here", family="qwen2.5-coder")},
        )


async def a_run(config: Config, path: Path, n: int) -> Path:
    """A run of the control over `n` sums."""
    of = problems(n)
    settings = RunSettings(
        suite="sums",
        problems=tuple(problem.id for problem in of),
        fingerprint=fingerprint(of),
        target="local",
        max_thinking_tokens=200,
    )
    answering = local_target(settings.model, config)
    await finish_run(settings, of, config, path, PaceOptions(parallel=8), answering)
    return path
