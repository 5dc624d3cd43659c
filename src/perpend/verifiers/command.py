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
from perpend.verifiers.external_protocol import parse_verdict, verifier_question

_MAX_OUTPUT_BYTES = 1 << 20
_EXCERPT_CHARS = 500


class Command(Verifier):
    """Runs a command that gets `{"question", "answer", "thinking", "gold"}` on stdin and prints a verdict as JSON.

    Or it exits with 0 where the candidate passed and 1 where it didn't, and what it prints is the feedback. It isn't
    sandboxed. `verify` raises VerifierFailed for any other exit, or after `timeout_s` seconds.
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
                out, err = await _communicate(
                    process, msgspec.json.encode(verifier_question(task, candidate))
                )
        except TimeoutError:
            raise self._failed(f"took longer than {self._timeout_s:g} s", "raise its timeout_s") from None
        finally:
            with suppress(ProcessLookupError):  # its children too
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        return self._verdict(process.returncode or 0, out, err)

    def _verdict(self, status: int, out: bytes, err: bytes) -> Verdict:
        if out.lstrip().startswith(b"{"):
            return parse_verdict(self._name, out)
        printed = out.decode(errors="replace").strip()[:_EXCERPT_CHARS]
        if status == 0:
            return PASSED
        if status == 1:
            return Verdict(0.0, False, printed or f"{self._name} didn't pass it")
        complaint = err.decode(errors="replace").strip()[-_EXCERPT_CHARS:]
        raise self._failed(f"ended with status {status}: {complaint or printed or 'it said nothing'}")

    def _failed(self, what: str, hint: str | None = None) -> VerifierFailed:
        return VerifierFailed(f"the verifier {self._name!r} {what}", hint=hint, billed=False)


async def _communicate(process: Process, body: bytes) -> tuple[bytes, bytes]:
    """Its stdout and stderr, each up to `_MAX_OUTPUT_BYTES`; `body` goes to its stdin."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    writing = asyncio.ensure_future(_write(process.stdin, body))
    try:
        out, err = await asyncio.gather(_read(process.stdout), _read(process.stderr))
        await process.wait()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    return out, err


async def _write(stdin: asyncio.StreamWriter, body: bytes) -> None:
    with suppress(ConnectionError):  # it needn't read
        stdin.write(body)
        await stdin.drain()
        stdin.close()


async def _read(stream: asyncio.StreamReader) -> bytes:
    """The first bytes; the rest is read and dropped, so that the command doesn't block."""
    kept = bytearray()
    while piece := await stream.read(1 << 16):
        kept += piece[: max(0, _MAX_OUTPUT_BYTES - len(kept))]
    return bytes(kept)
