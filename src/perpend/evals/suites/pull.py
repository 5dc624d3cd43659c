"""Fetch a suite's files, and check them by the digest in the catalogue, else by the one that the hub states."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import aiohttp

from perpend.errors import BadRequest, NotFound, UpstreamError
from perpend.evals.suites.catalogue import Suite
from perpend.evals.suites.sources import SuiteSource, pulled_folder
from perpend.private_files import private_folder

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)
_BLOCK = 1 << 20
_GATED = (401, 403)


class _Digest(Protocol):
    def update(self, data: bytes, /) -> object: ...


async def pull(suite: Suite, home: Path) -> tuple[Path, ...]:
    """Fetch the files into `home`, and return their paths. Nothing is kept unless all digests match.

    Raises NotFound where the suite can't be fetched, BadRequest where access is refused, UpstreamError where the
    download fails or a digest differs.
    """
    source = next((source for source in suite.sources if source.url), None)
    if source is None:
        raise NotFound(
            f"the suite {suite.name!r} can't be fetched by a program", hint=suite.instructions, field="SUITE"
        )
    folder = pulled_folder(home)
    drafts: list[tuple[Path, Path]] = []
    digest = hashlib.sha256()
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, auto_decompress=False) as session:
            for name, url in source.addresses():
                target = folder / name
                private_folder(target.parent)
                draft = target.with_name(f".{target.name}.{os.getpid()}.part")
                drafts.append((draft, target))
                await _fetch(session, url, draft, digest, source)
        if source.sha256 and digest.hexdigest() != source.sha256:
            raise _mismatch(suite.name, f"sha256 {digest.hexdigest()}", f"sha256 {source.sha256}")
        for draft, target in drafts:
            os.replace(draft, target)
    except aiohttp.ClientError as error:
        hint = f"is there a network? HTTPS_PROXY, HF_ENDPOINT; or put {source.file} into {folder} yourself"
        raise UpstreamError(f"{suite.name} can't be fetched: {error}", hint=hint) from error
    finally:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)
    return tuple(target for _, target in drafts)


async def _fetch(
    session: aiohttp.ClientSession,
    url: str,
    draft: Path,
    digest: _Digest,
    source: SuiteSource,
) -> None:
    token = os.environ.get("HF_TOKEN") if source.url and source.url.startswith("hub:") else None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    file_digest, size = hashlib.sha256(), 0
    async with session.get(url, headers=headers) as response:
        if response.status in _GATED:
            hint = "ask for access at the data set's page, and set HF_TOKEN to a token of yours"
            raise BadRequest(f"{url}: access is refused", hint=hint, field="SUITE")
        response.raise_for_status()
        stated_digest = _stated_digest(step.headers for step in (*response.history, response))
        with draft.open("wb") as file:
            async for block in response.content.iter_chunked(_BLOCK):
                for hasher in (digest, file_digest):
                    hasher.update(block)
                size += len(block)
                file.write(block)
    if source.sha256 is None:
        _check(url, draft, file_digest.hexdigest(), size, stated_digest)


def _stated_digest(steps: Iterable[Mapping[str, str]]) -> str | None:
    """The digest that the Hugging Face hub states as entity tag: SHA-256 of a large file, Git object name of a small
    one.
    """
    tags = [headers.get("X-Linked-Etag") or headers.get("ETag") for headers in steps]
    return next((tag.removeprefix("W/").strip('"') for tag in tags if tag), None)


def _check(url: str, draft: Path, sha256: str, size: int, stated_digest: str | None) -> None:
    if stated_digest is not None and len(stated_digest) == 64:
        if stated_digest != sha256:
            raise _mismatch(url, f"sha256 {sha256}", f"sha256 {stated_digest}")
        return
    git = hashlib.sha1(f"blob {size}\0".encode() + draft.read_bytes(), usedforsecurity=False).hexdigest()
    if stated_digest != git:
        raise _mismatch(
            url, f"Git object {git}", f"{stated_digest or 'a digest, but the server states none'}"
        )


def _mismatch(name: str, actual: str, expected: str) -> UpstreamError:
    return UpstreamError(
        f"what came isn't {name}: {actual}, expected {expected}",
        hint="see whether a proxy or log-in page answers in its place; nothing was kept",
    )
