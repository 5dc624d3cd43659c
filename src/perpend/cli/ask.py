"""`perpend ask`: one question, thinking dim on stderr, the answer on stdout."""

import asyncio
import select
import signal
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from perpend.cli.console import colours, note, pull_progress
from perpend.cli.named import named
from perpend.cli.option_groups import ModelOptions, ThinkingOptions
from perpend.cli.options import ConfigFile, Dollars, Flag, Json, Whole, milliseconds
from perpend.errors import BadRequest
from perpend.types import (
    Answer,
    AnswerDelta,
    Event,
    Finished,
    Limits,
    Message,
    Request,
    Sampling,
    SummaryDelta,
    ThinkingDelta,
    Verdict,
    Visibility,
)

if TYPE_CHECKING:  # help needn't load what answers
    from perpend.solve import Control

PATIENCE_S = 2.0
"""Seconds without input on stdin, after which a note says that the question is awaited."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AskModelOptions(ModelOptions):
    """Which model answers this question, and how it samples."""

    seed: Whole | None = None
    """Makes sampling repeatable."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AskThinkingOptions(ThinkingOptions):
    """How this question is thought about, if at all."""

    thinking: Annotated[bool, Parameter(name="--thinking", negative="--no-thinking")] = True
    """With --no-thinking: answer at once."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SpendingOptions:
    """How much money and time the request may take."""

    max_cost: Dollars = None
    """US dollars that the request may cost."""
    deadline: str | None = None
    """Time to answer in, once the model is loaded: 5s, 500ms, 2m."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class VerifierOptions:
    """How candidates are checked."""

    verifier: str | None = None
    """What checks candidates: a name, or a JSON object such as {"name": "math", "gold": "42"}."""
    must_pass: Flag = False
    """Exit with 1 unless the verifier passes the answer."""


