"""Builds request bodies for the OpenAI chat wire, adapted to each provider by its row.

Reference: https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from perpend.backends.body import Body, body_of
from perpend.backends.contract import Call
from perpend.backends.message_parts import format_instruction, result_images, result_text, state_value
from perpend.backends.openai_chat.body import (
    ChatAssistantMessage,
    ChatBody,
    ChatCalledFunction,
    ChatFunction,
    ChatFunctionTool,
    ChatImagePart,
    ChatImageURL,
    ChatMessages,
    ChatPart,
    ChatPlainMessage,
    ChatResponseFormat,
    ChatSchema,
    ChatTextPart,
    ChatThinkingPart,
    ChatToolCall,
    ChatToolMessage,
    ChatTools,
)
from perpend.backends.sampling import FieldNames, SamplingFields, refused_always, sampling_fields
from perpend.backends.thinking_params import denied, granted, soft_switched, thinking_params_of
from perpend.families.think_tags import ThinkRules
from perpend.providers.provider import Provider, Thoughts
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)

_FIELD_NAMES: FieldNames = {
    name: name
    for name in (
        *("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias"),
        "logprobs",
    )
}
"""Fields of OpenAI's reference, sent to every server of this wire; other fields need a name in the provider's row."""


def chat_body(call: Call, provider: Provider) -> Body:
    """Builds the body of `call`. Raises BadRequest where a client altered the vendor's opaque thinking state."""
    call = soft_switched(call, provider)
    tools: ChatTools = {} if call.phase == "thinking" else _tools(call.output_spec)
    fixed: ChatBody = {
        "model": call.model,
        "messages": chat_messages(call, provider),
        "stream": True,
        "stream_options": {"include_usage": True},
        **tools,
    }
    if (enforced := enforced_format(call, provider)) is not None:
        fixed["response_format"] = _format(enforced, provider)
    limit = {call.family.max_tokens_field: call.max_tokens}
    sampling = limit | chat_sampling(call, provider).fields
    body = body_of(fixed, sampling, granted(thinking_params_of(call, provider), call))
    provider.rename(body)
    return body


def enforced_format(call: Call, provider: Provider) -> OutputFormat | None:
    """Returns the answer's format if the server should enforce it, else None.

    A server that leaves thinking in the text would apply the format to the thinking too; there the prompt asks for the
    format instead.
    """
    if call.phase == "thinking" or provider.fields.get("response_format") == "":
        return None
    think = call.family.think
    thinks_in_text = provider.splits == "never" and think is not None and think.begins == "thinking"
    return None if thinks_in_text and call.thinking_tokens else call.output_spec.output


def chat_messages(call: Call, provider: Provider) -> ChatMessages:
    """Converts the messages of `call`. Raises BadRequest where a client altered the vendor's opaque thinking state."""
    messages: ChatMessages = []
    echo, last_user = call.family.echo, _last_user(call.messages)
    always = echo == "always" and provider.thoughts == "reasoning_content"  # a missing field is refused
    for index, message in enumerate(call.messages):
        if message.role == "system":
            messages.append(ChatPlainMessage(call.system_role, _content(message.parts)))
        elif isinstance(message.content, str) and not (always and message.role == "assistant"):
            messages.append(message)
        elif message.role == "tool":
            messages += _results(message)
        elif message.role == "assistant":
            sends_thoughts = echo in ("always", "optional") or (echo == "tools" and index > last_user)
            assistant = _assistant(
                message, call, provider, provider.thoughts if sends_thoughts else "dropped"
            )
            if always and assistant.reasoning_content is None:
                assistant.reasoning_content = ""
            messages.append(assistant)
        else:
            messages.append(ChatPlainMessage(message.role, _content(message.parts)))
    output = call.output_spec.output
    if output is not None:
        enforced = enforced_format(call, provider)
        if enforced is None or (output.schema is not None and not provider.json_schema):
            messages.append(ChatPlainMessage(call.system_role, format_instruction(output)))
    return messages


def chat_left_out(call: Call, provider: Provider) -> tuple[str, ...]:
    """Returns the sampling, thinking and tool fields that this provider doesn't accept."""
    tools = _tools(call.output_spec)
    dropped = ("tool_choice", "parallel_tool_calls")
    return (
        *chat_sampling(call, provider).left_out,
        *denied(partial(thinking_params_of, call, provider), call),
        *[name for name in dropped if name in tools and provider.fields.get(name) == ""],
    )


