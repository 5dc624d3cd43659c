"""Run one set of problems in many settings, each in its own folder."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from perpend.cli.console import note
from perpend.cli.eval.finish import finish_run, shared_target
from perpend.cli.eval.settings import Axes, Setting
from perpend.cli.named import named, text_of
from perpend.cli.option_groups import PaceOptions
from perpend.config import Config
from perpend.errors import CapReached, ConfigError
from perpend.evals.problems import Problem, asked_otherwise, fingerprint
from perpend.evals.reports.report import Report, Reported, beside, markdown, read
from perpend.evals.runs.samples import RunSettings
from perpend.runtime import Runtime


class Grid(Struct, frozen=True):
    suite: str
    problems: list[Problem]
    axes: Axes
    folder: Path
    seed: int

    async def runs(
        self, groups: list[list[Setting]], config: Config, pace: PaceOptions
    ) -> list[list[Reported]]:
        """Run every setting, or continue. Raises NotFound for an unknown model before anything is asked, BadRequest,
        CapReached where a setting reaches its cap.
        """
        async with await Runtime.open(config) as runtime:
            for group in groups:
                runtime.models.resolve(group[0].model)
            return [
                [await self._run(setting, config, pace, runtime) for setting in group] for group in groups
            ]

    async def _run(self, setting: Setting, config: Config, pace: PaceOptions, runtime: Runtime) -> Reported:
        system = None if setting.system is None else text_of(setting.system)
        problems = [asked_otherwise(problem, system=system) for problem in self.problems]
        settings = RunSettings(
            suite=self.suite,
            problems=tuple(problem.id for problem in problems),
            fingerprint=fingerprint(problems),
            target="local",
            model=setting.model,
            system=system,
            effort=setting.amount.effort,
            max_thinking_tokens=setting.amount.tokens,
            strategy=named(setting.strategy, "--strategy"),
            seed=self.seed,
        )
        name = self.axes.name(setting)
        note(name)
        folder = self.folder / name
        target_context = shared_target(setting.model, runtime)
        progress, _ = await finish_run(settings, problems, config, folder, pace, target_context)
        if progress.stopped:
            hint = "raise --max-cost, and it goes on"
            raise CapReached(f"{folder}: {progress.stopped}", hint=hint, field="--max-cost")
        return read(folder, name)

    def report(self, runs: Sequence[Reported]) -> Path:
        """Write a report into the folder, and return its path: a page where the extra `bench` is installed, else
        Markdown.
        """
        found = beside(list(runs))
        file = self.folder / "report.html"
        try:
            file.write_text(_page(found), encoding="utf-8")
        except ConfigError:
            file = file.with_suffix(".md")
            file.write_text(markdown(found), encoding="utf-8")
        return file


def _page(found: Report) -> str:
    from perpend.evals.reports.page import page

    return page(found)
