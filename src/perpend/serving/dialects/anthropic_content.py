"""Turn the messages of a `POST /v1/messages` body into `Message`s, block by block."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.dialects.anthropic_schema import ContentBlock, InputMessage, MessagesRequest, Source
from perpend.serving.dialects.documents import document
from perpend.serving.dialects.images import image
from perpend.serving.dialects.output_specs import canonical_content
from perpend.serving.dialects.provider_states import attach_provider_state, unseal
from perpend.serving.fields import Ignored, missing, not_supported, required
from perpend.solve.documents import told
from perpend.types import Document, Image, Message, Part, Text, Thought, ToolResult, ToolUse

_BILLING = "x-anthropic-billing-header:"
"""Starts Claude Code's first system block, which changes each session and isn't meant for the model."""
_HOSTED = frozenset(
    (
        *("server_tool_use", "mcp_tool_use", "mcp_tool_listing", "container_upload"),
        *("tool_addition", "tool_removal", "fallback"),
    )
)
"""Types of blocks, beside `…_tool_result`, that describe tools which Anthropic runs itself; they are ignored."""


class BlockContext(Struct, frozen=True):
    """What the readers of all blocks of one body share."""

    config: Config
    ignored: Ignored


def conversation(fields: MessagesRequest, block_context: BlockContext) -> list[Message]:
    """The system prompt and the messages of a body.

    Raises BadRequest naming the first field that is wrong or not supported.
    """
    messages: list[Message] = []
    if fields.system:
        messages += _system_messages(_system(fields.system, "system", block_context))
    for i, message in enumerate(fields.messages):
        content = message.content
        if isinstance(content, str) and message.role != "system":
            messages.append(Message(message.role, content))
        elif message.clear_at != "next_user_message" or not _user_follows(fields.messages, i):
            messages += _messages(f"messages[{i}]", message, block_context)
    return messages


def _user_follows(messages: list[InputMessage], at: int) -> bool:
    return any(message.role == "user" for message in messages[at + 1 :])


def _messages(path: str, message: InputMessage, block_context: BlockContext) -> list[Message]:
    content, field = message.content, f"{path}.content"
    if message.role == "system":
        return [] if content is None else _system_messages(_system(content, field, block_context))
    if content is None:
        raise missing(field, f"add {field}")
    parts = [Text(content)] if isinstance(content, str) else _blocks(content, field, block_context)
    if not parts and content:  # every block was ignored
        return []
    if message.role == "assistant":
        return [Message("assistant", canonical_content(parts))]
    results = [part for part in parts if isinstance(part, ToolResult)]
    rest = [part for part in parts if not isinstance(part, ToolResult)]
    if any(isinstance(part, ToolUse | Thought) for part in rest):
        hint = "send thinking and tool calls in an assistant's message"
        raise BadRequest("a user's message has text, images and tool results", hint=hint, field=path)
    user = [Message("user", canonical_content(rest))] if rest or not results else []
    return [*([Message("tool", tuple(results))] if results else []), *user]


def _system_messages(text: str) -> list[Message]:
    return [Message("system", text)] if text else []


def _system(content: str | list[ContentBlock], path: str, block_context: BlockContext) -> str:
    parts = [Text(content)] if isinstance(content, str) else _blocks(content, path, block_context)
    texts: list[str] = []
    for at, part in enumerate(parts):
        if not isinstance(part, Text):
            raise BadRequest("a system prompt is text", hint="send text blocks", field=path)
        if at == 0 and part.text.startswith(_BILLING):
            block_context.ignored.add(f"{path}[0]", "a header for Anthropic's books")
        else:
            texts.append(part.text)
    return "\n\n".join(texts)


def _blocks(content: list[ContentBlock], path: str, block_context: BlockContext) -> list[Part]:
    parts: list[Part] = []
    for i, block in enumerate(content):
        field, kind = f"{path}[{i}]", block.type
        if (read := _READERS.get(kind)) is not None:
            parts.append(read(block, field, block_context))
        elif kind == "redacted_thinking":
            if (sealed := unseal(block.data or "")) is not None:
                attach_provider_state(sealed, parts)
        elif kind in _HOSTED or kind.endswith("_tool_result"):
            block_context.ignored.add(field, f"content of type {kind[:80]!r}")
        else:
            hint = "send text, image, document, search_result, tool_use, tool_result, thinking or redacted_thinking"
            raise not_supported(f"{field}.type", f"content of type {kind[:80]!r}", hint)
    return parts


def _block_parts(block: ContentBlock, path: str, block_context: BlockContext) -> list[Part]:
    content, path = block.content or "", f"{path}.content"
    if isinstance(content, dict):
        raise not_supported(path, "an object", "send text or a list of blocks")
    return [Text(content)] if isinstance(content, str) else _blocks(content, path, block_context)


def _text(block: ContentBlock, path: str, block_context: BlockContext) -> Text:
    return Text(required(block.text, f"{path}.text"))


def _image(block: ContentBlock, path: str, block_context: BlockContext) -> Image:
    source, path = block.source, f"{path}.source"
    if isinstance(source, Source) and source.type == "base64":
        media, data = required(source.media_type, f"{path}.media_type"), required(source.data, f"{path}.data")
        return image(f"data:{media};base64,{data}", path, block_context.config)
    if isinstance(source, Source) and source.type == "url":
        return image(required(source.url, f"{path}.url"), f"{path}.url", block_context.config)
    raise not_supported(f"{path}.type", "this source of an image", "send base64 or url")


def _document(block: ContentBlock, path: str, block_context: BlockContext) -> Text | Document:
    source, path, name = block.source, f"{path}.source", block.title or ""
    if isinstance(source, Source) and source.type == "text":
        return Text(told(name, required(source.data, f"{path}.data")))
    if isinstance(source, Source) and source.type == "base64":
        media, data = required(source.media_type, f"{path}.media_type"), required(source.data, f"{path}.data")
        return document(media, data, name, path)
    if isinstance(source, Source) and source.type == "content":
        content = source.content or ""
        parts = (
            [Text(content)]
            if isinstance(content, str)
            else _blocks(content, f"{path}.content", block_context)
        )
        return Text(told(name, "\n".join([part.text for part in parts if isinstance(part, Text)])))
    raise not_supported(f"{path}.type", "this source of a document", "send base64, text or content")


def _search_result(block: ContentBlock, path: str, block_context: BlockContext) -> Text:
    texts = [part.text for part in _block_parts(block, path, block_context) if isinstance(part, Text)]
    source = block.source if isinstance(block.source, str) else None
    return Text("\n".join([line for line in (block.title, source, *texts) if line]))


def _tool_reference(block: ContentBlock, path: str, block_context: BlockContext) -> Text:
    """The tool that a client's own tool search found; the request lists it among its tools."""
    return Text(f"Found the tool {required(block.tool_name, f'{path}.tool_name')}.\n")


