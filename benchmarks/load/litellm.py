"""LiteLLM's proxy, a peer in Python: in a virtual environment of its own, never a dependency of ours.

Exactly 1.109.1: its releases 1.82.7 and 1.82.8 were trojanised. It runs with an otherwise empty environment.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path

VERSION = "1.109.1"
RELAXED = ("certifi", "litellm-proxy-extras")
"""Its pins of these may name releases that a package index lacks; neither is on the path of a request."""
CONFIG = """\
model_list:
  - model_name: fake-reasoner
    litellm_params:
      model: openai/fake-reasoner
      api_base: {upstream}
      api_key: sk-upstream
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000004
litellm_settings:
  drop_params: true
  telemetry: false
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""
LIST_REQUIREMENTS = """\
import sys
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement
for line in requires("litellm"):
    needed = Requirement(line)
    if needed.marker and not needed.marker.evaluate({"extra": "proxy"}):
        continue
    extras = f"[{','.join(needed.extras)}]" if needed.extras else ""
    print(needed.name + extras + ("" if needed.name in sys.argv[1:] else str(needed.specifier)))
"""


def folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "perpend-bench" / f"litellm-{VERSION}"


def install() -> None:
    """Make the virtual environment unless it is complete. Needs a package index; raises SystemExit."""
    home, done = folder(), folder() / "complete"
    if done.exists():
        return
    print(f"installing litellm[proxy]=={VERSION} into {home} (once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    python = str(home / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    strict = subprocess.run([*pip, f"litellm[proxy]=={VERSION}"], capture_output=True, check=False)
    if strict.returncode != 0:
        subprocess.run([*pip, "--no-deps", f"litellm=={VERSION}"], check=True)
        listing = subprocess.run(
            [python, "-c", LIST_REQUIREMENTS, *RELAXED], check=True, capture_output=True, text=True
        )
        wanted = home / "requirements.txt"
        wanted.write_text(listing.stdout)
        if subprocess.run([*pip, "-r", str(wanted)], check=False).returncode != 0:
            raise SystemExit(f"can't install LiteLLM {VERSION}: {strict.stderr.decode()[-1000:]}")
    if installed_version() != VERSION:
        raise SystemExit(f"expected LiteLLM {VERSION} in {home}, found {installed_version()}")
    done.write_text("relaxed\n" if strict.returncode else "strict\n")


def installed_version() -> str:
    code = "from importlib.metadata import version; print(version('litellm'))"
    python = str(folder() / "bin" / "python")
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def command(port: int, upstream: str, home: Path) -> tuple[list[str], dict[str, str], str]:
    """The proxy's command line, its whole environment, and its key: one worker, authentication and prices on."""
    config, key = home / "litellm.yaml", f"sk-{secrets.token_hex(32)}"
    config.write_text(CONFIG.format(upstream=upstream))
    environment = {
        "PATH": f"{folder() / 'bin'}:/usr/bin:/bin",
        "HOME": str(home),
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    run = [str(folder() / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    return [*run, "--port", str(port), "--num_workers", "1"], environment, key