def ask(
    *question: str,
    thinking: AskThinkingOptions = AskThinkingOptions(),
    spending: SpendingOptions = SpendingOptions(),
    verifying: VerifierOptions = VerifierOptions(),
    model: AskModelOptions = AskModelOptions(),
    visibility: Annotated[Visibility, Parameter(name=["--visibility", "--thinking-visibility"])] = "visible",
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Ask a question. The first Ctrl-C means "answer now", the second stops.

    Examples:

    - `perpend ask "What is 17 * 23?" --max-thinking-tokens 64 --deadline 5s`
    - `git diff | perpend ask "Review this" --effort high`

    Parameters
    ----------
    question
        The question; text piped to stdin is put after it.
    model.model
        A name of `perpend models list`, PROVIDER/MODEL, or the path of a GGUF file.
    visibility
        Of the thinking: visible, summary or hidden.
    json
        Print the body of a chat completion on stdout.
    """
    from perpend.serving.dialects.openai_chat import completion_body
    from perpend.strategies import strategy_spec
    from perpend.verifiers import verifier_spec

    text = question_of(question)
    messages = (Message("system", model.system),) if model.system else ()
    request = Request(
        messages=(*messages, Message("user", text)),
        model=model.model,
        effort=thinking.effort if thinking.thinking else "none",
        limits=Limits(
            max_thinking_tokens=thinking.max_thinking_tokens,
            max_output_tokens=thinking.max_tokens,
            max_cost_usd=spending.max_cost,
            deadline_ms=milliseconds(spending.deadline),
        ),
        sampling=Sampling(temperature=model.temperature, seed=model.seed),
        strategy=strategy_spec(named(thinking.strategy, "--strategy")),
        verifier=None
        if verifying.verifier is None
        else verifier_spec(named(verifying.verifier, "--verifier")),
        visibility=visibility,
    )
    if verifying.must_pass and not (request.verifier or request.strategy.verifier):
        raise BadRequest("--must-pass has no verifier to pass", hint="--verifier …", field="--must-pass")
    answer = asyncio.run(_ask(request, config, quiet=json))
    if json:
        sys.stdout.buffer.write(completion_body(answer, visibility) + b"\n")
    if verifying.must_pass and not (answer.verdict and answer.verdict.passed):
        sys.exit(1)


async def _ask(request: Request, config: Path | None, *, quiet: bool) -> Answer:
    from perpend.config import load_config
    from perpend.config.schema import EMBEDDED
    from perpend.runtime import Runtime
    from perpend.solve import Control

    async with await Runtime.open(load_config(config)) as runtime:
        await runtime.check(request)
        weights = runtime.models.weights(request.model)
        if weights is not None and not weights.pulled(runtime.home):
            note(f"first run: fetching {weights.name}, {weights.size / 1e6:.0f} MB")
        elif sys.stderr.isatty() and runtime.models.resolve(request.model).provider == EMBEDDED:
            note(f"loading {runtime.models.resolve(request.model).name} …")
        with pull_progress() as listener:
            await runtime.prepare(request.model, listener)
        control = Control()
        task = asyncio.create_task(runtime.solve(request, _Printer(request, quiet=quiet), control=control))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _interrupt, control, task)
        try:
            answer = await task
        except asyncio.CancelledError:
            note("\nstopped")
            raise KeyboardInterrupt from None
    if not quiet:
        print(flush=True)
    note(f"\n{_closing_line(answer)}")
    if (summaries := answer.summaries) is not None:
        off = f": {summaries.off}" if summaries.off else ""
        note(f"summary by {summaries.model}, {summaries.usage.output} tok{off}")
    if request.verifier or request.strategy.verifier:
        note(_verdict_text(answer.verdict))
    return answer


def _interrupt(control: "Control", task: "asyncio.Task[Answer]") -> None:
    if control.answering_now:
        task.cancel()
        return
    note("\nanswering now (Ctrl-C again stops)")
    control.answer_now()


class _Printer:
    """A sink that prints thinking dim on stderr and the answer on stdout; texts that weren't streamed, at the end."""

    def __init__(self, request: Request, *, quiet: bool) -> None:
        self._dim, self._plain = ("\x1b[2m", "\x1b[0m") if colours() else ("", "")
        self._visible = request.visibility == "visible"
        self._quiet = quiet
        self._thinking_shown = self._answer_shown = False

    async def __call__(self, batch: list[Event]) -> None:
        for event in batch:
            if (isinstance(event, ThinkingDelta) and self._visible) or isinstance(event, SummaryDelta):
                self._print_thinking(event.text)
            elif isinstance(event, AnswerDelta):
                self._print_answer(event.text)
            elif isinstance(event, Finished):
                if self._visible and not self._thinking_shown:
                    self._print_thinking(event.answer.thinking)
                if not self._answer_shown:
                    self._print_answer(event.answer.text)
        sys.stderr.flush()
        sys.stdout.flush()

    def _print_thinking(self, text: str) -> None:
        if text:
            self._thinking_shown = True
            sys.stderr.write(f"{self._dim}{text}{self._plain}")

    def _print_answer(self, text: str) -> None:
        if self._quiet:
            return
        if self._thinking_shown and not self._answer_shown:
            sys.stderr.write("\n\n")
            sys.stderr.flush()
        self._answer_shown = True
        sys.stdout.write(text)


def _closing_line(answer: Answer) -> str:
    budget = answer.budget
    parts = [
        f"thought {answer.usage.thinking} tok",
        f"{answer.elapsed_s:.1f} s",
        f"answer {answer.usage.answer} tok",
        _cost_text(answer.cost_usd),
    ]
    if budget.effective_thinking_tokens:
        used = budget.thinking_tokens_used / budget.effective_thinking_tokens
        parts.append(f"{used:.0%} of budget")
    if answer.truncated:
        parts.append(f"truncated: {answer.stop_reason}")
    return " · ".join(parts)


def _cost_text(cost: Decimal | None) -> str:
    if cost is None:
        return "cost unknown"
    return f"${cost:.6f}".rstrip("0").ljust(5, "0") if cost else "$0.00"


def _verdict_text(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not verified"
    feedback = f": {verdict.feedback}" if verdict.feedback else ""
    return f"{'passed' if verdict.passed else 'failed'} verification (score {verdict.score:g}){feedback}"


def question_of(words: tuple[str, ...]) -> str:
    """The question: words of the command line, then piped text. Raises BadRequest where it's empty, or not UTF-8."""
    typed = " ".join(word for word in words if word != "-")
    piped = _piped() if "-" in words or not _stdin_is_terminal() else ""
    text = "\n\n".join(part for part in (typed, piped) if part)
    if not text:
        raise BadRequest("there is no question", hint='perpend ask "…", or pipe text to it', field="--")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadRequest("the question isn't UTF-8 text", hint="convert it, with iconv say", field="question")
    return text


def _stdin_is_terminal() -> bool:
    """Whether stdin is a terminal or closed: the question is on the command line alone then."""
    return sys.stdin is None or sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _piped() -> str:
    if not select.select([sys.stdin], [], [], PATIENCE_S)[0]:
        note("waiting for the rest of the question on stdin; it ends with Ctrl-D, or use </dev/null")
    return sys.stdin.buffer.read().decode(errors="surrogateescape").strip()
