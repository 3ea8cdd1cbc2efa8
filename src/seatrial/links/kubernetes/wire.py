"""Requests to one API server: authenticated, with a deadline, answers judged."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from seatrial.links.kubernetes.answers import ApiAway, refusal

CONNECT = 15.0
"""Seconds for a connection, TLS and all: a busy API server takes its time."""

PATIENCE = 30.0
"""Seconds for an answer."""

BUSY = 3
"""Tries after the answer `429 Too Many Requests`: the server has not begun then."""

Query = Sequence[tuple[str, str]]


class Wire:
    """The connections to one API server."""

    def __init__(self, rest: Any, settings: Any, reload: Callable[[], Awaitable[None]] | None) -> None:
        self._rest, self._settings, self._reload = rest, settings, reload
        self._transports: weakref.WeakSet[asyncio.WriteTransport] = weakref.WeakSet()
        self.server = _shown(str(settings.host))
        """The server's address, without credentials."""

    async def close(self) -> None:
        """Close the connections, without the farewell of TLS: nobody would wait for its answer."""
        await self._rest.pool_manager.connector.close(abort_ssl=True)
        await self._rest.close()
        for transport in list(self._transports):
            transport.abort()
        for _ in range(3):  # an aborted transport closes its socket in a later turn of the loop
            await asyncio.sleep(0)

    async def ask(
        self, method: str, path: str, what: str, *, query: Query = (), body: object = None,
        content: str = "application/json", accept: str = "application/json", timeout: float = PATIENCE,
    ) -> bytes:  # fmt: skip
        """The body of a successful answer. `what`: the request in words, for errors. ApiAway without an answer within
        `timeout` seconds."""
        for attempt in range(BUSY + 1):
            async with self._sent(method, path, what, query, body, content, accept, timeout) as answer:
                data: bytes = await answer.read()
                if answer.status < 300:
                    return data
                busy = answer.status == 429 and b"disruption budget" not in data
                pause = _pause(answer.headers) if busy and attempt < BUSY else None
            if pause is None:
                raise refusal(what, answer.status, data)
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def json(self, method: str, path: str, what: str, **more: Any) -> Any:
        """As `ask`, read as JSON; ApiAway for anything else, such as the page of a proxy."""
        data = await self.ask(method, path, what, **more)
        try:
            return json.loads(data)
        except ValueError:
            raise ApiAway(f"{what}: {self.server} does not answer with JSON: it is not an API server") from None

    @asynccontextmanager
    async def lines(
        self, path: str, what: str, *, query: Query, silence: float, accept: str = "application/json"
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a long answer as they come; ApiAway after `silence` seconds without any, or when it breaks."""
        async with self._sent("GET", path, what, query, None, "", accept, None, silence) as answer:
            if answer.status >= 300:
                raise refusal(what, answer.status, await answer.read())
            yield self._lines(answer.content.iter_any(), what)

    async def _lines(self, pieces: AsyncIterator[bytes], what: str) -> AsyncIterator[bytes]:
        """Whole lines, however long; a last one without its end is dropped."""
        rest: list[bytes] = []
        with self._judged(what):
            async for piece in pieces:
                *whole, last = piece.split(b"\n")
                for line in whole:
                    yield b"".join([*rest, line])
                    rest = []
                rest.append(last)

    @asynccontextmanager
    async def socket(
        self, path: str, what: str, *, query: Query, protocols: Sequence[str], heartbeat: float | None = None
    ) -> AsyncIterator[Any]:
        """A WebSocket: for exec and port-forwards. `heartbeat`: seconds between signs of life; without an answer to one
        the connection is broken."""
        import aiohttp

        url = f"{self._settings.host}{path}?{urlencode(query)}"
        more = {"proxy": self._rest.proxy} if self._rest.proxy else {}
        with self._judged(what):
            try:
                async with self._rest.pool_manager.ws_connect(
                    url.replace("http", "ws", 1), headers=await self._headers(), protocols=protocols,
                    max_msg_size=0, server_hostname=self._rest.server_hostname, heartbeat=heartbeat, **more,
                ) as socket:  # fmt: skip
                    yield socket
            except aiohttp.WSServerHandshakeError as error:
                raise refusal(what, error.status, b"") from None

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, what: str, query: Query, body: object, content: str, accept: str,
        timeout: float | None, silence: float | None = None,
    ) -> AsyncIterator[Any]:  # fmt: skip
        import aiohttp

        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT, sock_read=silence)
        for again in (True, False):
            headers = {"Accept": accept, **({"Content-Type": content} if content else {}), **await self._headers()}
            with self._judged(what):
                answer = await self._rest.request(
                    method, f"{self._settings.host}{path}", query_params=list(query), headers=headers, body=body,
                    _preload_content=False, _request_timeout=limits,
                )  # fmt: skip
                if answer.connection is not None and answer.connection.transport is not None:
                    self._transports.add(answer.connection.transport)
                try:
                    if answer.status != 401 or not again or self._reload is None:
                        yield answer
                        return
                finally:
                    _end(answer)
            await self._reload()

    async def _headers(self) -> dict[str, str]:
        login = (await self._settings.auth_settings()).get("BearerToken") or {}
        return {"Authorization": login["value"]} if login.get("value") else {}

    def _judged(self, what: str) -> Any:
        return _Judged(what, self.server)


def _end(answer: Any) -> None:
    """Keep the connection for the next request, or abort it where the answer is not at its end, such as a watch."""
    if not answer.content.at_eof() and answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()
    answer.release()


class _Judged:
    """Errors of the connection as ApiAway; their text never has a header or a URL."""

    def __init__(self, what: str, server: str) -> None:
        self._what, self._server = what, server

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import aiohttp

        if isinstance(error, TimeoutError):
            raise ApiAway(f"{self._what}: the API server {self._server} does not answer in time") from None
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise ApiAway(f"{self._what}: the certificate of {self._server} is not good: {_root(error)}") from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise ApiAway(f"{self._what}: the API server {self._server} does not answer: {_root(error)}") from None


def _root(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(inner, OSError) and inner.strerror:
        return str(getattr(inner, "verify_message", "") or inner.strerror)
    return type(inner).__name__


def _pause(headers: Mapping[str, str]) -> float:
    try:
        return min(max(float(headers.get("Retry-After", "1")), 0.1), 5.0)
    except ValueError:
        return 1.0


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