def _last_user(messages: tuple[Message, ...]) -> int:
    return max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)


def chat_sampling(call: Call, provider: Provider) -> SamplingFields:
    sampling = sampling_fields(call, _FIELD_NAMES, provider, refused=refused_always(call.family))
    if "logprobs" in sampling.fields:
        sampling.fields["top_logprobs"] = sampling.fields["logprobs"]
        sampling.fields["logprobs"] = True
    if call.first_logprobs and "logprobs" not in call.family.rejects:
        sampling.fields.update(logprobs=True, top_logprobs=call.first_logprobs)
    return sampling


def _tools(output_spec: OutputSpec) -> ChatTools:
    if not output_spec.tools:
        return {}
    fields: ChatTools = {"tools": [ChatFunctionTool(_function(tool)) for tool in output_spec.tools]}
    choice = output_spec.tool_choice
    if isinstance(choice, ForcedTool):
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice != "auto":
        fields["tool_choice"] = choice
    if output_spec.parallel_tools is not None:
        fields["parallel_tool_calls"] = output_spec.parallel_tools
    return fields


def _function(tool: Tool) -> ChatFunction:
    return ChatFunction(tool.name, tool.description, tool.parameters or None, tool.strict)


def _format(output: OutputFormat, provider: Provider) -> ChatResponseFormat:
    if output.schema is None or not provider.json_schema:
        return {"type": "json_object"}
    schema: ChatSchema = {"name": output.name, "schema": output.schema}
    if output.description:
        schema["description"] = output.description
    if output.strict is not None:
        schema["strict"] = output.strict
    return {"type": "json_schema", "json_schema": schema}


def _content(parts: tuple[Part, ...]) -> str | list[ChatPart]:
    """Returns a string where all parts are text, since not every server reads a list."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(parts) else list(_pieces(parts))


def _pieces(parts: Iterable[Part]) -> Iterator[ChatPart]:
    for part in parts:
        if isinstance(part, Text):
            yield ChatTextPart(part.text)
        elif isinstance(part, Image):
            yield ChatImagePart(ChatImageURL(part.url, part.detail))


def _results(message: Message) -> Iterator[ChatToolMessage | ChatPlainMessage]:
    """Yields a message for each result, then a user message with the images, which a tool message can't contain."""
    images: list[Image] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            images += result_images(part)
            yield ChatToolMessage(part.tool_use_id, result_text(part))
    if images:
        yield ChatPlainMessage("user", list(_pieces(images)))


def _assistant(message: Message, call: Call, provider: Provider, thoughts: Thoughts) -> ChatAssistantMessage:
    calls = [
        ChatToolCall(part.id, ChatCalledFunction(part.name, part.arguments))
        for part in message.parts
        if isinstance(part, ToolUse)
    ]
    text = message.text
    assistant = ChatAssistantMessage(text or (None if calls else ""), calls or None)
    if thoughts == "reasoning_details" and (details := _details(message, provider)):
        assistant.reasoning_details = details
    elif message.thinking and thoughts != "dropped":
        _add_thinking(assistant, text, message.thinking, thoughts, call.family.think or ThinkRules())
    return assistant


def _details(message: Message, provider: Provider) -> list[Any]:
    """Returns OpenRouter's reasoning items, unchanged. Raises BadRequest where a client altered them."""
    return [
        detail
        for part in message.parts
        if isinstance(part, Thought)
        for detail in state_value(part.provider_state, provider.name, list[Any]) or ()
    ]


def _add_thinking(
    assistant: ChatAssistantMessage, text: str, thinking: str, thoughts: Thoughts, tags: ThinkRules
) -> None:
    """Adds the thinking in the place that the provider expects: the content, or a separate field."""
    if thoughts in ("chunks", "blocks"):
        part = ChatThinkingPart([ChatTextPart(thinking)] if thoughts == "chunks" else thinking)
        assistant.content = [part, ChatTextPart(text)] if text else [part]
    elif thoughts == "tags":
        assistant.content = f"{tags.opens[0]}\n{thinking}\n{tags.closes[0]}\n\n{text}"
    elif thoughts == "reasoning_content":
        assistant.reasoning_content = thinking
    else:
        assistant.reasoning = thinking
