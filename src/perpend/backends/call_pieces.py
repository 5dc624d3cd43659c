"""Joins the pieces of tool calls, however a server numbers and names them."""

import msgspec
from msgspec import Raw

from perpend.backends.body import JSONObject
from perpend.errors import UNREADABLE
from perpend.types import ProviderState, ToolCallDelta, new_id


class CallPieces:
    """Delivers a call once it has a name and those before it are complete; until then its arguments are held."""

    def __init__(self) -> None:
        self._calls: list[_OpenCall] = []
        self._delivered = 0
        """How many calls are complete and delivered."""
        self._open: dict[int, _OpenCall] = {}
        self._by_id: dict[str, _OpenCall] = {}
        self._last: _OpenCall | None = None

    @property
    def count(self) -> int:
        return len(self._calls)

    def add(
        self,
        index: int | None,
        call_id: str,
        name: str,
        arguments: str,
        provider_state: ProviderState | None = None,
    ) -> list[ToolCallDelta]:
        """Takes a piece, whose index, id or name servers leave out, change or repeat; returns what can be delivered."""
        call = self._call_of(index, call_id, name)
        if call is None or call.is_followed(call_id, name, arguments.strip(), numbered=index is not None):
            name = name or (call.name if call is not None else "")
            call = _OpenCall(self.count)
            self._calls.append(call)
            call_id = "" if call_id in self._by_id else call_id
        if index is not None:
            self._open[index] = call
        self._last = call
        if call_id:
            self._by_id[call_id] = call
        call.take(call_id, name, arguments, provider_state)
        return self._ready()

    def rest(self, *, ended: bool) -> list[ToolCallDelta]:
        """The pieces still held. `ended`: the response is complete, so a call without arguments has none."""
        unfinished = self._calls[self._delivered :]
        if ended:
            for call in unfinished:
                call.end()
        return [delta for call in unfinished if (delta := call.deliver()) is not None]

    def _ready(self) -> list[ToolCallDelta]:
        ready: list[ToolCallDelta] = []
        for call in self._calls[self._delivered :]:
            if not call.name:
                break
            if (delta := call.deliver()) is not None:
                ready.append(delta)
            if not call.whole:
                break
            self._delivered += 1
        return ready

    def _call_of(self, index: int | None, call_id: str, name: str) -> "_OpenCall | None":
        """The call that a piece belongs to by its index, id and name; None: it begins one."""
        by_id = self._by_id.get(call_id)
        if not name and by_id is not None:
            return by_id
        if index is not None and index in self._open:
            return self._open[index]
        if name:
            return None if index is not None else by_id if call_id else self._last
        return self._last if index is None or not call_id else None


class _OpenCall:
    def __init__(self, number: int) -> None:
        self.name = ""
        self.whole = False
        """Its arguments are a complete object."""
        self._number = number
        self._id = ""
        self._arguments: list[str] = []
        self._length = 0
        self._empty = False  # `{}` came, which may be a placeholder
        self._named_again = self._repeats = False
        self._provider_state: ProviderState | None = None
        self._delivered = -1  # delivered pieces of its arguments; -1: not even its name

    def is_followed(self, call_id: str, name: str, arguments: str, *, numbered: bool) -> bool:
        """Whether a piece begins another call, though it may have this one's index.

        A new id alone doesn't: some servers make one for each piece. A name does, once the arguments are complete.
        """
        if not name:
            return self._named_again and bool(arguments)
        if not self.name:
            return False
        other_id = bool(call_id and self._id and call_id != self._id)
        if self.whole or (self._empty and not self._arguments):
            if call_id and not other_id:
                return self.whole and _object(arguments) not in (None, {}, _object(self._text))
            return other_id or name != self.name or arguments not in ("", self._text)
        return (other_id and not numbered) or (name != self.name and (other_id or not call_id))

    def take(self, call_id: str, name: str, arguments: str, provider_state: ProviderState | None) -> None:
        self._named_again = self.whole and bool(name) and not call_id
        self._id = self._id or call_id
        self.name = self.name or name
        self._provider_state = provider_state or self._provider_state
        if self.whole:
            return
        if not self._arguments and arguments.strip() in ("", "{}"):
            self._empty = self._empty or bool(arguments.strip())
            return
        if len(arguments) >= self._length and (text := self._text) and arguments.startswith(text):
            # each piece may repeat all before it; after `:`, `[` or `,` it may be a value instead
            self._repeats = self._repeats or (text[0] == "{" and text.rstrip()[-1] not in ":[,")
            arguments = arguments[len(text) :] if self._repeats else arguments
        self._arguments.append(arguments)
        self._length += len(arguments)
        self.whole = arguments.rstrip().endswith("}") and _object(self._text) is not None

    def end(self) -> None:
        if not self._arguments and self.name:
            self._arguments.append("{}")

    def deliver(self) -> ToolCallDelta | None:
        """The pieces not delivered yet; None where there are none."""
        first, text = self._delivered < 0, "".join(self._arguments[max(0, self._delivered) :])
        if not (text or self._provider_state or (first and self.name)):
            return None
        self._delivered = len(self._arguments)
        provider_state, self._provider_state = self._provider_state, None
        if first:
            return ToolCallDelta(
                self._number, self._id or new_id("call"), self.name, text, provider_state=provider_state
            )
        return ToolCallDelta(self._number, arguments=text, provider_state=provider_state)

    @property
    def _text(self) -> str:
        return "".join(self._arguments)


def _object(arguments: str) -> JSONObject | None:
    try:
        return msgspec.json.decode(arguments, type=JSONObject)
    except UNREADABLE:
        return None


def arguments_text(raw_arguments: Raw | None) -> str:
    """A call's arguments as the text of a JSON object, from the object or its text; "" where there are none yet."""
    raw = bytes(raw_arguments or b"").strip()
    if raw in (b"", b"null", b"{}", b"[]"):
        return ""
    if not raw.startswith(b'"'):
        return raw.decode()
    text = msgspec.json.decode(raw, type=str)
    return "" if text.strip() in ("", "{}") else text
