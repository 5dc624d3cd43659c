"""Fetch a suite's files, whole and checked: by the digest in the catalogue, else by the one that the hub states."""

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
    """The files, in their place under `home`. Nothing is left there unless all of it is right.

    Raises NotFound where the suite can't be fetched, UpstreamError where it isn't what it should be.
    """
    source = next((source for source in suite.sources if source.url), None)
    if source is None:
        raise NotFound(
            f"the suite {suite.name!r} can't be fetched by a program", hint=suite.how, field="SUITE"
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
            raise _another(suite.name, f"sha256 {digest.hexdigest()}", f"sha256 {source.sha256}")
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
    own, size = hashlib.sha256(), 0
    async with session.get(url, headers=headers) as response:
        if response.status in _GATED:
            hint = "ask for access at the data set's page, and set HF_TOKEN to a token of yours"
            raise BadRequest(f"{url}: access is refused", hint=hint, field="SUITE")
        response.raise_for_status()
        stated = _stated(step.headers for step in (*response.history, response))
        with draft.open("wb") as file:
            async for block in response.content.iter_chunked(_BLOCK):
                for one in (digest, own):
                    one.update(block)
                size += len(block)
                file.write(block)
    if source.sha256 is None:
        _check(url, draft, own.hexdigest(), size, stated)


def _stated(steps: Iterable[Mapping[str, str]]) -> str | None:
    """The hub states a large file's SHA-256, and a small one's Git object name, as its entity tag."""
    tags = [headers.get("X-Linked-Etag") or headers.get("ETag") for headers in steps]
    return next((tag.removeprefix("W/").strip('"') for tag in tags if tag), None)


def _check(url: str, draft: Path, sha256: str, size: int, stated: str | None) -> None:
    if stated is not None and len(stated) == 64:
        if stated != sha256:
            raise _another(url, f"sha256 {sha256}", f"sha256 {stated}")
        return
    git = hashlib.sha1(f"blob {size}\0".encode() + draft.read_bytes(), usedforsecurity=False).hexdigest()
    if stated != git:
        raise _another(url, f"Git object {git}", f"{stated or 'a digest, but the server states none'}")


def _another(what: str, got: str, expected: str) -> UpstreamError:
    return UpstreamError(
        f"what came isn't {what}: {got}, expected {expected}",
        hint="see whether a proxy or log-in page answers in its place; nothing was kept",
    )
