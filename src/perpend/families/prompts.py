"""Writing a conversation as the one string that raw completion takes."""

from perpend.families.family import Family
from perpend.types import Message

_CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_JOINER = "\u2060"  # word joiner: invisible, and breaks a control token into plain text


def chatml(messages: tuple[Message, ...]) -> str:
    """ChatML with the assistant's turn begun (OpenAI's format, as Qwen and SmolLM2 use it)."""
    turns = [f"<|im_start|>{m.role}\n{_disarm(m.text)}<|im_end|>\n" for m in messages]
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
    """What a system message says later on is said in the user's place: many templates take one only as the first."""
    return tuple(
        [Message("user", m.text) if at and m.role == "system" else m for at, m in enumerate(messages)]
    )


def begin_answer(prompt: str, continuation: str, family: Family) -> str:
    """Prompt and continuation, with the family's open tag once, where the template has written it already."""
    tag = family.open.strip()
    if tag and continuation.startswith(family.open) and (bare := prompt.rstrip()).endswith(tag):
        prompt = bare.removesuffix(tag)
    return prompt + continuation


def _disarm(text: str) -> str:
    """A client's text can't end its own turn or begin another's."""
    for token in _CONTROL:
        if token in text:
            text = text.replace(token, token[0] + _JOINER + token[1:])
    return text
