"""Writes a conversation as the prompt of a raw completion."""

from perpend.families.family import Family
from perpend.types import Message

_CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_JOINER = "\u2060"  # word joiner: invisible, and breaks a control token into plain text


def chatml(messages: tuple[Message, ...]) -> str:
    """ChatML with the assistant's turn begun (OpenAI's format, as Qwen and SmolLM2 use it)."""
    turns = [f"<|im_start|>{m.role}\n{_escape_control(m.text)}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def with_family_prompt(
    messages: tuple[Message, ...], family: Family, *, thinking: bool = True
) -> tuple[Message, ...]:
    """The family's instruction to think, or not to, after the client's own system message."""
    system = family.system if thinking else family.system_off
    if not system:
        return messages
    if messages and messages[0].role == "system":
        head = Message("system", f"{messages[0].text}\n\n{system}")
        return (head, *messages[1:])
    return (Message("system", system), *messages)


def system_first(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """System messages after the first become the user's: many chat templates accept one only at the beginning."""
    return tuple(
        [Message("user", m.text) if at and m.role == "system" else m for at, m in enumerate(messages)]
    )


def begin_answer(prompt: str, continuation: str, family: Family) -> str:
    """Prompt and continuation, joined; the family's open tag stands once, even where the template writes it too."""
    tag = family.open.strip()
    if tag and continuation.startswith(family.open) and (bare := prompt.rstrip()).endswith(tag):
        prompt = bare.removesuffix(tag)
    return prompt + continuation


def _escape_control(text: str) -> str:
    """Break control tokens in a client's text, so that it can't end its own turn or begin another."""
    for token in _CONTROL:
        if token in text:
            text = text.replace(token, token[0] + _JOINER + token[1:])
    return text
