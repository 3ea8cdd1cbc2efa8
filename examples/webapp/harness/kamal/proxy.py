"""The server on port 80 of a web host: `serve` forwards requests for known names to the live container.

It uses only the standard library, because it is copied to the hosts and runs in a container of the app's image. `wait
URL INTERVAL SECONDS` ends with 0 when the URL answers with 200.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROUTE = Path(__file__).with_name("route.json")
"""`{"hosts": […], "target": [address, port]}`; it is replaced as a whole when a new container goes live."""
LONGEST = 64 * 1024
NOT_HERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NOBODY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request of one connection: the head decides its target, the rest is forwarded as it comes."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        lines = head.split(b"\r\n")
        host = next((line[5:].strip().decode() for line in lines if line.lower().startswith(b"host:")), "")
        route = json.loads(ROUTE.read_text())
        if host.rpartition(":")[0] not in route["hosts"] and host not in route["hosts"]:
            writer.write(NOT_HERE)
        else:
            await pass_on(lines, route["target"], reader, writer)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        return
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            await goodbye(reader, writer)
        writer.close()


async def pass_on(
    lines: list[bytes], target: list[object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """The request to the container, and its answer back; 502 when it takes no connection."""
    address, port = target
    try:
        upward, downward = await asyncio.open_connection(str(address), int(str(port)))
    except OSError:
        writer.write(NOBODY)
        return
    kept = [line for line in lines[1:-2] if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    downward.write(b"\r\n".join([lines[0], *kept, b"Connection: close", b"", b""]))
    sending = asyncio.create_task(passed_on(reader, downward))
    try:
        await passed_on(upward, writer)
    finally:
        sending.cancel()
        downward.close()


async def goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The answer is complete. Read the rest of the request: a reset would lose an early answer to a long request."""
    await writer.drain()
    writer.write_eof()
    async with asyncio.timeout(2):
        while await reader.read(64 * 1024):
            pass


async def passed_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Forward all data."""
    with contextlib.suppress(OSError):
        while part := await source.read(64 * 1024):
            target.write(part)
            await target.drain()


async def serve() -> None:
    """Until it is killed."""
    server = await asyncio.start_server(answer, "0.0.0.0", 80, limit=LONGEST)
    await server.serve_forever()


def wait(url: str, interval: float, seconds: float) -> int:
    """Ask until the answer is 200."""
    end, last = time.monotonic() + seconds, "it was not asked"
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as told:
                if told.status == 200:
                    return 0
                last = f"it answers {told.status}"
        except urllib.error.HTTPError as error:
            last = f"it answers {error.code}: {error.read(300).decode(errors='replace')}"
        except OSError as error:
            last = str(error)
        time.sleep(interval / 4)
    print(f"{url} was not healthy after {seconds:g} s: {last}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["wait"]:
        sys.exit(wait(sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
    asyncio.run(serve())
