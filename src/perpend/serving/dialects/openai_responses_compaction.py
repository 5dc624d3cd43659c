"""Compaction: OpenAI's `compaction_trigger` is answered with an item of type `compaction`.

The item replaces all that came before it, and clients send it back as it is. It holds a summary by the model, opaque
to clients as OpenAI's own items are; items of other servers can't be read.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from perpend.types import Message

TRIGGER = "compaction_trigger"
SUMMARY_REQUEST = Message(
    "user",
    "Sum up this conversation, for yourself: you will go on with it from your summary alone. Keep what was asked for, "
    "what was decided and why, what was done and with which result (files, commands, names, values), what failed, and "
    "what is still to do. Write the summary and nothing else.",
)
_MARK = "perpend.summary.1."
_SUMMARY_HEADING = "What came before, summed up:\n\n"


def seal_summary(summary: str) -> str:
    """The summary as a compaction item's `encrypted_content`."""
    return _MARK + urlsafe_b64encode(summary.encode()).decode()


def unseal_summary(content: str) -> Message | None:
    """The summary as a message for the model; None for another server's content."""
    if not content.startswith(_MARK):
        return None
    try:
        return Message("user", _SUMMARY_HEADING + urlsafe_b64decode(content[len(_MARK) :]).decode())
    except ValueError:
        return None
