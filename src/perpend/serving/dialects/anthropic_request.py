"""Read the body of `POST /v1/messages` into a `Request`."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import BadRequest, ThreadNotFound
from perpend.serving.decode import decode
from perpend.serving.dialects.anthropic_content import BlockContext, conversation
from perpend.serving.dialects.anthropic_edits import apply_edits
from perpend.serving.dialects.anthropic_schema import (
    AnthropicEffort,
    AppliedEdits,
    MessagesRequest,
    MessagesTool,
)
from perpend.serving.dialects.cache_marks import mark
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.extension_fields import DialectFields, class_of, request_of
from perpend.serving.dialects.output_specs import output_spec_of
from perpend.serving.fields import Ignored, missing, not_supported, required
from perpend.types import ForcedTool, OutputFormat, OutputSpec, Sampling, Tool, ToolChoice

_decoder = msgspec.json.Decoder(MessagesRequest)
_CHOICES: dict[str, ToolChoice] = {"auto": "auto", "any": "required", "none": "none"}


class MessagesParsed(Parsed, frozen=True, gc=False):
    """A parsed body of `POST /v1/messages`."""

    thoughts: bool = True
    """Whether the answer has thinking blocks, or at least the provider state that the vendor needs next turn."""
    edits: AppliedEdits | None = None
    """The context edits that were applied, where the request asked for edits."""


def parse(body: bytes, config: Config) -> MessagesParsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported."""
    ignored = Ignored(strict=config.serve.strict_fields)
    fields = decode(_decoder, body, ignored)
    ignored.check_fields(fields)
    if fields.thread is not None and fields.thread.type == "continue":
        # On this error Anthropic's SDKs send the whole conversation, and their tool runner keeps doing so.
        hint = "send all messages of the conversation"
        raise ThreadNotFound("conversations of messages aren't held here", hint=hint, field="thread")
    thoughts = _apply_thinking_fields(fields)
    messages, edits = conversation(fields, BlockContext(config, ignored)), None
    if fields.context_management is not None:
        messages, edits = apply_edits(messages, fields.context_management.edits or [], ignored)
    stops = tuple(fields.stop_sequences or ())
    cache_control = mark(
        fields.cache_control, (fields.tools, fields.system, *[message.content for message in fields.messages])
    )
    sampling = Sampling(
        temperature=fields.temperature, top_p=fields.top_p, stop=stops, cache_control=cache_control
    )
    dialect_fields = DialectFields(
        tuple(messages),
        fields.model,
        fields.max_tokens,
        sampling,
        _output_spec(fields, ignored),
        _user(fields.metadata, ignored),
        class_of(fields.service_tier, ignored),
    )
    return MessagesParsed(
        request_of(dialect_fields, fields, config, ignored),
        bool(fields.stream),
        thoughts=thoughts,
        edits=edits,
    )


def _apply_thinking_fields(fields: MessagesRequest) -> bool:
    """Copy `thinking` and the effort into Perpend's own fields; True where the answer may have thinking.

    Raises BadRequest naming the field. See https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking.
    """
    if fields.reasoning_effort is None:
        fields.reasoning_effort = _effort(fields)
    thinking = fields.thinking
    if thinking is not None and thinking.type == "disabled":
        fields.reasoning_effort = "none"
    elif thinking is not None and thinking.type == "enabled":
        limit, tokens = fields.max_thinking_tokens, thinking.budget_tokens
        if tokens is None and limit is None:
            raise missing("thinking.budget_tokens", 'send a number of tokens, or "type": "adaptive"')
        if None not in (tokens, limit) and tokens != limit:
            hint = "send one of them: they mean the same"
            raise BadRequest(
                "thinking.budget_tokens and max_thinking_tokens disagree",
                hint=hint,
                field="max_thinking_tokens",
            )
        fields.max_thinking_tokens = limit if tokens is None else tokens
    if fields.thinking_visibility is not None:
        return True
    enabled = fields.max_thinking_tokens is not None if thinking is None else thinking.type != "disabled"
    if not enabled or (thinking is not None and thinking.display == "omitted"):
        fields.thinking_visibility = "hidden"
    return enabled


def _user(metadata: dict[str, Any] | None, ignored: Ignored) -> str | None:
    user = None
    for name, value in (metadata or {}).items():
        if name == "user_id" and (value is None or isinstance(value, str)):
            user = value
        else:
            ignored.add(f"metadata.{name}")
    return user


def _effort(fields: MessagesRequest) -> AnthropicEffort | None:
    """The request's effort, or that of the last system message that sets one."""
    effort = None if fields.output_config is None else fields.output_config.effort
    for message in fields.messages:
        if message.output_config is not None:
            effort = message.output_config.effort or effort
    return effort


def _output_spec(fields: MessagesRequest, ignored: Ignored) -> OutputSpec:
    choice, parallel = fields.tool_choice, None
    tool_choice: ToolChoice | None = None
    if choice is not None:
        tool_choice = _CHOICES.get(choice.type) or ForcedTool(required(choice.name, "tool_choice.name"))
        parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    format_ = fields.output_format
    if fields.output_config is not None and fields.output_config.format is not None:
        format_ = fields.output_config.format
    output = None if format_ is None else OutputFormat(schema=format_.schema)
    tools = [
        tool for i, sent in enumerate(fields.tools or []) if (tool := _tool(i, sent, tool_choice, ignored))
    ]
    return output_spec_of(tools, tool_choice, parallel, output)


def _tool(index: int, tool: MessagesTool, choice: ToolChoice | None, ignored: Ignored) -> Tool | None:
    """The tool; None for one that Anthropic runs itself."""
    description, parameters = tool.description, tool.input_schema
    if tool.type not in (None, "custom"):
        row = _vendor_tools().get(tool.type)
        if row is None:
            return _ignore_tool(index, tool, choice, ignored)
        description, parameters = row.description, row.parameters
    if parameters is None:
        raise missing(f"tools[{index}].input_schema", "send the JSON schema of its input")
    name = required(tool.name, f"tools[{index}].name")
    return Tool(name=name, description=description or "", parameters=parameters, strict=tool.strict)


def _ignore_tool(index: int, tool: MessagesTool, choice: ToolChoice | None, ignored: Ignored) -> None:
    what = f"a tool of type {str(tool.type)[:80]!r}"
    if isinstance(choice, ForcedTool) and choice.name == tool.name:
        raise not_supported("tool_choice", f"{what}, which has to be called,", "describe a tool of your own")
    ignored.add(f"tools[{index}]", what)


class _VendorTool(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `anthropic_tools.toml`."""

    types: list[str]
    description: str
    parameters: dict[str, Any]


@cache
def _vendor_tools() -> dict[str, _VendorTool]:
    text = files("perpend.serving.dialects").joinpath("anthropic_tools.toml").read_bytes()
    rows = msgspec.toml.decode(text, type=dict[str, _VendorTool])
    return {type_: row for row in rows.values() for type_ in row.types}
