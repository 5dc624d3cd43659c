"""Finds the size and the checksum of a file on the Hugging Face hub before it is fetched.

It reads the same headers as huggingface_hub's `get_hf_file_metadata`.
"""

import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from msgspec.structs import replace

from perpend.engine.catalogue import HubSource, Weights, find
from perpend.errors import BadRequest, WeightsError

if TYPE_CHECKING:
    import aiohttp

PREFIX = "hf:"
_HOPS = 5
_NAME = re.compile(r"hf:([\w.-]+)/([\w.-]+)/((?:[\w. +-]+/)*[\w. +-]+\.gguf)", re.ASCII)
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_ETAG = re.compile(r"(?:W/)?\"?([0-9a-f]{64}|[0-9a-f]{40})\"?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def of_hub(name: str) -> Weights:
    """Returns a row for a GGUF file of the hub, named `hf:OWNER/REPO/FILE.gguf`.

    Raises BadRequest for a name of another form, and for one part of a split file.
    """
    match = _NAME.fullmatch(name)
    if match is None or ".." in name.removeprefix(PREFIX).split("/"):
        raise BadRequest(
            f"{name!r} names no file of the hub",
            hint="hf:OWNER/REPO/FILE.gguf, such as hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf",
            field="name",
        )
    owner, repo, file = match.groups()
    if _PART.search(file):
        raise BadRequest(
            f"{file} is one part of several",
            hint="name a quantization that the repository has in one file",
            field="name",
        )
    return Weights(
        name=name,
        summary=f"{PurePosixPath(file).name} of {owner}/{repo}",
        file=f"hf/{owner}/{repo}/{file}",
        size=0,
        rounded=True,
        sources=(HubSource(f"{owner}/{repo}", file),),
    )


def named(name: str) -> Weights:
    """Returns a row of the catalogue, or one for a file of the hub.

    Raises NotFound, which names the nearest row, and BadRequest for a wrong `hf:` name.
    """
    return of_hub(name) if name.startswith(PREFIX) else find(name)


def here(home: Path) -> list[Weights]:
    """Returns rows for the files under `home` that were pulled by an `hf:` name."""
    folder = home / "weights" / "hf"
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.gguf"))]
    return [of_hub(f"{PREFIX}{path}") for path in paths if _NAME.fullmatch(f"{PREFIX}{path}")]


async def stated(weights: Weights) -> Weights:
    """Returns the row with the size in bytes, the checksum and the commit that the hub states.

    Raises WeightsError where the hub can't be reached, states no size or checksum, or states another checksum than
    the row has.
    """
    import aiohttp  # a tenth of a gateway's imports, and the gateway pulls nothing

    (source,) = weights.sources
    assert isinstance(source, HubSource), "only the hub's rows leave sizes to it"
    try:
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=15)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            headers = await _headers(session, source)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise WeightsError(
            f"{weights.name}: {source.label} can't be asked: {type(error).__name__}: {error}",
            hint="is there a network? behind a proxy set HTTPS_PROXY; HF_ENDPOINT names a mirror of the hub",
        ) from error
    size = headers.get("X-Linked-Size") or headers.get("Content-Length", "")
    checksum = _ETAG.fullmatch(headers.get("X-Linked-Etag") or headers.get("ETag", ""))
    if checksum is None or not size.isdigit():
        raise WeightsError(
            f"{source.label} states no checksum of {source.file}, or no size",
            hint="see whether HF_ENDPOINT is right; a file of your own is named by its path: --model PATH.gguf",
        )
    if weights.sha256 not in ("", checksum[1]):
        raise WeightsError(
            f"{source.label} has another {source.file} than {weights.name} stands for: {checksum[1]}, "
            f"not {weights.sha256}",
            hint=f"to have it all the same: perpend models pull {PREFIX}{source.repo}/{source.file}",
        )
    commit = headers.get("X-Repo-Commit", "")
    revision = commit if _COMMIT.fullmatch(commit) else source.revision
    return replace(weights, size=int(size), sha256=checksum[1], sources=(replace(source, revision=revision),))


def authorization(url: str) -> dict[str, str]:
    """Returns the header with the user's token, for gated repositories; empty for addresses outside the hub."""
    token = os.environ.get("HF_TOKEN")
    return (
        {"authorization": f"Bearer {token}"} if token and url.startswith(f"{HubSource.endpoint()}/") else {}
    )


async def _headers(session: "aiohttp.ClientSession", source: HubSource) -> Mapping[str, str]:
    """Returns the headers of the first response with a checksum, which is the hub's own, before its redirect.

    Raises WeightsError for an HTTP error or too many redirects.
    """
    url = source.url
    for _ in range(_HOPS):
        async with session.head(url, allow_redirects=False, headers=authorization(url)) as response:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise _refused(source, response)
            headers, location = response.headers.copy(), response.headers.get("Location")
            if location is None:
                return headers
            if "X-Linked-Etag" in headers:
                headers.popall("Content-Length", None)  # the length of the redirect's body
                return headers
            url = urljoin(url, location)
    raise WeightsError(f"{source.label} sends from one address to another: {urlsplit(url).netloc}")


def _refused(source: HubSource, response: "aiohttp.ClientResponse") -> WeightsError:
    reason = response.headers.get("X-Error-Message") or f"HTTP {response.status} {response.reason}"
    needs_token = response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return WeightsError(
        f"{source.label} doesn't give {source.file}: {reason}",
        hint="is it spelt right? where it has conditions, accept them and set HF_TOKEN to your token"
        if needs_token
        else "see the repository's list of files for how it is spelt; capitals count",
    )
