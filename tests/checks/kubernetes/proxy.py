"""A proxy between Seatrial and the API server that cuts connections, and lets none through while it is closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import yaml


class Proxy:
    """It carries bytes; TLS passes through."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._open: set[asyncio.StreamWriter] = set()
        self.closed = False
        self.cuts = 0
        """Connections that it cut."""
        self.port = 0

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._open:
            writer.transport.abort()
            self.cuts += 1
        self._open.clear()

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """A kubeconfig that goes through the proxy."""
        config = yaml.safe_load(original.read_text())
        for cluster in config["clusters"]:
            cluster["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        with contextlib.suppress(OSError):
            if self.closed:
                writer.transport.abort()
                return
            self._open.add(writer)
            try:
                far_reader, far_writer = await asyncio.open_connection(*self._to)
                await asyncio.wait(
                    [asyncio.create_task(_carry(*pair)) for pair in ((reader, far_writer), (far_reader, writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                far_writer.transport.abort()
            finally:
                self._open.discard(writer)
                writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()


@contextlib.asynccontextmanager
async def proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy to an address."""
    made = Proxy(host, port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.closed = True
        # What asyncio accepts in the moment in which its server is closed stays open.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        server.close()
        made.cut()
        await asyncio.sleep(0)
