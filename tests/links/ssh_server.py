"""SSH servers of the tests, in this process: one that runs commands, and one that can break off in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from seatrial.links.ssh.wire import unwrapped
from seatrial.model.resource import Node


@dataclass
class Server:
    """A node that answers on loopback."""

    folder: Path
    port: int = 0
    logins: int = 0
    running: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a command `hang` has begun."""
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a command `hang` was ended from outside."""
    slow_login: float = 0.0
    """Seconds that the server thinks about a login."""
    greetings: int = 0
    """Connections that were made and spoken to."""
    most_sessions: int = 0
    """Commands at a time."""
    max_sessions: int = 1000
    """Sessions at a time on a connection; a further one is refused, as by OpenSSH."""
    refused: int = 0
    """Sessions that were refused."""
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    """The login shell: a command line is added."""
    forwards: bool = True
    algorithms: dict[str, Any] = field(default_factory=dict)
    """Options of asyncssh for the ciphers and such."""
    host_key: Any = None
    user_key: Any = None
    _acceptor: Any = None
    _open: set[Any] = field(default_factory=set)
    _sessions: int = 0

    def __post_init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key.write_private_key(str(self.folder / "key"))

    @property
    def known_host(self) -> str:
        """The line that a provider would have recorded."""
        return self.host_key.export_public_key("openssh").decode().strip()

    def node(self, **more: object) -> Node:
        """The node's record."""
        ssh: dict[str, object] = {"host": "127.0.0.1", "port": self.port, "user": "root"}
        ssh |= {"key": str(self.folder / "key"), "known_host": self.known_host}
        return Node(name="n11", ssh=ssh | more)

    async def start(self) -> None:
        """Listen, on the same port as the last time."""
        server = self

        class SshEndpoint(asyncssh.SSHServer):
            def connection_made(self, conn: Any) -> None:
                self.conn = conn
                server.greetings += 1
                server._open.add(conn)

            async def begin_auth(self, username: str) -> bool:
                await asyncio.sleep(server.slow_login)
                return True

            def connection_requested(self, *_: object) -> bool:
                if not server.forwards:  # as OpenSSH with AllowTcpForwarding no
                    raise asyncssh.ChannelOpenError(1, "open failed")
                return True

            def session_requested(self) -> Any:
                if server._sessions >= server.max_sessions:
                    server.refused += 1
                    return False
                server._sessions += 1
                server.most_sessions = max(server.most_sessions, server._sessions)
                return asyncssh.SSHServerProcess(server._handle, None, 0, False)

            def connection_lost(self, exc: Exception | None) -> None:
                server._open.discard(self.conn)

            def auth_completed(self) -> None:
                server.logins += 1

        public = self.user_key.export_public_key("openssh").decode()
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=SshEndpoint,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(public),
            encoding=None,
            reuse_address=True,
            **self.algorithms,
        )
        self.port = self._acceptor.get_port()

    async def crash(self) -> None:
        """As when the machine is gone: every connection is reset, nothing listens."""
        self._acceptor.close()
        for connection in list(self._open):
            connection.abort()
        await self._acceptor.wait_closed()

    async def _handle(self, process: Any) -> None:
        try:
            await self._run(process)
            # As with OpenSSH, a session counts until both sides have closed it.
            await process.channel.wait_closed()
        finally:
            self._sessions -= 1

    async def _run(self, process: Any) -> None:
        order = unwrapped(process.command)
        command = order.command if order else process.command
        if order and command.split()[0] in ("wait", "hang", "die"):  # others go to a shell, as with any server
            process.stdout.write(b"<%s 1>" % order.token.encode())
            process.stderr.write(b"<%s 0>" % order.token.encode())
        if command.startswith("wait "):
            await asyncio.sleep(float(command.split()[1]))
            process.exit(0)
            return
        if command == "hang":
            self.running.set()
            try:
                await process.stdin.read()
                await process.channel.wait_closed()
            except (asyncssh.BreakReceived, asyncssh.SignalReceived, asyncssh.ConnectionLost, asyncio.CancelledError):
                pass
            finally:
                self.cut.set()
            return
        if command == "die":
            process.exit_with_signal("KILL")
            return
        begin: Any = subprocess.Popen
        options: Any = {"stdin": -1, "stdout": -1, "stderr": -1, "cwd": self.folder, "start_new_session": True}
        child = await asyncio.to_thread(begin, [*self.shell, process.command], **options)
        pumps = [
            asyncio.create_task(_pump(child.stdout, process.stdout)),
            asyncio.create_task(_pump(child.stderr, process.stderr)),
        ]
        feed = asyncio.create_task(_feed(process, child.stdin))
        code = await asyncio.to_thread(child.wait)
        await asyncio.wait(pumps, timeout=0.2)  # a process that it left may hold its output open
        feed.cancel()
        with contextlib.suppress(OSError):
            process.exit(code if code >= 0 else 128 - code)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(feed, *pumps, return_exceptions=True)


async def _pump(source: Any, sink: Any) -> None:
    reader, loop = asyncio.StreamReader(), asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                sink.write(data)
                await sink.drain()
    finally:
        transport.close()


async def _feed(process: Any, sink: Any) -> None:
    """Input; signals are refused, as OpenSSH does for root."""
    with contextlib.suppress(OSError, asyncssh.SignalReceived, asyncssh.BreakReceived), sink:
        while data := await process.stdin.read(1 << 16):
            await asyncio.to_thread(sink.write, data)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """A server that is up, and down at the end."""
    server = Server(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.crash()
