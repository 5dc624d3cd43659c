"""Tool calls put together from their pieces, however a server numbers and names them."""

import msgspec
from msgspec import Raw

from perpend.types import Carry, ToolCallDelta, new_id


class CallPieces:
    """A call is handed on once it has a name; until then its arguments wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._open: dict[int, _Open] = {}
        self._by_id: dict[str, _Open] = {}
        self._waiting: dict[int, _Open] = {}
        self._last: _Open | None = None

    def add(
        self, index: int | None, call_id: str, name: str, arguments: str, carry: Carry | None = None
    ) -> ToolCallDelta | None:
        """What came with a piece: servers leave out its index, id or name, change it, or say it again."""
        call = self._belongs(index, call_id, name)
        if call is not None and call.says_again(call_id, arguments):
            return None
        if call is None or call.over(call_id, name, arguments, numbered=index is not None):
            call = _Open(self.count)
            self.count += 1
        if index is not None:
            self._open[index] = call
        self._last = call
        if call_id:
            self._by_id[call_id] = call
        piece = call.take(call_id, name, arguments, carry)
        if piece is None:
            self._waiting[call.number] = call
        else:
            self._waiting.pop(call.number, None)
        return piece

    def rest(self) -> list[ToolCallDelta]:
        """What waited for a name in vain."""
        waiting, self._waiting = self._waiting.values(), {}
        return [call.first() for call in waiting if call.said]

    def _belongs(self, index: int | None, call_id: str, name: str) -> "_Open | None":
        """To which call a piece does, as far as its numbers tell."""
        known = self._by_id.get(call_id)
        if not name and known is not None:
            return known
        if index is not None and index in self._open:
            return self._open[index]
        if name:
            return None if index is not None else known if call_id else self._last
        return self._last if index is None or not call_id else None


class _Open:
    def __init__(self, number: int) -> None:
        self.number = number
        self.name = ""
        self._id = ""
        self._arguments: list[str] = []

    def take(self, call_id: str, name: str, arguments: str, carry: Carry | None) -> ToolCallDelta | None:
        self._arguments.append(arguments)
        self._id = self._id or call_id
        if self.name:
            return ToolCallDelta(self.number, arguments=arguments, carry=carry)
        self.name = name
        return self.first(carry) if name else None

    def first(self, carry: Carry | None = None) -> ToolCallDelta:
        call_id = self._id or new_id("call")
        return ToolCallDelta(self.number, call_id, self.name, self.said, carry=carry)

    def over(self, call_id: str, name: str, arguments: str, *, numbered: bool) -> bool:
        """What follows begins another call, though it may have this one's number.

        A new id alone doesn't: servers make one for each piece. A name does, where this call has all its arguments.
        """
        if not (name and self.name):
            return False
        another = bool(call_id and self._id and call_id != self._id)
        if self._whole():
            return another or bool(arguments)
        return (another and not numbered) or (name != self.name and (another or not call_id))

    def says_again(self, call_id: str, arguments: str) -> bool:
        """All of it, once it is there."""
        return bool(call_id) and call_id == self._id and arguments == self.said and self._whole()

    @property
    def said(self) -> str:
        return "".join(self._arguments)

    def _whole(self) -> bool:
        if not (self._arguments and self._arguments[-1].rstrip().endswith("}")):
            return False
        try:
            msgspec.json.decode(self.said)
        except ValueError:
            return False
        return True


def arguments_text(given: Raw | None) -> str:
    """A call's arguments as the text of a JSON object, from the object or its text; "": there are none yet."""
    said = bytes(given or b"").strip()
    if said in (b"", b"null", b"{}", b"[]"):
        return ""
    if not said.startswith(b'"'):
        return said.decode()
    text = msgspec.json.decode(said, type=str)
    return "" if text.strip() in ("", "{}") else text
