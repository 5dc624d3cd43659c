"""From the body of `POST /v1/responses` to a `Request`."""

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
from perpend.serving.dialects.openai_responses_tools import Names, offered
from perpend.serving.dialects.output_specs import output_format, with_results_together
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
_UNSAID = ReasoningConfig()


class ResponsesParsed(Parsed, frozen=True, gc=False, kw_only=True):
    id: str
    created_at: int
    """Seconds since 1970."""
    echo: Echo
    conversation: tuple[Message, ...]
    """Without the instructions, which hold for one turn."""
    key_id: str | None
    names: Names
    """Of tools, as the client knows them."""
    compacts: bool
    """What is asked for is an item that stands for the conversation."""
    brought: list[InputItem]
    """What the request brought to it."""


def decoded(body: bytes, ignored: Ignored) -> ResponsesRequest:
    """The body's fields. Raises BadRequest naming the first one that is wrong or not supported."""
    asked = decode(_decoder, body, ignored)
    ignored.settle(asked)
    for name, part in (("reasoning.", asked.reasoning), ("stream_options.", asked.stream_options)):
        if part is not None:
            ignored.settle(part, name)
    for i, wanted in enumerate(asked.include or []):
        if wanted not in ("reasoning.encrypted_content", _LOGPROBS):
            ignored.add(f"include[{i}]", wanted[:80])
    if asked.background and asked.store is False:
        raise BadRequest(
            "a background response that isn't stored can't be asked for",
            hint="leave out store",
            field="store",
        )
    return asked


def parsed(
    asked: ResponsesRequest,
    before: tuple[Message, ...],
    config: Config,
    key_id: str | None,
    ignored: Ignored,
) -> ResponsesParsed:
    """`before` is the conversation that the request goes on from. Raises BadRequest naming the field."""
    brought = items_of(asked.input)
    new = messages_of(brought, config, ignored)
    if not new and (asked.input or not before):
        raise BadRequest("nothing is asked", hint="send text, or a message", field="input")
    conversation = with_results_together([*before, *new])
    told = (Message("system", asked.instructions),) if asked.instructions else ()
    reasoning = asked.reasoning or _UNSAID
    if asked.reasoning_effort is None:
        asked.reasoning_effort = reasoning.effort
    summary = reasoning.summary or reasoning.generate_summary
    if asked.thinking_visibility is None and summary not in (None, "none"):
        asked.thinking_visibility = "summary"
    verbosity = None if asked.text is None or asked.text.verbosity == "medium" else asked.text.verbosity
    first_logprobs = asked.top_logprobs or _LOGPROBS in (asked.include or ())
    sampling = Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        verbosity=verbosity,
        prompt_cache_key=_as(str, asked.prompt_cache_key),
        logprobs=(asked.top_logprobs or 0) if first_logprobs else None,
    )
    output_spec, names = offered(asked, _output(asked), ignored)
    compacts = bool(brought) and brought[-1].type == TRIGGER
    if compacts:
        output_spec = structs.replace(output_spec, tool_choice="none", output=None)
    canonical = DialectFields(
        (*told, *conversation),
        asked.model,
        asked.max_output_tokens,
        sampling,
        output_spec,
        class_of(asked.service_tier, ignored),
    )
    request = request_of(canonical, asked, config, ignored)
    return ResponsesParsed(
        request=structs.replace(request, auto_truncate=True) if asked.truncation == "auto" else request,
        stream=bool(asked.stream),
        id=new_id("resp"),
        created_at=int(time.time()),
        echo=_echo(asked, reasoning),
        conversation=conversation,
        key_id=key_id,
        names=names,
        compacts=compacts,
        brought=brought,
    )


def _echo(asked: ResponsesRequest, reasoning: ReasoningConfig) -> Echo:
    return Echo(
        background=bool(asked.background),
        conversation=asked.conversation if isinstance(asked.conversation, ConversationRef) else UNSET,
        instructions=asked.instructions,
        max_output_tokens=asked.max_output_tokens,
        max_tool_calls=_as(int, asked.max_tool_calls),
        metadata=asked.metadata or {},
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        previous_response_id=asked.previous_response_id,
        prompt_cache_key=_as(str, asked.prompt_cache_key),
        reasoning=ReasoningEcho(reasoning.effort, reasoning.summary or reasoning.generate_summary),
        safety_identifier=_as(str, asked.safety_identifier),
        store=asked.store is not False,
        temperature=asked.temperature,
        text=TextEcho() if asked.text is None else _text_echo(asked.text),
        tool_choice=asked.tool_choice or "auto",
        tools=tuple([_tool_echo(tool) for tool in asked.tools or ()]),
        top_logprobs=asked.top_logprobs or 0,
        top_p=asked.top_p,
        truncation=asked.truncation or "disabled",
        user=asked.user,
    )


def _text_echo(text: TextConfig) -> TextEcho:
    return TextEcho(text.format or TextFormat("text"), text.verbosity or "medium")


def _as(kind: type[T], value: Any) -> T | None:
    """What is passed over may be of any type."""
    return value if isinstance(value, kind) else None


def _tool_echo(tool: ResponsesTool) -> Any:
    if tool.type != "function":
        return tool
    return FunctionEcho(tool.name, tool.description, tool.parameters, tool.strict or False)


def _output(asked: ResponsesRequest) -> OutputFormat | None:
    wanted = None if asked.text is None else asked.text.format
    return None if wanted is None else output_format(wanted.type, wanted, "text.format.schema")
