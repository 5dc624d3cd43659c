"""What the pages show: their fenced blocks, the lines of shell in them, and the commands of Perpend in those."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TOLD = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    DOCS / "index.md",
    *sorted((DOCS / "concepts").glob("*.md")),
    *sorted((DOCS / "guides").glob("*.md")),
]
"""Pages that tell somebody what to do."""
MEASURED = [DOCS / "architecture.md", DOCS / "benchmarks.md", *sorted((DOCS / "decisions").glob("*.md"))]
"""Pages that only mention commands."""
SHELL = ("sh", "console")
HELP_EXAMPLES = r"^    Examples?:(.*?)^    (?:Parameters|\"\"\")|\bSuch as (.*?)\.['\"]"
ENDS = ("&&", "|", ">")


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = re.findall(
        r"^```([^\n`]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return [Block(language, text) for language, text in found]


def of_language(page: Path, *languages: str) -> list[str]:
    return [block.text for block in blocks(page) if block.language in languages]


def lines(page: Path) -> Iterator[str]:
    """Lines of its shell blocks, those of here-documents left out; of help, its examples."""
    if page.suffix == ".py":
        for found in re.finditer(HELP_EXAMPLES, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            yield from (" ".join(span.split()) for span in re.findall(r"`(.+?)`", found[0], re.DOTALL))
    for block in of_language(page, *SHELL):
        text = re.sub(r"^cat > \S+ <<'EOF'$.*?^EOF$", "", block, flags=re.DOTALL | re.MULTILINE)
        yield from _whole(text.replace("\\\n", " ").splitlines())


def _whole(written: list[str]) -> Iterator[str]:
    """Lines of which a quotation makes one."""
    begun = ""
    for line in written:
        begun += line + "\n"
        try:
            shlex.split(begun, comments=True)
        except ValueError:
            continue
        yield begun
        begun = ""
    assert not begun, f"a quotation isn't closed: {begun}"


def here_documents(page: Path) -> dict[str, str]:
    """Files that its shell blocks write, by name."""
    found = [
        re.findall(r"^cat > (\S+) <<'EOF'\n(.*?)^EOF$", block, re.DOTALL | re.MULTILINE)
        for block in of_language(page, *SHELL)
    ]
    return {name: text for files in found for name, text in files}


def parts(line: str) -> Iterator[list[str]]:
    """The words of each command in a line, comments and variables before it left out."""
    words = shlex.split(line.removeprefix("$ "), comments=True)
    while words:
        end = next((at for at, word in enumerate(words) if word in ENDS), len(words))
        part, words = words[:end], words[end + 1 :]
        while part and re.fullmatch(r"[A-Z_0-9]+=.*", part[0]):
            part = part[1:]
        if part:
            yield part


def commands(page: Path) -> list[str]:
    """What comes after `perpend`."""
    found = [part for line in lines(page) for part in parts(line)]
    return [shlex.join(part[1:]) for part in found if part[0] in ("perpend", "./perpend")]


def spans(page: Path) -> list[str]:
    """Code in its text, outside blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def mentioned(page: Path) -> list[str]:
    """Commands of Perpend in its text; those with something left out say too little to be checked."""
    found = [span.removeprefix("./") for span in spans(page)]
    return [
        span.removeprefix("perpend ") for span in found if span.startswith("perpend ") and not _elided(span)
    ]


def _elided(span: str) -> bool:
    return any(("…" in word and word != "…") or (word == "…" and '"…"' not in span) for word in span.split())
