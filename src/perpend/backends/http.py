"""The one HTTP client: pooled connections, streamed bodies, failures as UpstreamError."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import aiohttp

from perpend.backends.sse import SSEParser
from perpend.errors import UpstreamError, UpstreamTimeout

_EXCERPT = 300
_STALE = 8
"""Closed connections in a row that are passed over: llama.cpp closes each after a hundred requests."""


@dataclass(frozen=True)
class Account:
    """What every request to one provider carries."""

    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout


class HTTPClient:
    """A session that opens at first use, in the running loop; shared by all backends."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ttl_dns_cache=60)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=2**18
            )
        return self._session

    async def _post(self, url: str, body: bytes, account: Account) -> aiohttp.ClientResponse:
        """A pooled connection may have been closed by the server meanwhile: then on another, which may be so too."""
        headers, timeout = account.headers, account.timeout
        for _ in range(_STALE):
            try:
                return await self.session.post(url, data=body, headers=headers, timeout=timeout)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                continue
        return await self.session.post(url, data=body, headers=headers, timeout=timeout)

    async def stream_sse(self, url: str, body: bytes, account: Account) -> AsyncGenerator[list[bytes], None]:
        """POST `body`; yields the `data` of the events of each read. Closing it drops the connection."""
        try:
            async with await self._post(url, body, account) as response:
                if response.status != 200:
                    raise await _refused(url, response)
                parser = SSEParser()
                async for chunk in response.content.iter_any():
                    if events := parser.feed(chunk):
                        yield events
                if events := parser.close():
                    yield events
        except aiohttp.ConnectionTimeoutError as error:
            raise UpstreamTimeout(
                f"{url} took no connection within {account.timeout.sock_connect} s"
            ) from error
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{url} sent nothing for {account.timeout.sock_read} s",
                hint="raise read_timeout_s of the provider, or see whether the server is overloaded",
            ) from error
        except aiohttp.ClientError as error:
            raise UpstreamError(
                f"{url}: {type(error).__name__}: {error}", hint="is the server running and reachable?"
            ) from error

    async def post_json(self, url: str, body: bytes, account: Account) -> bytes:
        try:
            async with await self._post(url, body, account) as response:
                if response.status != 200:
                    raise await _refused(url, response)
                return await response.read()
        except TimeoutError as error:
            raise UpstreamTimeout(f"{url} did not answer in time") from error
        except aiohttp.ClientError as error:
            raise UpstreamError(f"{url}: {type(error).__name__}: {error}") from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _refused(url: str, response: aiohttp.ClientResponse) -> UpstreamError:
    excerpt = (await response.content.read(4096)).decode(errors="replace").strip()[:_EXCERPT]
    hints = {
        401: "check the provider's api_key_env",
        403: "check the provider's api_key_env",
        404: "check base_url and the model's name",
        429: "the provider limits this account's rate: wait, or add another provider",
    }
    after = response.headers.get("retry-after", "")
    return UpstreamError(
        f"{url} answered {response.status}: {excerpt}",
        hint=hints.get(response.status),
        upstream_status=response.status,
        retry_after=float(after) if after.isdigit() else None,
    )
