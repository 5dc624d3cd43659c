"""Installs clients from the package index and from npm, each set of packages into a folder of its own."""

import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

_QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "npm_config_update_notifier": "false"}


class Python(NamedTuple):
    """Packages from the index. The version that counts is the first one's."""

    packages: tuple[str, ...]

    def install(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        run_quietly(
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *self.packages], folder
        )

    def programs(self, folder: Path) -> Path:
        return folder / "bin"

    def version(self, folder: Path) -> str:
        paths = [str(path) for path in folder.glob("lib/python*/site-packages")]
        wanted = re.split(r"[\[<>=]", self.packages[0])[0].lower().replace("_", "-")
        found = {one.name.lower().replace("_", "-"): one.version for one in distributions(path=paths)}
        return found[wanted]


class Npm(NamedTuple):
    """Packages from npm, likewise."""

    packages: tuple[str, ...]

    def install(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        run_quietly(["npm", "install", "--no-audit", "--no-fund", *self.packages], folder)

    def programs(self, folder: Path) -> Path:
        return folder / "node_modules" / ".bin"

    def version(self, folder: Path) -> str:
        name = self.packages[0].removesuffix("@latest")
        return json.loads((folder / "node_modules" / name / "package.json").read_text())["version"]


Environment = Python | Npm


def run_quietly(command: list[str], folder: Path) -> None:
    """Raises CalledProcessError with what it printed."""
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **_QUIET},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def installed(environment: Environment, cache: Path) -> Path:
    """The folder of an environment, made the first time."""
    kind = type(environment).__name__.lower()
    key = sha256(" ".join(environment.packages).encode()).hexdigest()[:12]
    folder = cache / f"{kind}-{key}"
    done = folder / "installed"
    if not done.exists():
        if folder.exists():
            subprocess.run(["rm", "-rf", str(folder)], check=True)
        environment.install(folder)
        done.write_text(" ".join(environment.packages))
    return folder