def _compaction(block: ContentBlock, path: str, block_context: BlockContext) -> Text:
    """A summary of the earlier conversation."""
    return Text(block.content if isinstance(block.content, str) else "")


def _tool_use(block: ContentBlock, path: str, block_context: BlockContext) -> ToolUse:
    id_, name = required(block.id, f"{path}.id"), required(block.name, f"{path}.name")
    return ToolUse(id_, name, msgspec.json.encode(block.input or {}).decode())


def _tool_result(block: ContentBlock, path: str, block_context: BlockContext) -> ToolResult:
    id_ = required(block.tool_use_id, f"{path}.tool_use_id")
    parts = _block_parts(block, path, block_context)
    content = [part for part in parts if isinstance(part, Text | Image | Document)]
    if len(content) < len(parts):
        raise BadRequest(
            "a tool result is text, images and documents", hint="send only those", field=f"{path}.content"
        )
    return ToolResult(id_, canonical_content(content), bool(block.is_error))


def _thinking(block: ContentBlock, path: str, block_context: BlockContext) -> Thought:
    sealed = unseal(block.signature or "")
    if sealed is None:
        return Thought(block.thinking or "")
    return Thought("" if sealed.part == "unshown" else block.thinking or "", sealed.provider_state)


_READERS: dict[str, Callable[[ContentBlock, str, BlockContext], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "compaction": _compaction,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
}
