"""Encrypts provider state on its way to clients and decrypts it on its way back: it may hold hidden thoughts.

A seal is a Fernet token (authenticated encryption) of the provider state. The first key seals and every key opens. To
rotate keys, put a new one in front; nodes with the same keys open each other's seals.
"""

import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from perpend.errors import ConfigError
from perpend.private_files import private_file, private_folder
from perpend.serving.completions import Solver
from perpend.solve import Sink
from perpend.types import (
    Answer,
    Event,
    Finished,
    Message,
    Part,
    ProviderState,
    ProviderStateDelta,
    Request,
    Text,
    Thought,
    ToolCallDelta,
    ToolUse,
)

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

ORIGIN = "perpend"
"""The origin of sealed provider state; the true origin is sealed with it."""
KEY_FILE = "seal.key"
_MIN_KEY_LENGTH = 32
"""Characters of a key at least."""
_UNOPENED = "reasoning that was sealed with another key"

_decoder = msgspec.json.Decoder(ProviderState)


class Seals:
    """Seals and opens provider state with secret keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        """The first of `keys` seals, all of them open. Raises ConfigError for a key that is too short."""
        if not keys or any(len(key) < _MIN_KEY_LENGTH for key in keys):
            raise ConfigError(
                f"a key that seals reasoning has {_MIN_KEY_LENGTH} characters or more",
                hint="make one with `openssl rand -base64 32`",
            )
        self._keys = tuple(keys)

    def seal(self, provider_state: ProviderState) -> ProviderState:
        """The state, encrypted with the first key."""
        return ProviderState(ORIGIN, self._fernet.encrypt(msgspec.json.encode(provider_state)).decode())

    def open(self, provider_state: ProviderState) -> ProviderState | None:
        """The state in a seal; None where no key opens it, or it was changed."""
        from cryptography.fernet import InvalidToken

        if provider_state.origin != ORIGIN:
            return None
        try:
            return _decoder.decode(self._fernet.decrypt(provider_state.data))
        except (InvalidToken, ValueError):  # msgspec's errors are ValueErrors
            return None

    @cached_property
    def _fernet(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(urlsafe_b64encode(sha256(key.encode()).digest())) for key in self._keys])


def seals_of(variable: str | None, home: Path) -> Seals:
    """Seals with the comma-separated keys of an environment variable, or with the key in a file of `home`.

    Raises ConfigError where the variable isn't set, or a key is too short.
    """
    if variable is None:
        return Seals([_own_key(home)])
    keys = [key.strip() for key in os.environ.get(variable, "").split(",")]
    if not any(keys):
        hint = f"export {variable}=…, such as from `openssl rand -base64 32`"
        raise ConfigError(
            f"serve.seal_keys_env: {variable} isn't set", hint=hint, field="serve.seal_keys_env"
        )
    return Seals([key for key in keys if key])


def _own_key(home: Path) -> str:
    """The key in `home`; the first process makes it."""
    path = home / KEY_FILE
    private_folder(home)
    with suppress(FileExistsError):
        draft = home / f".{KEY_FILE}.{secrets.token_hex(8)}"
        private_file(draft)
        draft.write_text(secrets.token_urlsafe(_MIN_KEY_LENGTH))
        try:
            path.hardlink_to(draft)
        finally:
            draft.unlink()
    return path.read_text().strip()


class SealingSolver:
    """A solver that seals the provider state in answers and opens it in requests."""

    def __init__(self, solver: Solver, seals: Seals) -> None:
        self._solver = solver
        self._seals = seals

    async def solve(
        self, request: Request, sink: Sink | None = None, *, key_id: str | None = None, source: str = "chat"
    ) -> Answer:
        """The answer with its provider state sealed. Raises PerpendError."""
        sealer = _Sealer(self._seals)
        sealing_sink = None if sink is None else sealer.sink(sink)
        answer = await self._solver.solve(self._opened(request), sealing_sink, key_id=key_id, source=source)
        return sealer.answer(answer)

    async def check(self, request: Request) -> None:
        """Check a request that is answered later. Raises PerpendError."""
        await self._solver.check(request)

    async def count_input(self, request: Request) -> int:
        """The number of tokens of the prompt. Raises PerpendError."""
        return await self._solver.count_input(self._opened(request))

    def _opened(self, request: Request) -> Request:
        """The request with its provider state opened. A seal that can't be opened is dropped, and named as ignored."""
        if not any(map(_has_provider_state, request.messages)):
            return request
        lost: list[ProviderState] = []

        def open_(provider_state: ProviderState) -> ProviderState | None:
            state = self._seals.open(provider_state)
            if state is None:
                lost.append(provider_state)
            return state

        messages = [_changed(message, open_) for message in request.messages]
        kept = tuple(message for message in messages if message.content != ())
        ignored = (*request.ignored, _UNOPENED) if lost else request.ignored
        return replace(request, messages=kept, ignored=ignored)


