"""moto's server as a process, as its users start it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

START = 60.0
"""Seconds until it has to answer."""


PROGRAM = """
import os, sys, threading
from moto.server import main
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
main(sys.argv[1:])
"""
"""moto's own program; it also ends with the process that started it, whose end closes its input."""


class Moto:
    """One server on a free port of loopback."""

    def __init__(self) -> None:
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Start it, and wait until it listens."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        quiet = asyncio.subprocess.DEVNULL
        words = (sys.executable, "-c", PROGRAM, "-H", "127.0.0.1", "-p", str(port))
        self._process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=quiet, stderr=quiet
        )
        async with asyncio.timeout(START):
            while True:
                if self._process.returncode is not None:
                    raise RuntimeError(
                        f"moto's server ended with {self._process.returncode}: is moto[server] installed?"
                    )
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        self.url = f"http://127.0.0.1:{port}"

    async def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
