"""The clients that are tried: agents, and libraries by a program of ours."""

from benchmarks.clients.agents import AGENTS, LAUNCHED
from benchmarks.clients.client import Client
from benchmarks.clients.environments import Environment, Npm, Python

AI_SDK = Npm(
    (
        "ai@latest",
        "@ai-sdk/openai@latest",
        "@ai-sdk/anthropic@latest",
        "@ai-sdk/openai-compatible@latest",
        "zod",
    )
)
LANGCHAIN = "langchain>=1"


def program(name: str, environment: Environment, configuration: str, runs: str, **lacks: str) -> Client:
    """A library: `runs` is its file in programs/."""
    kind = configuration.rpartition(".")[2]
    interpreter = {"py": "python", "mjs": "node"}[runs.rpartition(".")[2]]
    reasons = {cell.replace("_", " "): why for cell, why in lacks.items()}
    return Client(
        name, environment, {f"work/configuration.{kind}": configuration}, (interpreter, runs), lacks=reasons
    )


CLIENTS = (
    *AGENTS,
    *LAUNCHED,
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
    program("openai (npm)", Npm(("openai@latest", "zod")), "openai_npm.mjs", "openai_npm.mjs"),
    program("anthropic (npm)", Npm(("@anthropic-ai/sdk", "zod")), "anthropic_npm.mjs", "anthropic_npm.mjs"),
    program(
        "promptfoo",
        Npm(("promptfoo@latest",)),
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
