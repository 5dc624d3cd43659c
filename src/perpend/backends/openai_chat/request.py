"""What is sent on the OpenAI chat wire (API reference: chat/create), with each provider's oddities from its row."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from perpend.backends.contract import Call
from perpend.backends.message_parts import in_words, returned
from perpend.backends.sampling import Drawing, Words, drawing, refused_always
from perpend.backends.thinking_params import asks_of, denied, put_asks, soft_switched
from perpend.families.think_tags import ThinkRules
from perpend.providers.provider import Provider
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)

_WORDS: Words = {
    name: name
    for name in (
        *("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias"),
        "logprobs",
    )
}
"""What OpenAI's reference has, and so every server of this wire. Others are for those whose row names them."""


def chat_body(call: Call, provider: Provider) -> dict[str, Any]:
    call = soft_switched(call, provider)
    body: dict[str, Any] = {
        "model": call.model,
        "messages": chat_messages(call, provider),
        "stream": True,
        "stream_options": {"include_usage": True},
        call.family.max_tokens_field: call.max_tokens,
        **chat_drawing(call, provider).fields,
        **_logprobs(call),
    }
    put_asks(body, asks_of(call, provider), call)
    if call.phase != "thinking":
        body.update(_output_spec(call.output_spec))
    if (enforced := enforced_format(call, provider)) is not None:
        body["response_format"] = _format(enforced, provider)
    provider.rename(body)
    return body


def enforced_format(call: Call, provider: Provider) -> OutputFormat | None:
    """The answer's format, where the server is to enforce it.

    One that takes no thought out of the text would hold that to it too: it is told in words while it thinks.
    """
    if call.phase == "thinking" or provider.fields.get("response_format") == "":
        return None
    think = call.family.think
    inside = provider.splits == "never" and think is not None and think.begins == "thinking"
    return None if inside and call.thinking_tokens else call.output_spec.output


def chat_messages(call: Call, provider: Provider) -> list[Any]:
    written: list[Any] = []
    echo, pending = call.family.echo, _last_user(call.messages)
    always = echo == "always" and provider.thoughts == "reasoning_content"  # its absence is refused, too
    for at, message in enumerate(call.messages):
        if message.role == "system":
            written.append({"role": call.system_role, "content": _content(message.parts)})
        elif isinstance(message.content, str) and not (always and message.role == "assistant"):
            written.append(message)
        elif message.role == "tool":
            written += _results(message)
        elif message.role == "assistant":
            wanted = echo in ("always", "optional") or (echo == "tools" and at > pending)
            written.append(_assistant(message, call, provider, provider.thoughts if wanted else "dropped"))
            if always:
                written[-1].setdefault("reasoning_content", "")
        else:
            written.append({"role": message.role, "content": _content(message.parts)})
    output = call.output_spec.output
    if output is not None:
        enforced = enforced_format(call, provider)
        if enforced is None or (output.schema is not None and not provider.json_schema):
            written.append({"role": call.system_role, "content": in_words(output)})
    return written


def chat_left_out(call: Call, provider: Provider) -> tuple[str, ...]:
    """Of the sampling, of what asks for thinking, and of the form."""
    dropped = [name for name in ("tool_choice", "parallel_tool_calls") if provider.fields.get(name) == ""]
    output_spec = [name for name in dropped if name in _output_spec(call.output_spec)]
    return (
        *chat_drawing(call, provider).left_out,
        *denied(partial(asks_of, call, provider), call),
        *output_spec,
    )


def _last_user(messages: tuple[Message, ...]) -> int:
    return max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)


def chat_drawing(call: Call, provider: Provider) -> Drawing:
    drawn = drawing(call, _WORDS, provider, refused=refused_always(call.family))
    if "logprobs" in drawn.fields:
        drawn.fields["top_logprobs"] = drawn.fields["logprobs"]
        drawn.fields["logprobs"] = True
    return drawn


def _logprobs(call: Call) -> dict[str, Any]:
    if not call.first_logprobs or "logprobs" in call.family.rejects:
        return {}
    return {"logprobs": True, "top_logprobs": call.first_logprobs}


def _output_spec(output_spec: OutputSpec) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if output_spec.tools:
        fields["tools"] = [{"type": "function", "function": _function(tool)} for tool in output_spec.tools]
        choice = output_spec.tool_choice
        if isinstance(choice, ForcedTool):
            fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
        elif choice != "auto":
            fields["tool_choice"] = choice
        if output_spec.parallel_tools is not None:
            fields["parallel_tool_calls"] = output_spec.parallel_tools
    return fields


def _function(tool: Tool) -> dict[str, Any]:
    said = {k: v for k, v in msgspec.structs.asdict(tool).items() if v not in (None, "", {})}
    said.pop("custom", None)
    return said


def _format(output: OutputFormat, provider: Provider) -> dict[str, Any]:
    if output.schema is None or not provider.json_schema:
        return {"type": "json_object"}
    schema = _without_none(msgspec.structs.asdict(output))
    if not output.description:
        del schema["description"]
    return {"type": "json_schema", "json_schema": schema}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _content(parts: tuple[Any, ...]) -> str | list[dict[str, Any]]:
    """Text alone goes as text: not every server reads a list."""
    if all(isinstance(part, Text) for part in parts):
        return "".join([part.text for part in parts])
    return list(_pieces(parts))


def _pieces(parts: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, Text):
            yield {"type": "text", "text": part.text}
        elif isinstance(part, Image):
            yield {"type": "image_url", "image_url": _without_none({"url": part.url, "detail": part.detail})}


def _results(message: Message) -> Iterator[dict[str, Any]]:
    """A message for each result. Pictures have no place in it: they follow as the user's."""
    pictures: list[Image] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            content = part.content
            if not isinstance(content, str):
                pictures += [piece for piece in content if isinstance(piece, Image)]
                content = "".join([piece.text for piece in content if isinstance(piece, Text)])
            yield {"role": "tool", "tool_call_id": part.tool_use_id, "content": content}
    if pictures:
        yield {"role": "user", "content": list(_pieces(tuple(pictures)))}


def _assistant(message: Message, call: Call, provider: Provider, thoughts: str) -> dict[str, Any]:
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in message.parts
        if isinstance(part, ToolUse)
    ]
    text = message.text
    written: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        written["tool_calls"] = calls
    details = [
        detail
        for part in message.parts
        if isinstance(part, Thought) and thoughts == "reasoning_details"
        for detail in returned(part.provider_state, provider.name, list[Any]) or ()
    ]
    if details:
        written["reasoning_details"] = details
    elif not message.thinking or thoughts == "dropped":
        pass
    elif thoughts in ("chunks", "blocks"):
        inside = [{"type": "text", "text": message.thinking}] if thoughts == "chunks" else message.thinking
        chunk = {"type": "thinking", "thinking": inside}
        written["content"] = [chunk, *([{"type": "text", "text": text}] if text else [])]
    elif thoughts == "tags":
        rules = call.family.think or ThinkRules()
        written["content"] = f"{rules.opens[0]}\n{message.thinking}\n{rules.closes[0]}\n\n{text}"
    else:
        written["reasoning" if thoughts == "reasoning_details" else thoughts] = message.thinking
    return written
