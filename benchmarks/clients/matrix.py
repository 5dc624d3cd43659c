"""Runs clients' cells against a gateway, each client in a throw-away home."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from shutil import copy, rmtree
from typing import Any, NamedTuple

from benchmarks.clients.cells import CELLS, SCHEMA, Cell
from benchmarks.clients.client import Client
from benchmarks.clients.environments import installed

HERE = Path(__file__).parent
TIMEOUT_S = 180
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGP4z8BAEiJN9aiGUQ1DSgMAkPn/Afnh+ngAAAAASUVORK5CYII="
)


class Place(NamedTuple):
    """A gateway, by what the configurations' stand-ins become."""

    url: str
    key: str
    model: str
    home: Path

    def fill(self, text: str) -> str:
        said = (("http://127.0.0.1:8080", self.url), ("my-key", self.key), ("my-model", self.model))
        for stand_in, value in said:
            text = text.replace(stand_in, value)
        return text


class Outcome(NamedTuple):
    cell: str
    mark: str
    """✓, ✗ or —."""
    why: str = ""


class Room:
    """Where a client runs: a home, a working folder, its configuration."""

    def __init__(self, client: Client, place: Place, cache: Path, timeout_s: float = TIMEOUT_S) -> None:
        """Installs the client, the first time; raises CalledProcessError where that can't be."""
        environment = installed(client.environment, cache)
        self.path, self.modules = client.environment.programs(environment), environment / "node_modules"
        self.client, self.place, self.timeout_s = client, place, timeout_s
        self.root = root = cache / "runs" / client.name.replace(" ", "-")
        self.home, self.work = root / "home", root / "work"
        self.words = {
            "home": str(self.home),
            "work": str(self.work),
            "image": str(self.home / "image.png"),
            "schema": str(self.home / "schema.json"),
            "schema_text": json.dumps(SCHEMA),
            "file": str(self.work / "note.txt"),
            "gateway": str(place.home),
        }
        self.shown: dict[tuple[str, ...], str] = {}
        """By command: cells that differ in what is looked for alone are one run."""
        self._make()

    def _make(self) -> None:
        if self.root.exists():
            rmtree(self.root)
        self.home.mkdir(parents=True)
        self.work.mkdir()
        for where, name in self.client.configuration.items():
            into = self.root / where
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_text(self.place.fill((HERE / "configurations" / name).read_text()))
        (self.home / "image.png").write_bytes(PNG)
        (self.home / "schema.json").write_text(json.dumps(SCHEMA))
        (self.work / "note.txt").write_text("pear\n")
        subprocess.run(["git", "init", "--quiet"], cwd=self.work, check=True)

    def _process(self, argv: tuple[str, ...], **env: str) -> str:
        """What it printed, on either stream."""
        own = {name: self.place.fill(_fill(value, self.words)) for name, value in self.client.env.items()}
        kept = {name: os.environ[name] for name in ("LANG", "SSL_CERT_FILE") if name in os.environ}
        path = f"{self.path}:{os.environ['PATH']}:{Path(sys.executable).parent}"
        done = subprocess.run(
            argv,
            cwd=self.work,
            env={**kept, "HOME": str(self.home), "PATH": path, "NO_COLOR": "1", **own, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.timeout_s,
            check=False,
        )
        return done.stdout

    def outcomes(self) -> Generator[Outcome]:
        """Of each cell, as they come."""
        yield from self._commands() if "{prompt}" in self.client.argv else self._program()

    def _commands(self) -> Generator[Outcome]:
        for cell in CELLS:
            if cell.name in self.client.lacks:
                yield Outcome(cell.name, "—", self.client.lacks[cell.name])
                continue
            asked = self.client.prompts.get(cell.name, cell)
            try:
                yield judged(asked, self.turns(asked))
            except subprocess.TimeoutExpired as error:
                yield Outcome(cell.name, "✗", f"no end within {error.timeout:g} s")

    def turns(self, cell: Cell) -> str:
        """What the last of a cell's processes showed."""
        shown = ""
        for argv, prompt in zip((self.client.argv, self.client.again), cell.prompts, strict=False):
            at = argv.index("{more}") if "{more}" in argv else len(argv)
            whole = (*argv[:at], *self.client.more.get(cell.name, ()), *argv[at + 1 :])
            words = {**self.words, "prompt": _fill(prompt, self.words)}
            command = tuple(self.place.fill(_fill(word, words)) for word in whole)
            shown = self.shown[command] if command in self.shown else self._process(command)
            self.shown[command] = shown
        return shown

    def _program(self) -> Generator[Outcome]:
        interpreter, name = self.client.argv
        for file in (HERE / "programs").iterdir():
            if file.stem == "harness" or file.name == name:
                copy(file, self.work / file.name)
        if self.modules.exists():
            (self.work / "node_modules").symlink_to(self.modules)
        asked = {cell.name: list(cell.prompts) for cell in CELLS if cell.name not in self.client.lacks}
        printed = self._process(
            (interpreter, name), MATRIX_PROMPTS=json.dumps(asked), MATRIX_IMAGE=self.words["image"]
        )
        said: dict[str, Any] = {}
        for line in printed.splitlines():
            if line.startswith('{"cell":'):
                one = json.loads(line)
                said[one["cell"]] = one["said"]
        for cell in CELLS:
            if cell.name in self.client.lacks:
                yield Outcome(cell.name, "—", self.client.lacks[cell.name])
            else:
                yield answered(cell, said.get(cell.name, {"error": printed[-600:]}))


def _fill(text: str, words: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


def judged(cell: Cell, shown: str) -> Outcome:
    found = re.search(cell.says, shown)
    return Outcome(cell.name, "✓") if found else Outcome(cell.name, "✗", shown[-600:])


def answered(cell: Cell, said: dict[str, Any]) -> Outcome:
    """Of a program: an error is right where one is due, and a stream comes in pieces."""
    if ("error" in said) != (cell.name == "errors"):
        return Outcome(cell.name, "✗", str(said)[:600])
    pieces = said.get("pieces", [])
    if (cell.name == "stream") != (len(pieces) > 2):
        return Outcome(cell.name, "✗", f"in {len(pieces)} pieces: {said}"[:600])
    return judged(cell, said.get("error") or said.get("text") or "".join(pieces))
