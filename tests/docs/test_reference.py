"""The pages that are generated are current, and what the guides tell people to write is right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.shown import DOCS, ROOT, of_language

from perpend.config import load
from perpend.runtime import Runtime

PAGES = [ROOT / "README.md", DOCS / "guides/configuration.md", *sorted((DOCS / "concepts").glob("*.md"))]
EXAMPLES = [example for page in PAGES for example in of_language(page, "toml")]


def test_the_reference_is_what_the_code_says() -> None:
    script = [sys.executable, str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES)
async def test_an_example_is_a_config_whose_models_can_be_named(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_KEY_1", "OPENAI_KEY_2", "AZURE_KEY"):
        monkeypatch.setenv(variable, "k")
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.delenv("PERPEND_STORAGE__PATH", raising=False)
    file = tmp_path / "perpend.toml"
    file.write_text(re.sub(r'^path = ".*"', f'path = "{tmp_path}/ledger.db"', example, flags=re.MULTILINE))
    config = load(file).config
    async with await Runtime.open(config) as runtime:
        for name in [config.defaults.model, *config.models]:
            assert runtime.models.resolve(name).name == name


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 5
