"""Read the body of `POST /v1/responses` into a `Request`."""

import time
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, structs

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.extension_fields import DialectFields, class_of, request_of
from perpend.serving.dialects.openai_responses_compaction import TRIGGER
from perpend.serving.dialects.openai_responses_ids import items_of
from perpend.serving.dialects.openai_responses_items import messages_of
from perpend.serving.dialects.openai_responses_schema import (
    ConversationRef,
    Echo,
    FunctionEcho,
    InputItem,
    ReasoningConfig,
    ReasoningEcho,
    ResponsesRequest,
    ResponsesTool,
    TextConfig,
    TextEcho,
    TextFormat,
)
from perpend.serving.dialects.openai_responses_tools import Names, request_tools
from perpend.serving.dialects.output_specs import merge_tool_results, output_format
from perpend.serving.fields import Ignored
from perpend.types import (
    Message,
    OutputFormat,
    Sampling,
    new_id,
)

T = TypeVar("T")
_LOGPROBS = "message.output_text.logprobs"
_decoder = msgspec.json.Decoder(ResponsesRequest)
_NO_REASONING_CONFIG = ReasoningConfig()


class ResponsesParsed(Parsed, frozen=True, gc=False, kw_only=True):
    """A parsed body of `POST /v1/responses`."""

    id: str
    created_at: int
    """Seconds since 1970."""
    echo: Echo
    conversation: tuple[Message, ...]
    """The messages with the request's own, without its instructions: these hold for one turn."""
    key_id: str | None
    names: Names
    """The client's tools."""
    is_compaction: bool
    """Whether the request asks for a summary of its conversation in place of an answer."""
    input_items: list[InputItem]
    """The request's own input."""


def decode_fields(body: bytes, ignored: Ignored) -> ResponsesRequest:
    """The body's fields. Raises BadRequest naming the first one that is wrong or not supported."""
    fields = decode(_decoder, body, ignored)
    ignored.check_fields(fields)
    for name, part in (("reasoning.", fields.reasoning), ("stream_options.", fields.stream_options)):
        if part is not None:
            ignored.check_fields(part, name)
    for i, extra in enumerate(fields.include or []):
        if extra not in ("reasoning.encrypted_content", _LOGPROBS):
            ignored.add(f"include[{i}]", extra[:80])
    if fields.background and fields.store is False:
        raise BadRequest(
            "a background response that isn't stored can't be asked for",
            hint="leave out store",
            field="store",
        )
    return fields


def parse_fields(
    fields: ResponsesRequest,
    history: tuple[Message, ...],
    config: Config,
    key_id: str | None,
    ignored: Ignored,
) -> ResponsesParsed:
    """The request after `history`, the conversation that it continues. Raises BadRequest naming the field."""
    input_items = items_of(fields.input)
    new = messages_of(input_items, config, ignored)
    if not new and (fields.input or not history):
        raise BadRequest("nothing is asked", hint="send text or a message", field="input")
    conversation = merge_tool_results([*history, *new])
    instructions = (Message("system", fields.instructions),) if fields.instructions else ()
    reasoning = fields.reasoning or _NO_REASONING_CONFIG
    if fields.reasoning_effort is None:
        fields.reasoning_effort = reasoning.effort
    summary = reasoning.summary or reasoning.generate_summary
    if fields.thinking_visibility is None and summary not in (None, "none"):
        fields.thinking_visibility = "summary"
    verbosity = None if fields.text is None or fields.text.verbosity == "medium" else fields.text.verbosity
    wants_logprobs = fields.top_logprobs or _LOGPROBS in (fields.include or ())
    sampling = Sampling(
        temperature=fields.temperature,
        top_p=fields.top_p,
        verbosity=verbosity,
        prompt_cache_key=_as(str, fields.prompt_cache_key),
        logprobs=(fields.top_logprobs or 0) if wants_logprobs else None,
    )
    output_spec, names = request_tools(fields, _output(fields), ignored)
    is_compaction = bool(input_items) and input_items[-1].type == TRIGGER
    if is_compaction:
        output_spec = structs.replace(output_spec, tool_choice="none", output=None)
    dialect_fields = DialectFields(
        (*instructions, *conversation),
        fields.model,
        fields.max_output_tokens,
        sampling,
        output_spec,
        fields.user or fields.safety_identifier,
        class_of(fields.service_tier, ignored),
    )
    request = request_of(dialect_fields, fields, config, ignored)
    return ResponsesParsed(
        request=structs.replace(request, auto_truncate=True) if fields.truncation == "auto" else request,
        stream=bool(fields.stream),
        id=new_id("resp"),
        created_at=int(time.time()),
        echo=_echo(fields, reasoning),
        conversation=conversation,
        key_id=key_id,
        names=names,
        is_compaction=is_compaction,
        input_items=input_items,
    )


def _echo(fields: ResponsesRequest, reasoning: ReasoningConfig) -> Echo:
    return Echo(
        background=bool(fields.background),
        conversation=fields.conversation if isinstance(fields.conversation, ConversationRef) else UNSET,
        instructions=fields.instructions,
        max_output_tokens=fields.max_output_tokens,
        max_tool_calls=_as(int, fields.max_tool_calls),
        metadata=fields.metadata or {},
        parallel_tool_calls=fields.parallel_tool_calls is not False,
        previous_response_id=fields.previous_response_id,
        prompt_cache_key=_as(str, fields.prompt_cache_key),
        reasoning=ReasoningEcho(reasoning.effort, reasoning.summary or reasoning.generate_summary),
        safety_identifier=fields.safety_identifier,
        store=fields.store is not False,
        temperature=fields.temperature,
        text=TextEcho() if fields.text is None else _text_echo(fields.text),
        tool_choice=fields.tool_choice or "auto",
        tools=tuple([_tool_echo(tool) for tool in fields.tools or ()]),
        top_logprobs=fields.top_logprobs or 0,
        top_p=fields.top_p,
        truncation=fields.truncation or "disabled",
        user=fields.user,
    )


def _text_echo(text: TextConfig) -> TextEcho:
    return TextEcho(text.format or TextFormat("text"), text.verbosity or "medium")


def _as(kind: type[T], value: Any) -> T | None:
    """The value where it is of this type; an ignored field may hold anything."""
    return value if isinstance(value, kind) else None


def _tool_echo(tool: ResponsesTool) -> Any:
    if tool.type != "function":
        return tool
    return FunctionEcho(tool.name, tool.description, tool.parameters, tool.strict or False)


def _output(fields: ResponsesRequest) -> OutputFormat | None:
    format_ = None if fields.text is None else fields.text.format
    return None if format_ is None else output_format(format_.type, format_, "text.format.schema")
