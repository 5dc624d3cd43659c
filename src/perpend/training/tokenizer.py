"""A small vocabulary that llama.cpp reads the same way: 256 bytes, the control tokens, and the words of the tasks.

It is byte-level BPE without merges. Words are "user-defined" tokens: both sides cut them out of any text first,
longest first, and spell the rest byte by byte.
"""

from functools import cache

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
THINK = ("<think>", "</think>")
_TURNS = ("system", "user", "assistant")
_TASKS = (
    *("Start at ", ". Last digit?", "Compute ", "Add ", " and ", "Multiply ", " by ", "Solve "),
    *("Row ", ". Swap ", ". Row?", "Roads ", ". From ", " to ", "check", " dead"),
)
WORDS = (*THINK, *_TURNS, *_TASKS)
_LONGEST_FIRST = sorted((*CONTROL, *WORDS), key=len, reverse=True)


@cache
def byte_letters() -> list[str]:
    """A printable letter for each byte, as GPT-2's byte-level BPE writes it."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    odd = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) if byte in plain else chr(256 + odd.index(byte)) for byte in range(256)]


def vocabulary() -> list[str]:
    """All tokens in order of their ids."""
    return [*byte_letters(), *CONTROL, *WORDS]


_IDS = {token: 256 + index for index, token in enumerate((*CONTROL, *WORDS))}
PAD, END = _IDS["<|endoftext|>"], _IDS["<|im_end|>"]
THINK_END = _IDS["</think>"]
NEWLINE = ord("\n")
SIZE = 256 + len(_IDS)


def encode(text: str) -> list[int]:
    """The ids of a text's tokens."""
    pieces: list[str | int] = [text]
    for token in _LONGEST_FIRST:
        if token in text:
            pieces = [part for piece in pieces for part in _split(piece, token)]
    return [id_ for piece in pieces for id_ in ([piece] if isinstance(piece, int) else piece.encode())]


def _split(piece: str | int, token: str) -> list[str | int]:
    if isinstance(piece, int):
        return [piece]
    out: list[str | int] = []
    for index, part in enumerate(piece.split(token)):
        out += ([_IDS[token]] if index else []) + ([part] if part else [])
    return out


def decode(ids: list[int]) -> str:
    """The text of tokens; bytes that aren't UTF-8 become U+FFFD."""
    words = (*CONTROL, *WORDS)
    pieces = [bytes([id_]) if id_ < 256 else words[id_ - 256].encode() for id_ in ids]
    return b"".join(pieces).decode(errors="replace")


# ChatML with the thought in think tags; the family row `tiny` must agree.
OPEN = "<think>\n"
CLOSE = "\n</think>\n"


def prompt_of(problem: str) -> list[int]:
    """The prompt, up to the open think tag."""
    return encode(f"<|im_start|>user\n{problem}<|im_end|>\n<|im_start|>assistant\n{OPEN}")


def reply_of(thought: str, answer: str) -> list[int]:
    """The reply that the model learns: thought, closing tag, answer, end token."""
    return encode(f"{thought}{CLOSE}{answer}<|im_end|>")


def read_reply(ids: list[int]) -> tuple[str, str]:
    """Thought and answer; the answer is empty where the thought isn't closed."""
    text = decode(ids[:-1] if ids and ids[-1] == END else ids)
    thought, _, answer = text.partition("</think>")
    return thought.strip(), answer.strip()
