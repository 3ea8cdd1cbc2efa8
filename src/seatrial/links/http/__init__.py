"""HTTP with kept connections; errors separate the other side's faults from our own.

A download to a file follows redirects, and sends private headers to no other host. It reads nothing from the
environment (no proxies, no `.netrc`), and sets up TLS only for https URLs.
"""

from __future__ import annotations

import asyncio
import codecs
import functools
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.links.http.decoding import decoded
from seatrial.links.tcp import destination, judged, resolved
from seatrial.model import json_text

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Web", "request"]

LIMIT = 16 * 1024 * 1024
"""Bytes read of a body; a longer one is CannotTell."""

REDIRECTS = (301, 302, 303, 307, 308)

HOPS = 5
"""Redirects of a download followed at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of any status; header names are in lower case, repeated headers are joined by ", "."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    encoding: str = "utf-8"
    cookies: tuple[str, ...] = ()
    """The `Set-Cookie` lines, one by one: joined they could not be read."""
    certificate: bytes = b""
    """The server's certificate (DER), also when it was not verified; empty without TLS."""
    undecoded: str = ""
    """Why `text` is not the text that the server sent; empty: it is, as far as the headers tell."""

    @property
    def text(self) -> str:
        """The body as text."""
        try:
            return self.body.decode(self.encoding, errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON; ValueError when it is not JSON, also when a name stands twice in one object."""
        try:
            return json_text.loads(self.body)
        except UnicodeDecodeError:  # JSON is UTF-8, but the server may name another encoding
            return json_text.loads(self.text)


class Web:
    """A client with kept connections; close it, or use it with `async with`."""

    def __init__(self) -> None:
        self._clients: dict[tuple[bool, bool, str, str], httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of all connections; they are made again when needed."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        limit: int = LIMIT,
        verify: bool = True,
        ca: str = "",
        tls_name: str = "",
        connect_to: Mapping[str, str] | None = None,
        into: Path | None = None,
        shown: str = "",
        **content: Any,
    ) -> Answer:
        """Send one request and read the answer; redirects are answers. `content` is httpx's: content, data, files,
        json.

        `timeout` seconds are for all of it. `ca` is a file of certificates to trust instead of the usual ones,
        `tls_name` the name the certificate must have if it is not the URL's. `connect_to` maps hosts to other addresses
        (see links.tcp): the `Host` header and the certificate's name stay as they were. `into` is a file for the body
        of a status below 300, created only when the body is complete; the answer has none then. `shown` replaces the
        URL in errors. Raises LinkDown (nobody answers), LinkLost (the connection was interrupted, or did not speak
        HTTP), LinkRefused (its TLS certificate is not good), TimeoutError (no complete answer in time), CannotTell (a
        bad URL, a body past `limit`: no verdict on the other side).
        """
        import httpx

        shown = shown or url
        if ":" in (port := url.partition("://")[2].partition("/")[0].rpartition("@")[2].rpartition("]")[2]):
            number = port.rpartition(":")[2]
            if number and not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
                raise CannotTell(f"no request was sent to {shown!r}: a port is a number from 1 to 65535")
        try:
            places = await _places(url, connect_to or {}, timeout)
            own_host = any(header.lower() == "host" for header in headers or ())
            async with asyncio.timeout(timeout):
                for turn, (at, name, more) in enumerate(places, 1):
                    name = tls_name or name
                    client = self._client(url, verify, ca, name)
                    sent = {**({} if own_host else more), **(headers or {})}
                    extensions: dict[str, Any] = {"sni_hostname": name} if name else {}
                    if turn < len(places):  # an address that is silent leaves time for the next
                        extensions["timeout"] = {"connect": timeout / len(places)}
                    request = client.build_request(method, at, headers=sent, extensions=extensions, **content)
                    try:
                        return await _answered(client, request, limit, into, shown)
                    except (httpx.ConnectError, httpx.ConnectTimeout):
                        if turn == len(places):
                            raise
            raise AssertionError("a name has an address")
        except TimeoutError:
            raise TimeoutError(f"{shown} did not answer within {timeout:g} s") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError) as error:
            raise CannotTell(f"no request was sent to {shown!r}: {error}") from error
        except httpx.ConnectError as error:
            raise _not_connected(shown, error) from error
        except httpx.TransportError as error:
            raise LinkLost(f"{shown} broke off: {error or type(error).__name__}") from error
        except httpx.DecodingError as error:
            raise LinkLost(f"{shown} sent a body that contradicts its headers: {error}") from error

    def _client(self, url: str, verify: bool, ca: str, name: str) -> httpx.AsyncClient:
        import httpx

        secure = url[:6].lower() == "https:"
        # A connection with a certificate verified for one name is not verified for another.
        key = (secure, verify, ca, name if secure else "")
        if key not in self._clients:
            context = _context(verify, ca) if secure else _NO_TLS
            self._clients[key] = httpx.AsyncClient(
                verify=context, trust_env=False, timeout=None, follow_redirects=False, cookies=_no_cookies()
            )
        return self._clients[key]


async def request(method: str, url: str, **options: Any) -> Answer:
    """One request on a connection of its own; options and errors as those of `Web.request`."""
    async with Web() as web:
        return await web.request(method, url, **options)


async def _places(url: str, instead: Mapping[str, str], timeout: float) -> list[tuple[httpx.URL, str, dict[str, str]]]:
    """For each address of the URL's host: the URL to connect to, the TLS name to ask for, and the headers to send."""
    import httpx

    given = httpx.URL(url)
    if given.scheme not in ("http", "https") or not given.host:
        return [(given, "", {})]  # httpx says what is wrong
    port = given.port or (443 if given.scheme == "https" else 80)
    host, at = destination(given.host, port, instead)
    addresses = [address[0] for _, address in await resolved(host, at, timeout=timeout)]
    if addresses == [given.host] and at == port:
        return [(given, "", {})]
    name, header = given.raw_host.decode("ascii"), {"Host": given.netloc.decode("ascii")}
    return [(given.copy_with(host=address, port=at), name, header) for address in addresses]


async def _answered(
    client: httpx.AsyncClient, request: httpx.Request, limit: int, into: Path | None, shown: str
) -> Answer:
    import httpx

    try:
        response = await client.send(request, stream=True)
    except httpx.InvalidURL as error:  # httpx looks where a redirect leads, also when it is not followed
        raise LinkLost(f"{shown} answers with a redirect to an invalid URL: {error}") from error
    answer = Answer(status=response.status_code, headers=dict(response.headers))
    try:
        if into is not None and answer.status < 300:
            part = into.with_name(f"{into.name}.part")
            try:
                with part.open("wb") as file:
                    async for piece in _pieces(response, limit, shown):
                        file.write(piece)
                part.replace(into)
            finally:
                part.unlink(missing_ok=True)
            return answer
        return replace(
            answer,
            certificate=_certificate(response),
            body=b"".join([piece async for piece in _pieces(response, limit, shown)]),
            encoding=response.charset_encoding or "utf-8",
            cookies=tuple(response.headers.get_list("set-cookie")),
            undecoded=_undecoded(response, client.headers["Accept-Encoding"]),
        )
    finally:
        await response.aclose()


async def _pieces(response: httpx.Response, limit: int, shown: str) -> AsyncIterator[bytes]:
    size = 0
    async for piece in decoded(response):
        size += len(piece)
        if size > limit:
            raise CannotTell(f"{shown} answers {response.status_code} with more than {limit} bytes")
        yield piece


def _undecoded(response: httpx.Response, decoded: str) -> str:
    """Why the body stays encoded; `decoded` are the content codings that httpx reads, which depend on its extras."""
    codings = response.headers.get("content-encoding", "").lower().replace(",", " ").split()
    if unread := [one for one in codings if one != "identity" and one not in decoded.replace(",", " ").split()]:
        return f"its Content-Encoding is {unread[0]}; Seatrial reads {decoded}"
    try:
        codecs.lookup(response.charset_encoding or "utf-8")
    except LookupError:
        return f"its charset {response.charset_encoding} is unknown"
    return ""


def _certificate(response: httpx.Response) -> bytes:
    """Readable only while the connection is open."""
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""


@functools.cache
def _no_cookies() -> CookieJar:
    """A jar without cookies: callers with a need for cookies keep them (links.http.session), others are strangers each
    time."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


# httpx makes a context of its own if it gets none; http never uses it, so it gets a cheap one.
_NO_TLS: Any = object()


@functools.cache
def _context(verify: bool, ca: str) -> ssl.SSLContext:
    """Reading the system's certificates takes longer than a request does, so it is done once."""
    if ca:
        try:
            return ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise CannotTell(f"the certificates in {ca} could not be read: {error}") from error
    if verify:
        import certifi

        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _not_connected(url: str, error: Exception) -> CannotTell:
    """The root reason, below the wrappers of httpx, httpcore and anyio."""
    cause: BaseException | None = error
    deepest: OSError | None = None
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return LinkRefused(f"{url} shows a certificate that is not good: {cause.verify_message or cause}")
        if isinstance(cause, ssl.SSLError):
            return LinkLost(f"{url} does not speak TLS: {cause.reason or cause}")
        if isinstance(cause, OSError) and (deepest is None or cause.errno is not None):
            deepest = cause
        cause = cause.__cause__ or cause.__context__
    return judged(deepest, url) if deepest is not None else LinkDown(f"{url} does not answer: {error}")


async def download(
    web: Web,
    url: str,
    into: Path,
    *,
    headers: Mapping[str, str],
    private: Mapping[str, str],
    timeout: float,
    limit: int,
) -> Answer:
    """GET a file of at most `limit` bytes within `timeout` seconds; the headers in `private` (a token) go to the first
    URL's origin alone.

    An answer of 300 or more has a body, and no file. Errors as those of `Web.request`; they name URLs without their
    query, since it may be a signature. CannotTell also when redirects lead in a circle, or from https to http.
    """
    origin, here = _origin(url), url
    clock = asyncio.get_running_loop().time
    end = clock() + timeout
    for _ in range(HOPS + 1):
        sent = {**headers, **(private if _origin(here) == origin else {})}
        left = max(end - clock(), 0.001)
        answer = await web.request("GET", here, headers=sent, timeout=left, limit=limit, into=into, shown=bare(here))
        if answer.status not in REDIRECTS:
            return answer
        target = urljoin(here, answer.headers.get("location", ""))
        if target == here or (_origin(here)[0] == "https" and _origin(target)[0] != "https"):
            raise CannotTell(f"{bare(here)} redirects to {bare(target)}, and Seatrial does not follow it")
        here = target
    raise CannotTell(f"{bare(url)} redirects more than {HOPS} times")


def bare(url: str) -> str:
    """A URL without its query and without a user's name, to be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError as error:
        raise CannotTell(f"no request was sent to {bare(url)!r}: {error}") from error
