"""What an answer may be: the tools that it may call, and the format of its text."""

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field


class CustomToolSpec(Struct, frozen=True, kw_only=True):
    """A tool that takes free text in place of JSON (OpenAI's custom tools)."""

    description: str = ""
    syntax: Literal["lark", "regex"] | None = None
    definition: str = ""
    """The grammar; empty: any text."""


class Tool(Struct, frozen=True, kw_only=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    """JSON schema of its arguments."""
    strict: bool | None = None
    custom: CustomToolSpec | None = None
    """None: a function."""


class ForcedTool(Struct, frozen=True):
    """This tool has to be called."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ForcedTool


class OutputFormat(Struct, frozen=True, kw_only=True):
    """The answer's text is JSON; thinking is free."""

    schema: dict[str, Any] | None = None
    """JSON schema; None: any object."""
    name: str = "answer"
    description: str = ""
    strict: bool | None = None


class OutputSpec(Struct, frozen=True, kw_only=True):
    """Tools and format of the answer; `output` None: free text."""

    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tools: bool | None = None
    output: OutputFormat | None = None
