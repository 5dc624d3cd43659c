"""The list of decisions, from their titles."""

from pathlib import Path

from generators.markdown import NOTE

FOLDER = Path(__file__).parents[1] / "decisions"


def decisions() -> str:
    intro = "What was decided, why, and what was measured for it. A decision is changed by a later one that says so.\n"
    files = sorted(FOLDER.glob("[0-9]*.md"))
    lines = [f"{int(file.name[:4])}. [{_title(file)}]({file.name})\n" for file in files]
    return f"# Decisions\n\n{NOTE}{intro}\n" + "".join(lines)


def _title(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
