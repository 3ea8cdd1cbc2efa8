"""HTTP/1.1 with keep-alive on raw asyncio streams, both ends, as little of it as the sample needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 16 * 1024 * 1024
REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Request:
    """One request; `path` is percent-decoded and has no query, `headers` have lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


class Refused(Exception):
    """A request to answer with an error status before closing the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Unreachable(Exception):
    """A peer did not answer in time, or without status 200."""


Handler = Callable[[Request], Awaitable[Response]]


def as_json(status: int, content: object) -> Response:
    return Response(status, json.dumps(content).encode("ascii") + b"\n")


async def read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """The first line and the headers of a message."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def body_length(headers: Mapping[str, str]) -> int:
    """The announced length of the body in bytes; raises Refused when it is not plain or too much."""
    if "transfer-encoding" in headers:
        raise Refused(411, "send a Content-Length; transfer encodings are not supported")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise Refused(400, f"Content-Length is {text!r}, not a number")
    if len(text) > 12 or int(text) > LARGEST_BODY:
        raise Refused(413, f"the body has {text} bytes, at most {LARGEST_BODY} are taken")
    return int(text)


def decode_path(target: str) -> str:
    """The path of a request target: no query, percent-decoded; bytes outside UTF-8 become surrogates."""
    path = target.partition("?")[0]
    if "%" in path:
        from urllib.parse import unquote  # its import would cost every start of a node

        path = unquote(path, errors="surrogateescape")
    return path


class Server:
    """Answers requests on one address until stopped."""

    def __init__(self, handler: Handler, say: Callable[[str], None]) -> None:
        self._handler = handler
        self._say = say
        self._busy: set[asyncio.Task[Any]] = set()
        self._open: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Begin to answer; raises OSError when the address cannot be had."""
        self._server = await asyncio.start_server(self._converse, host, port, limit=LARGEST_HEAD)

    async def stop(self, grace: float) -> None:
        """Take no more connections, let answers under way finish within `grace` seconds, cut the rest."""
        self._stopping = True
        if self._server is None:
            return
        self._server.close()
        for idle in self._open - self._busy:
            idle.cancel()
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=grace)
        rest = set(self._open)
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=grace)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._answer_one(reader, writer, task) and not self._stopping:
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone, so nobody waits for the answer
        except asyncio.CancelledError:
            pass  # only `stop` cancels; asyncio's own callback would log the cancellation as an error
        finally:
            self._open.discard(task)
            self._busy.discard(task)
            writer.close()

    async def _answer_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[Any]
    ) -> bool:
        self._busy.discard(task)
        method, keep = "GET", False
        try:
            try:
                first, headers = await read_head(reader)
            except asyncio.LimitOverrunError:
                raise Refused(400, f"the head of the request is longer than {LARGEST_HEAD} bytes") from None
            self._busy.add(task)
            words = first.split(" ")
            if len(words) != 3 or not words[2].startswith("HTTP/1."):
                raise Refused(400, f"not an HTTP/1.1 request line: {first!r}")
            method, target, protocol = words
            length = body_length(headers)
            if length and headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(length)
            keep = protocol != "HTTP/1.0" and headers.get("connection", "").lower() != "close"
            response = await self._handled(Request(method, decode_path(target), headers, body))
        except Refused as refused:
            keep = False
            response = as_json(refused.status, {"error": str(refused)})
        head = (
            f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\nContent-Type: {response.content_type}\r\n"
            f"Content-Length: {len(response.body)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        writer.write(head.encode("latin-1") + (b"" if method == "HEAD" else response.body))
        await writer.drain()
        return keep

    async def _handled(self, request: Request) -> Response:
        try:
            return await self._handler(request)
        except Refused as refused:
            return as_json(refused.status, {"error": str(refused)})
        except Exception as error:  # noqa: BLE001  # one broken request must not take the node down, and must not look green
            self._say(f"error: {request.method} {request.path}: {type(error).__name__}: {error}")
            return as_json(500, {"error": f"{type(error).__name__}: {error}"})


class Client:
    """Calls one peer with JSON both ways, over reused connections.

    A call on a dead connection is sent again on a fresh one, so use it only for calls safe to repeat.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self._host = host
        self._port = port
        self._kept: list[Streams] = []

    async def call(self, path: str, content: object, seconds: float) -> dict[str, Any]:
        """POST the content and return the answer; raises Unreachable unless a 200 comes within the time."""
        body = json.dumps(content).encode("ascii")
        message = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        try:
            async with asyncio.timeout(seconds):
                while self._kept:
                    try:
                        return await self._exchange(self._kept.pop(), message)
                    except (asyncio.IncompleteReadError, ConnectionError):
                        continue
                return await self._exchange(await asyncio.open_connection(self._host, self._port), message)
        except TimeoutError:
            raise Unreachable(f"{self.name} did not answer in {seconds:g} s") from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise Unreachable(f"{self.name}: {error}") from None

    def close(self) -> None:
        while self._kept:
            self._kept.pop()[1].close()

    async def _exchange(self, streams: Streams, message: bytes) -> dict[str, Any]:
        reader, writer = streams
        try:
            writer.write(message)
            await writer.drain()
            first, headers = await read_head(reader)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if first.split(" ")[1:2] != ["200"]:
                raise Unreachable(f"{self.name} answered {first!r}: {body[:200].decode('utf-8', 'replace').strip()}")
            answer = json.loads(body)
            if not isinstance(answer, dict):
                raise ValueError("the answer is not a JSON object")
        except BaseException:
            writer.close()
            raise
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._kept.append(streams)
        return answer
