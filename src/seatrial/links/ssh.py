"""SSH into a node: one connection that is made when it is needed, and made again after the node was down.

The user's own SSH settings (config, agent, known hosts, keys) are never read: a trial depends on nothing but what the
node's record says.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.links.tcp import judged
from seatrial.model.resource import Node
from seatrial.spi import Finished

if TYPE_CHECKING:
    import asyncssh

KEEPALIVE = 1.0
"""Seconds between questions to a silent peer; three without an answer end the connection."""


class SSHLink:
    """A way into a node over SSH: see spi.Link for what its methods promise.

    How to reach it is in the node's record, `Node.ssh`: host, port (22), user (root), key (a file), known_host (the
    host key that was recorded, `ssh-ed25519 AAAA…`, also with host names before it). Without known_host the node is
    refused, unless `accept` is true there: then the key seen first is recorded, in `known_host`, and must stay.
    """

    def __init__(self, node: Node, *, connect_timeout: float = 5.0) -> None:
        ssh = node.ssh
        self.name = node.name
        self.host = str(ssh.get("host") or "")
        self.port = int(str(ssh.get("port") or 22))
        self.user = str(ssh.get("user") or "root")
        self.key = str(ssh.get("key") or "")
        self.known_host = str(ssh.get("known_host") or "")
        self.accept = ssh.get("accept") is True
        self.connect_timeout = connect_timeout
        self._connection: asyncssh.SSHClientConnection | None = None
        self._making = asyncio.Lock()

    def __str__(self) -> str:
        return f"{self.name} ({self.user}@{self.host}:{self.port})"

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command; one that died of a signal has exit code 128 + its number."""
        line = command if isinstance(command, str) else shlex.join(command)
        if env:  # sshd drops variables that it was not told to accept, so the node's shell sets them.
            line = " ".join(f"export {name}={shlex.quote(value)};" for name, value in env.items()) + " " + line
        try:
            async with asyncio.timeout(timeout), self._in_use(line):
                return await self._run(line, input)
        except TimeoutError:
            raise TimeoutError(f"{self}: `{_short(line)}` did not end within {timeout:g} s") from None

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file to the node."""
        async with self._in_use(f"put {remote}"), (await self._open()).start_sftp_client() as sftp:
            await sftp.put(str(local), remote)

    async def get(self, remote: str, local: Path) -> None:
        """Copy a file from the node; FileNotFoundError when it is not there."""
        async with self._in_use(f"get {remote}"), (await self._open()).start_sftp_client() as sftp:
            await sftp.get(remote, str(local))

    async def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            try:
                async with asyncio.timeout(1.0):
                    await connection.wait_closed()
            except TimeoutError:  # The peer says nothing any more: it need not agree.
                connection.abort()

    async def _run(self, line: str, input: str) -> Finished:
        process = await self._start(line)
        try:
            if not input:  # Else a command that reads would wait for ever.
                process.stdin.write_eof()
            result = await process.communicate(input or None)
        except BaseException:
            with contextlib.suppress(OSError):
                process.terminate()
            process.close()
            raise
        code = _exit_code(process)
        if code is None:
            raise LinkLost(f"{self}: the connection broke off while `{_short(line)}` ran, so it has no exit code")
        process.close()
        return Finished(exit_code=code, stdout=_text(result[0]), stderr=_text(result[1]))

    async def _start(self, line: str) -> asyncssh.SSHClientProcess[Any]:
        import asyncssh

        for again in (True, False):
            connection = await self._open()
            try:
                return await connection.create_process(line, encoding="utf-8", errors="replace")
            except asyncssh.ChannelOpenError as error:
                # No command was sent yet. The connection may have died since its last use, with nobody told.
                if not again or not connection.is_closed():
                    raise LinkLost(f"{self}: no session was opened: {error.reason or error}") from error
        raise AssertionError("the loop returns or raises")

    async def _open(self) -> asyncssh.SSHClientConnection:
        """The connection that stands, else a new one."""
        async with self._making:
            if self._connection is None or self._connection.is_closed():
                self._connection = None
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        import asyncssh

        if not self.host:
            raise LinkRefused(f"{self.name} has no SSH: its record names no host")
        trusted = self._trusted()
        try:
            connection = await asyncssh.connect(
                self.host,
                self.port,
                username=self.user,
                client_keys=self._client_keys(),
                known_hosts=None if trusted is None else (trusted, [], []),
                config=None,
                agent_path=None,
                gss_host=None,
                password=None,
                preferred_auth="publickey",
                x509_trusted_certs=None,
                connect_timeout=self.connect_timeout,
                login_timeout=self.connect_timeout,
                keepalive_interval=KEEPALIVE,
                keepalive_count_max=3,
            )
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise LinkRefused(f"{self} shows another identity than was recorded: {error.reason}") from error
        except (asyncssh.PermissionDenied, asyncssh.IllegalUserName) as error:
            raise LinkRefused(f"{self} refuses the key {self.key or '(none)'}: {error.reason}") from error
        except asyncssh.DisconnectError as error:
            raise LinkDown(f"{self} hung up before it let us in: {error.reason}") from error
        except TimeoutError as error:
            raise LinkDown(f"{self} did not answer within {self.connect_timeout:g} s") from error
        except OSError as error:
            raise judged(error, str(self)) from error
        if trusted is None:
            seen = connection.get_server_host_key()
            if seen is not None:
                self.known_host = seen.export_public_key("openssh").decode().strip()
        return connection

    def _trusted(self) -> list[asyncssh.SSHKey] | None:
        """The keys that the node may show; None: any, this first time."""
        import asyncssh

        if not self.known_host:
            if self.accept:
                return None
            raise LinkRefused(f"{self}: no host key is recorded (known_host), so there is no telling who answers there")
        words = self.known_host.split()
        kind = next((place for place, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), None)
        if kind is None:
            raise LinkRefused(f"{self}: known_host is no host key line like `ssh-ed25519 AAAA…`: {self.known_host!r}")
        try:
            return [asyncssh.import_public_key(" ".join(words[kind : kind + 2]))]
        except asyncssh.KeyImportError as error:
            raise LinkRefused(f"{self}: known_host holds no usable key: {error}") from error

    def _client_keys(self) -> list[asyncssh.SSHKey]:
        import asyncssh

        if not self.key:
            return []
        try:
            return [asyncssh.read_private_key(self.key)]
        except (OSError, asyncssh.KeyImportError) as error:
            raise LinkRefused(f"{self}: our key {self.key} cannot be used: {error}") from error

    @contextlib.asynccontextmanager
    async def _in_use(self, what: str) -> AsyncIterator[None]:
        """Whatever breaks now broke while the connection was in use."""
        import asyncssh

        try:
            yield
        except asyncssh.SFTPNoSuchFile as error:
            raise FileNotFoundError(f"{self}: `{_short(what)}`: {error.reason}") from error
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError) as error:
            raise LinkLost(f"{self}: the connection broke off in `{_short(what)}`: {error.reason}") from error
        except asyncssh.ChannelOpenError as error:
            raise LinkLost(f"{self}: no session was opened for `{_short(what)}`: {error.reason}") from error
        except asyncssh.SFTPError as error:
            raise CannotTell(f"{self}: `{_short(what)}` was refused: {error.reason}") from error
        except ConnectionError as error:
            raise LinkLost(f"{self}: the connection broke off in `{_short(what)}`: {error}") from error


def _exit_code(process: asyncssh.SSHClientProcess[Any]) -> int | None:
    """None when there is none: the connection went away first."""
    code = process.returncode
    if code is None:
        return None
    return code if code >= 0 else 128 - code


def _text(data: object) -> str:
    return data if isinstance(data, str) else ""


def _short(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}..."
