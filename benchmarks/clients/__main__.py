"""LangChain, Instructor, Vercel's AI SDK and OpenAI's from npm: each installed, and run against `perpend serve`.

    python -m benchmarks.clients

Needs npm, and packages to install. The model is smollm2-135m, which is pulled where it isn't here. OpenAI's and
Anthropic's Python SDKs, pydantic-ai and llm are tried by tests/serving/test_clients.py every time.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load.processes import free_port, started
from perpend.config import home_dir

HERE = Path(__file__).parent
PYTHON = ("langchain-openai>=1.7", "instructor>=1.17")
NPM = ("ai", "@ai-sdk/openai-compatible", "openai")
CONFIG = """
[defaults]
model = "small"
[models.small]
name = "smollm2-135m"
answer_tokens = 128
[engine]
slots = 1
context = 2048
"""


def main() -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        python, modules = home / "venv" / "bin" / "python", home / "npm"
        subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PYTHON], check=True)
        modules.mkdir()
        (modules / "clients.mjs").write_bytes((HERE / "clients.mjs").read_bytes())
        subprocess.run(["npm", "install", "--silent", *NPM], cwd=modules, check=True)
        (home / "perpend.toml").write_text(CONFIG)
        (home / "weights").symlink_to(home_dir() / "weights")
        port = free_port()
        env = {**os.environ, "PERPEND_HOME": str(home), "PERPEND_URL": f"http://127.0.0.1:{port}/v1"}
        command = [sys.executable, "-m", "perpend", "serve", "--port", str(port)]
        with started("perpend", command, core=None, env=env, home=home) as running:
            running.wait_ready(port, "/readyz", 300)
            subprocess.run([str(python), str(HERE / "clients.py")], env=env, check=True)
            subprocess.run(["node", "clients.mjs"], cwd=modules, env=env, check=True)


if __name__ == "__main__":
    main()
