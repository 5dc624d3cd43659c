"""Engines that serve the tiny reasoner's own weights: how each is started, and how it is spoken to."""

import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load.processes import Running, started
from perpend.engine.catalogue import find

TEMPLATE = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{% if message.role == "assistant" and message.reasoning_content %}<think>
{{ message.reasoning_content }}</think>
{% endif %}{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
<think>
{% if thinking is defined and not thinking %}
</think>
{% endif %}{% endif %}"""
"""Writes the open tag itself, and takes a switch, as current reasoning models' templates do."""


@dataclass(frozen=True)
class Engine:
    like: str
    """Its row of providers.toml."""
    family: str
    """How the model thinks there, on the chat wire."""
    command: Callable[[str, int, Path], list[str]]
    """From the program, the port and the folder of weights."""
    ready: str
    """A path that answers once it is."""
    model: Callable[[Path], str] = lambda folder: "tiny"
    raw_wire: str | None = "raw_completion"
    """None: it can't go on from a prefix."""
    environment: dict[str, str] = field(default_factory=dict[str, str])


def _vllm(program: str, port: int, folder: Path) -> list[str]:
    command = [program, "serve", str(folder), "--served-model-name", "tiny", "--port", str(port)]
    command += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
    command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    return [*command, "--reasoning-parser", "deepseek_r1"]


def _transformers(program: str, port: int, folder: Path) -> list[str]:
    return [program, "serve", str(folder), "--port", str(port), "--device", "cpu", "--dtype", "float32"]


def _llama_cpp_python(program: str, port: int, folder: Path) -> list[str]:
    command = [program, "-m", "llama_cpp.server", "--model", str(folder / "tiny.gguf"), "--port", str(port)]
    command += ["--n_ctx", "512", "--model_alias", "tiny", "--interrupt_requests", "false"]
    command += ["--chat_format", "hf-tokenizer-config"]
    return [*command, "--hf_tokenizer_config_path", str(folder / "tokenizer_config.json")]


def _llama_server(program: str, port: int, folder: Path) -> list[str]:
    command = [
        program,
        "--model",
        str(folder / "tiny.gguf"),
        "--port",
        str(port),
        "--alias",
        "tiny",
        "--jinja",
    ]
    command += ["--chat-template-file", str(folder / "template.jinja"), "--reasoning-format", "deepseek"]
    return [*command, "--ctx-size", "4096", "--parallel", "8"]


ENGINES = {
    "vllm": Engine(
        "vllm",
        "vllm-budget",
        _vllm,
        "/health",
        environment={"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"},
    ),
    "transformers": Engine(
        "transformers",
        "deepseek",
        _transformers,
        "/v1/models",
        model=str,
        environment={"HF_HUB_OFFLINE": "1"},
    ),
    "llama-cpp-python": Engine("llama-cpp-python", "deepseek", _llama_cpp_python, "/v1/models"),
    "llama-server": Engine("llama-server", "deepseek", _llama_server, "/health", raw_wire="llama_completion"),
}


def weights(home: Path) -> Path:
    """The tiny reasoner's files, with a template that opens its thought."""
    bundled = find("tiny").bundled
    assert bundled is not None
    folder = home / "tiny"
    shutil.copytree(bundled.parent, folder)
    (folder / "template.jinja").write_text(TEMPLATE)
    config = folder / "tokenizer_config.json"
    known = {
        "bos_token": "<|endoftext|>",
        **json.loads(config.read_text()),
    }  # which llama-cpp-python asks for
    config.write_text(json.dumps({**known, "chat_template": TEMPLATE}))
    return folder


@contextmanager
def serving(engine: Engine, program: str, port: int, folder: Path) -> Generator[Running]:
    command = engine.command(program, port, folder)
    env = {**os.environ, **engine.environment}
    with started(engine.like, command, core=None, env=env, home=folder.parent) as running:
        running.wait_ready(port, engine.ready, 300)
        yield running
