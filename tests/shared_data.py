"""Real recordings that lie beside a checkout; where they don't, tests that read them are skipped."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"
ABSENT = "../shared isn't there"


def shared(path: str) -> Path:
    """The file or folder, or a visible skip."""
    if not FOLDER.exists():
        pytest.skip(ABSENT)
    found = FOLDER / path
    if not found.exists():
        pytest.skip(f"../shared/data/{path} is not here")
    return found
