"""Another program to measure beside ours: in a virtual environment of its own, never a dependency of ours."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec


class Peer(msgspec.Struct, frozen=True):
    name: str
    version: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> Path:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "perpend-bench" / f"{self.name}-{self.version}"

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def install(self) -> None:
        """Make the virtual environment unless it is complete. Needs a package index."""
        done = self.folder / "complete"
        if done.exists():
            return
        print(f"installing {' '.join(self.packages)} into {self.folder} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.folder)], check=True)
        pip = [self.program("python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *self.packages], check=True)
        done.touch()
