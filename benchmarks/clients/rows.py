"""The clients: how each is installed, configured and run, and what it has no way to do."""

from typing import NamedTuple

from benchmarks.clients.cells import CODING, READING, Cell
from benchmarks.clients.environments import Environment, Npm, Python


class Client(NamedTuple):
    """One row. `{home}`, `{work}`, `{image}`, `{schema}` and `{prompt}` in its arguments are filled in for each run."""

    name: str
    environment: Environment
    configuration: dict[str, str]
    """Where the client looks for it, below `home/` or `work/`: a file of configurations/, as docs/guides/clients.md
    shows it."""
    argv: tuple[str, ...]
    """With a `{prompt}`: a process for each turn. Without: a file of programs/ does all cells in one."""
    again: tuple[str, ...] = ()
    """The command for the second turn."""
    more: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 -- read only
    """What stands for `{more}`, by cell."""
    prompts: dict[str, Cell] = {}  # noqa: RUF012
    """Cells that it is asked for in other words."""
    env: dict[str, str] = {}  # noqa: RUF012
    lacks: dict[str, str] = {}  # noqa: RUF012
    """Cells that it has no way to do, and why."""


AI_SDK = Npm(("ai", "@ai-sdk/openai", "@ai-sdk/anthropic", "@ai-sdk/openai-compatible", "zod"))
CODEX, CLAUDE_CODE = Npm(("@openai/codex@latest",)), Npm(("@anthropic-ai/claude-code@latest",))
LANGCHAIN = "langchain>=1"
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


def codex(name: str, configuration: str) -> Client:
    return Client(
        name,
        CODEX,
        {"home/.codex/config.toml": configuration},
        (*_CODEX, "--", "{prompt}"),
        again=(*_CODEX, "resume", "--last", "--", "{prompt}"),
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


def program(name: str, environment: Environment, configuration: str, runs: str, **lacks: str) -> Client:
    """A library: `runs` is its file in programs/."""
    kind = configuration.rpartition(".")[2]
    interpreter = {"py": "python", "mjs": "node"}[runs.rpartition(".")[2]]
    reasons = {cell.replace("_", " "): why for cell, why in lacks.items()}
    return Client(
        name, environment, {f"work/configuration.{kind}": configuration}, (interpreter, runs), lacks=reasons
    )


CLIENTS = (
    codex("codex", "codex.toml"),
    codex("codex gpt-5.5", "codex_gpt.toml"),
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
    program(
        "ai-sdk chat",
        AI_SDK,
        "ai_sdk_chat.mjs",
        "ai_sdk.mjs",
        thinking="it reads no thinking in OpenAI's chat",
    ),
    program("ai-sdk responses", AI_SDK, "ai_sdk_responses.mjs", "ai_sdk.mjs"),
    program("ai-sdk anthropic", AI_SDK, "ai_sdk_anthropic.mjs", "ai_sdk.mjs"),
    program("ai-sdk compatible", AI_SDK, "ai_sdk_compatible.mjs", "ai_sdk.mjs"),
    program("openai (npm)", Npm(("openai", "zod")), "openai_npm.mjs", "openai_npm.mjs"),
    program("anthropic (npm)", Npm(("@anthropic-ai/sdk", "zod")), "anthropic_npm.mjs", "anthropic_npm.mjs"),
    program(
        "promptfoo",
        Npm(("promptfoo",)),
        "promptfoo.yaml",
        "promptfoo.mjs",
        stream="it compares whole answers",
        tool_loop="it shows calls of tools, and asks the model once",
    ),
    program("openai", Python(("openai",)), "openai.py", "openai_python.py"),
    program("anthropic", Python(("anthropic",)), "anthropic.py", "anthropic_python.py"),
    program("openai-agents", Python(("openai-agents",)), "openai_agents.py", "openai_agents.py"),
    program(
        "langchain-openai",
        Python(("langchain-openai", LANGCHAIN)),
        "langchain_openai.py",
        "langchain_chat.py",
    ),
    program(
        "langchain-anthropic",
        Python(("langchain-anthropic", LANGCHAIN)),
        "langchain_anthropic.py",
        "langchain_chat.py",
    ),
    program("llama-index", Python(("llama-index-llms-openai-like",)), "llama_index.py", "llama_index_llm.py"),
    program("litellm", Python(("litellm",)), "litellm.py", "litellm_library.py"),
    program("pydantic-ai", Python(("pydantic-ai-slim[openai]",)), "pydantic_ai.py", "pydantic_ai_agent.py"),
    program(
        "instructor",
        Python(("instructor",)),
        "instructor.py",
        "instructor_schema.py",
        tool_loop="it runs no tools: an answer by a schema is what it is for",
    ),
    program("dspy", Python(("dspy",)), "dspy.py", "dspy_program.py"),
    program("smolagents", Python(("smolagents[openai]",)), "smolagents.py", "smolagents_agent.py"),
)
