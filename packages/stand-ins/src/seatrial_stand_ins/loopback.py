"""A server on loopback in a thread of its own, with or without TLS."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from seatrial.errors import ExtraMissing

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SECONDS = 60.0
"""Timeout of the server's start and end."""


def leaving_nothing(config: Any) -> Any:
    """A server of uvicorn whose end leaves no connection open."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # asyncio never closes a connection that it accepts in the moment in which its server is closed: accept no
            # more, and give those that were accepted the two turns that they need.
            for server in self.servers:
                for listening in server.sockets:
                    asyncio.get_running_loop().remove_reader(listening.fileno())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            # A connection over TLS that is closed again, after its idle time was over, cannot be aborted any more.
            for connection in list(self.server_state.connections):
                if connection.transport.is_closing():
                    connection.transport.abort()
            await super().shutdown(sockets)
            # A client with an idle connection over TLS would hold the end back for half a minute.
            for connection in list(self.server_state.connections):
                connection.transport.abort()

    return Server(config)


class LoopbackServer:
    """`with … as server:`; a subclass answers requests, and may open and close what is behind it."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, tls: bool = False) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._server: Any = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._live, name=type(self).__name__, daemon=True)
        self._failed: BaseException | None = None
        self.root = ""
        """The server's address, without a path."""
        self.authority = ""
        """With TLS: the file with the certificate of its authority."""

    async def answer(self, request: Request) -> Response:
        """The answer to one request."""
        raise NotImplementedError

    async def open(self) -> None:
        """Start what is behind the server."""

    async def close(self) -> None:
        """End what is behind the server."""

    def __enter__(self) -> Self:
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError as error:
            raise ExtraMissing("starlette and uvicorn are not installed: pip install 'seatrial[testing]'") from error
        self._thread.start()
        if not self._up.wait(SECONDS):
            raise TimeoutError(f"timed out after {SECONDS:g} s waiting for the server to start")
        if self._failed is not None:
            self._thread.join(SECONDS)
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(f"timed out after {SECONDS:g} s waiting for the server to end")
        if self._failed is not None and error is None:
            raise self._failed

    def _live(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="seatrial-tls-") as folder:
                asyncio.run(self._serve(Path(folder)))
        except BaseException as error:  # noqa: BLE001  whoever started it has to be told
            self._failed = error
        finally:
            self._up.set()

    async def _serve(self, folder: Path) -> None:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.routing import Route

        try:
            await self.open()
            with socket.create_server((self._host, self._port)) as listening:
                host, port = listening.getsockname()[:2]
                self.root = f"http{'s' if self._tls else ''}://{host}:{port}"
                app = Starlette(routes=[Route("/{path:path}", self.answer, methods=list(METHODS))])
                config = uvicorn.Config(
                    app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=1
                )
                if self._tls:
                    self._certify(config, folder)
                self._server = leaving_nothing(config)
                self._up.set()
                await self._server.serve(sockets=[listening])
        finally:
            await self.close()

    def _certify(self, config: Any, folder: Path) -> None:
        """A certificate for this address, of an authority in a file that goes with the server."""
        import ssl

        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        config.load()
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(self._host).configure_cert(config.ssl)
        self.authority = str(folder / "authority.pem")
