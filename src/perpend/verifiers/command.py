"""A verifier that is a command of the user's: `[verifiers.NAME] command = ["./check.sh"]`."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

import msgspec

from perpend.errors import VerifierFailed
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier
from perpend.verifiers.external_protocol import asked, read

_MOST_OUTPUT = 1 << 20
_EXCERPT = 500


class Command(Verifier):
    """It gets `{"question", "answer", "thinking", "gold"}` on stdin, and prints a verdict as JSON; or it exits with 0
    where the candidate passed and with 1 where it didn't, and what it printed is the feedback. It isn't sandboxed:
    the command is the user's, and what it does with the candidate is too.
    """

    def __init__(
        self, name: str, command: tuple[str, ...], *, timeout_s: float, needs_gold: bool = False
    ) -> None:
        self.needs_gold = needs_gold
        self._name = name
        self._command = command
        self._timeout_s = timeout_s

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
            )
        except OSError as error:
            raise self._failed(f"can't start: {error}") from None
        try:
            async with asyncio.timeout(self._timeout_s):
                out, err = await _exchanged(process, msgspec.json.encode(asked(task, candidate)))
        except TimeoutError:
            raise self._failed(f"took longer than {self._timeout_s:g} s", "raise its timeout_s") from None
        finally:
            with suppress(ProcessLookupError):  # and whatever it started
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        return self._verdict(process.returncode or 0, out, err)

    def _verdict(self, status: int, out: bytes, err: bytes) -> Verdict:
        if out.lstrip().startswith(b"{"):
            return read(self._name, out)
        said = out.decode(errors="replace").strip()[:_EXCERPT]
        if status == 0:
            return PASSED
        if status == 1:
            return Verdict(0.0, False, said or f"{self._name} didn't pass it")
        told = err.decode(errors="replace").strip()[-_EXCERPT:]
        raise self._failed(f"ended with status {status}: {told or said or 'it said nothing'}")

    def _failed(self, what: str, hint: str | None = None) -> VerifierFailed:
        return VerifierFailed(f"the verifier {self._name!r} {what}", hint=hint, billed=False)


async def _exchanged(process: Process, body: bytes) -> tuple[bytes, bytes]:
    """What it says on stdout and stderr, once it has been given `body` and has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    given = asyncio.ensure_future(_give(process.stdin, body))
    try:
        said = await asyncio.gather(_up_to(process.stdout), _up_to(process.stderr))
        await process.wait()
    finally:
        given.cancel()
        await asyncio.gather(given, return_exceptions=True)
    return said[0], said[1]


async def _give(stdin: asyncio.StreamWriter, body: bytes) -> None:
    with suppress(ConnectionError):  # it needn't read
        stdin.write(body)
        await stdin.drain()
        stdin.close()


async def _up_to(stream: asyncio.StreamReader) -> bytes:
    """The first of it; the rest is read, and let go."""
    said = bytearray()
    while piece := await stream.read(1 << 16):
        said += piece[: max(0, _MOST_OUTPUT - len(said))]
    return bytes(said)
