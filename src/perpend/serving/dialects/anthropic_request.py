"""From the body of `POST /v1/messages` to a `Request`."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import BadRequest, ThreadNotFound
from perpend.serving.decode import decode
from perpend.serving.dialects.anthropic_content import BlockContext, conversation
from perpend.serving.dialects.anthropic_edits import edited
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
from perpend.serving.fields import Ignored, given, missing, not_supported
from perpend.types import ForcedTool, OutputFormat, OutputSpec, Sampling, Tool, ToolChoice

_decoder = msgspec.json.Decoder(MessagesRequest)
_CHOICES: dict[str, ToolChoice] = {"auto": "auto", "any": "required", "none": "none"}


class MessagesParsed(Parsed, frozen=True, gc=False):
    thoughts: bool = True
    """The client asked for thinking: the answer has its blocks, be it only what a vendor wants back of them."""
    edits: AppliedEdits | None = None
    """What was done to the conversation, where the client asked for it."""


def parse(body: bytes, config: Config) -> MessagesParsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported."""
    ignored = Ignored(strict=config.serve.strict_fields)
    asked = decode(_decoder, body, ignored)
    ignored.settle(asked)
    if asked.thread is not None and asked.thread.type == "continue":
        # Anthropic's SDKs send the whole conversation then, and so does their tool runner from the next turn on.
        hint = "send all messages of the conversation"
        raise ThreadNotFound("conversations of messages aren't held here", hint=hint, field="thread")
    thoughts = _think_as_told(asked)
    messages, edits = conversation(asked, BlockContext(config, ignored)), None
    if asked.context_management is not None:
        messages, edits = edited(messages, asked.context_management.edits or [], ignored)
    stops = tuple(asked.stop_sequences or ())
    marked = mark(
        asked.cache_control, (asked.tools, asked.system, *[message.content for message in asked.messages])
    )
    sampling = Sampling(temperature=asked.temperature, top_p=asked.top_p, stop=stops, cache_control=marked)
    canonical = DialectFields(
        tuple(messages),
        asked.model,
        asked.max_tokens,
        sampling,
        _output_spec(asked, ignored),
        class_of(asked.service_tier, ignored),
    )
    return MessagesParsed(
        request_of(canonical, asked, config, ignored), bool(asked.stream), thoughts=thoughts, edits=edits
    )


def _think_as_told(asked: MessagesRequest) -> bool:
    """Anthropic's way of asking for thinking, said in Perpend's own fields; whether any may be in the answer."""
    if asked.reasoning_effort is None:
        asked.reasoning_effort = _effort(asked)
    thinking = asked.thinking
    if thinking is not None and thinking.type == "disabled":
        asked.reasoning_effort = "none"
    elif thinking is not None and thinking.type == "enabled":
        own, tokens = asked.max_thinking_tokens, thinking.budget_tokens
        if tokens is None and own is None:
            raise missing("thinking.budget_tokens", 'a number of tokens, or "type": "adaptive"')
        if None not in (tokens, own) and tokens != own:
            hint = "they mean the same: send one"
            raise BadRequest(
                "thinking.budget_tokens and max_thinking_tokens disagree",
                hint=hint,
                field="max_thinking_tokens",
            )
        asked.max_thinking_tokens = own if tokens is None else tokens
    if asked.thinking_visibility is not None:
        return True
    wanted = asked.max_thinking_tokens is not None if thinking is None else thinking.type != "disabled"
    if not wanted or (thinking is not None and thinking.display == "omitted"):
        asked.thinking_visibility = "hidden"
    return wanted


def _effort(asked: MessagesRequest) -> AnthropicEffort | None:
    """The request's, or what a system message on the way changed it to."""
    effort = None if asked.output_config is None else asked.output_config.effort
    for message in asked.messages:
        if message.output_config is not None:
            effort = message.output_config.effort or effort
    return effort


def _output_spec(asked: MessagesRequest, ignored: Ignored) -> OutputSpec:
    choice, parallel = asked.tool_choice, None
    wanted: ToolChoice | None = None
    if choice is not None:
        wanted = _CHOICES.get(choice.type) or ForcedTool(given(choice.name, "tool_choice.name"))
        parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    format_ = asked.output_format
    if asked.output_config is not None and asked.output_config.format is not None:
        format_ = asked.output_config.format
    output = None if format_ is None else OutputFormat(schema=format_.schema)
    tools = [made for i, tool in enumerate(asked.tools or []) if (made := _tool(i, tool, wanted, ignored))]
    return output_spec_of(tools, wanted, parallel, output)


def _tool(index: int, tool: MessagesTool, wanted: ToolChoice | None, ignored: Ignored) -> Tool | None:
    """None for one that the vendor runs."""
    description, parameters = tool.description, tool.input_schema
    if tool.type not in (None, "custom"):
        known = _known_by_type().get(tool.type)
        if known is None:
            return _passed_over(index, tool, wanted, ignored)
        description, parameters = known.description, known.parameters
    if parameters is None:
        raise missing(f"tools[{index}].input_schema", "the JSON schema of its input")
    name = given(tool.name, f"tools[{index}].name")
    return Tool(name=name, description=description or "", parameters=parameters, strict=tool.strict)


def _passed_over(index: int, tool: MessagesTool, wanted: ToolChoice | None, ignored: Ignored) -> None:
    what = f"a tool of type {str(tool.type)[:80]!r}"
    if isinstance(wanted, ForcedTool) and wanted.name == tool.name:
        raise not_supported("tool_choice", f"{what}, which has to be called,", "describe a tool of your own")
    ignored.add(f"tools[{index}]", what)


class _Known(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `anthropic_tools.toml`."""

    types: list[str]
    description: str
    parameters: dict[str, Any]


@cache
def _known_by_type() -> dict[str, _Known]:
    text = files("perpend.serving.dialects").joinpath("anthropic_tools.toml").read_bytes()
    rows = msgspec.toml.decode(text, type=dict[str, _Known])
    return {type_: row for row in rows.values() for type_ in row.types}
