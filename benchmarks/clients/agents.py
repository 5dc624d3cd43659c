"""Coding agents, and llm: each a process for a turn, by its own configuration and as `perpend launch` runs it."""

from benchmarks.clients.cells import CODING, READING
from benchmarks.clients.client import Client
from benchmarks.clients.environments import Npm, Python

CODEX, CLAUDE_CODE = Npm(("@openai/codex@latest",)), Npm(("@anthropic-ai/claude-code@latest",))
_CODEX = ("codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "{more}")
_CLAUDE = (
    *("claude", "--print", "--verbose", "--output-format", "stream-json", "--include-partial-messages"),
    *("--allowedTools", "Read,Edit,Bash", "{more}"),
)
_AIDER = (
    *("aider", "--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings"),
    *("--message", "{prompt}", "note.txt", "{more}"),
)
_LLM_HOME = "home/.config/io.datasette.llm"
_LLM = ("llm", "--model", "my-model")
_CODEX_MORE = {
    "schema": ("--output-schema", "{schema}"),
    "thinking": ("-c", "model_reasoning_summary=detailed"),
    "effort": ("-c", "model_reasoning_effort=low"),
    "image": ("--image", "{image}"),
}
_CLAUDE_MORE = {"schema": ("--json-schema", "{schema_text}"), "effort": ("--effort", "low")}


def codex(name: str, *own: str) -> Client:
    return Client(
        name,
        CODEX,
        {"home/.codex/config.toml": "codex.toml"},
        (*_CODEX, *own, "--", "{prompt}"),
        again=(*_CODEX, *own, "resume", "--last", "--", "{prompt}"),
        more=_CODEX_MORE,
        prompts=CODING,
        env={"PERPEND_API_KEY": "my-key"},
    )


def claude_code(name: str, configuration: str) -> Client:
    return Client(
        name,
        CLAUDE_CODE,
        {"home/.claude/settings.json": configuration},
        (*_CLAUDE, "--", "{prompt}"),
        again=(*_CLAUDE, "--continue", "--", "{prompt}"),
        more=_CLAUDE_MORE,
        prompts=CODING | READING,
    )


AGENTS = (
    codex("codex"),
    codex("codex gpt-5.5", "--model", "gpt-5.5"),
    codex("codex gpt-6.2-sol", "--model", "gpt-6.2-sol"),
    claude_code("claude-code", "claude_code.json"),
    claude_code("claude-code claude-*", "claude_code_claude.json"),
    Client(
        "opencode",
        Npm(("opencode-ai@latest",)),
        {"work/opencode.json": "opencode.json"},
        ("opencode", "run", "--thinking", "{prompt}", "{more}"),
        again=("opencode", "run", "--continue", "{prompt}"),
        more={"effort": ("--variant", "low"), "image": ("--file", "{image}")},
        prompts=CODING,
        lacks={"schema": "`opencode run` has no structured output"},
    ),
    Client(
        "aider",
        Python(("aider-chat",)),
        {"work/.aider.conf.yml": "aider.yml", "work/.aider.model.metadata.json": "aider_metadata.json"},
        _AIDER,
        again=("aider", "--restore-chat-history", *_AIDER[1:]),
        more={
            "text": ("--no-stream",),
            "effort": ("--reasoning-effort", "low", "--no-check-model-accepts-settings"),
            "tool loop": ("--auto-test", "--test-cmd", "cat note.txt"),
            "image": ("{image}",),
        },
        prompts={
            "tool loop": CODING["tool loop"]._replace(says=r"Applied edit to note.txt[\s\S]*\npomelo\n")
        },
        lacks={"schema": "it has no structured output"},
    ),
    Client(
        "llm",
        Python(("llm",)),
        {f"{_LLM_HOME}/extra-openai-models.yaml": "llm.yaml", f"{_LLM_HOME}/keys.json": "llm_keys.json"},
        (*_LLM, "{more}", "{prompt}"),
        again=(*_LLM, "--continue", "{prompt}"),
        more={
            "text": ("--no-stream",),
            "tool loop": ("--functions", "def add(a: int, b: int) -> int:\n    return a + b"),
            "schema": ("--schema", "{schema_text}"),
            "effort": ("--option", "reasoning_effort", "low"),
            "image": ("--attachment", "{image}"),
        },
    ),
)


def launched(name: str, agent: Client, **lacks: str) -> Client:
    """The agent as `perpend launch` configures it. An effort is that command's to say."""
    launch = ("perpend", "launch", name, "--model", "my-model", "--effort", "low", "--")
    return agent._replace(
        name=f"launch {name}",
        configuration={},
        argv=(*launch, *agent.argv[1:]),
        again=(*launch, *agent.again[1:]),
        more={cell: more for cell, more in agent.more.items() if cell != "effort"},
        env={"PERPEND_HOME": "{gateway}"},
        lacks={**agent.lacks, **{cell.replace("_", " "): why for cell, why in lacks.items()}},
    )


LAUNCHED = (
    launched("codex", AGENTS[0]),
    launched("claude", AGENTS[3]),
    launched("opencode", AGENTS[5]),
    launched("aider", AGENTS[6]),
    launched("llm", AGENTS[7], second_turn="a launch has a log of its own, which goes with it"),
)