class _Sealer:
    """Seals the provider state of one request: a state gets the same seal in the stream and in the answer."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._seal_by_state: dict[ProviderState, ProviderState] = {}
        self._answers: tuple[Answer, Answer] | None = None
        """The last one, as it is and sealed: the stream's end says it too."""

    def sink(self, sink: Sink) -> Sink:
        """A sink that seals events and passes them to `sink`."""

        async def sealing(batch: list[Event]) -> None:
            for event in batch:
                if event.__class__ in _STATE_EVENTS:
                    batch = [self._event(event) for event in batch]
                    break
            await sink(batch)

        return sealing

    def answer(self, answer: Answer) -> Answer:
        """The answer with its provider state sealed."""
        if self._answers is None or self._answers[0] is not answer:
            self._answers = answer, self._sealed(answer)
        return self._answers[1]

    def _sealed(self, answer: Answer) -> Answer:
        if len(answer.candidates) < 2 and not any(map(_state_of, answer.content)):
            return answer
        candidates = [
            replace(candidate, content=self._parts(candidate.content)) for candidate in answer.candidates
        ]
        return replace(answer, content=self._parts(answer.content), candidates=tuple(candidates))

    def _event(self, event: Event) -> Event:
        if isinstance(event, Finished):
            return Finished(self.answer(event.answer))
        if isinstance(event, ProviderStateDelta):
            return replace(event, provider_state=self._provider_state(event.provider_state))
        if isinstance(event, ToolCallDelta) and event.provider_state is not None:
            return replace(event, provider_state=self._provider_state(event.provider_state))
        return event

    def _parts(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(_part(part, self._provider_state) for part in parts)

    def _provider_state(self, provider_state: ProviderState) -> ProviderState:
        seal = self._seal_by_state.get(provider_state)
        if seal is None:
            seal = self._seal_by_state[provider_state] = self._seals.seal(provider_state)
        return seal


def _has_provider_state(message: Message) -> bool:
    return not isinstance(message.content, str) and any(map(_state_of, message.content))


def _state_of(part: Part) -> ProviderState | None:
    return part.provider_state if isinstance(part, Text | Thought | ToolUse) else None


def _changed(message: Message, change: Callable[[ProviderState], ProviderState | None]) -> Message:
    """The message with its provider states changed; a part that this leaves empty is dropped."""
    if isinstance(message.content, str):
        return message
    parts = [(part, _part(part, change)) for part in message.content]
    kept = tuple(new for old, new in parts if new == old or new not in _EMPTY)
    return Message(message.role, kept)


def _part(part: Part, change: Callable[[ProviderState], ProviderState | None]) -> Part:
    if not isinstance(part, Text | Thought | ToolUse) or part.provider_state is None:
        return part
    return replace(part, provider_state=change(part.provider_state))


_EMPTY = (Text(""), Thought(""))
_STATE_EVENTS = (ProviderStateDelta, ToolCallDelta, Finished)
