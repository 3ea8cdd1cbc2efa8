"""SSH into a node: one connection that is made when it is needed, and made again after the node was down.

The user's own SSH settings (config, known hosts, keys, agent) are not read unless the node's record says so: a trial
depends on nothing but that record.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused, ToolMissing
from seatrial.links.ssh.endpoint import KNOCK_EVERY, Busy, door, log_in, unacknowledged
from seatrial.model.resource import Node
from seatrial.spi import Finished

if TYPE_CHECKING:
    import asyncssh

    from seatrial.links.ssh.session import Session

__all__ = ["SSHLink"]

T = TypeVar("T")

PATIENCE = 0.3
"""Seconds that a connection which stands may take to acknowledge before another is tried beside it."""

SESSIONS = 10
"""Commands and copies at a time on one connection: what OpenSSH's server allows unless it is told otherwise."""

FILE_SECONDS = 600.0
CHUNK = 256 * 1024


class SSHLink:
    """A way into a node over SSH: see spi.Link for what its methods promise.

    How to reach it is in the node's record, `Node.ssh`: host, port (22), user (root), key (a file, or several),
    known_host (the host keys that were recorded, lines like `ssh-ed25519 AAAA…`, also with host names before it) or
    known_hosts (a file of such). A node without a known key is refused, unless `accept` is true: then the key seen
    first is recorded, in `known_host`, and must stay. `agent` true: the user's own keys are tried too. `become` true:
    everything is done as root, by `sudo -n`. `jump`: the same words for a machine to go through.
    """

    def __init__(self, node: Node, *, connect_timeout: float = 5.0, login_timeout: float = 20.0) -> None:
        """`connect_timeout`: until somebody speaks SSH there, longer after a connection that was taken in silence;
        `login_timeout`: from then until we are let in."""
        self.name = node.name
        self._door = door(node)
        self._connect_timeout, self._login_timeout = connect_timeout, login_timeout
        self._patience = connect_timeout
        self._connection: asyncssh.SSHClientConnection | None = None
        self._attempt: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._jump: SSHLink | None = None
        if self._door.jump is not None:
            behind = Node(name=self._door.jump.name, ssh=dict(node.ssh["jump"]))  # type: ignore[call-overload]
            self._jump = SSHLink(behind, connect_timeout=connect_timeout, login_timeout=login_timeout)
        self._places = asyncio.Semaphore(SESSIONS)

    def __str__(self) -> str:
        return str(self._door)

    @property
    def known_host(self) -> str:
        """The host keys that the node may show; one that was accepted is here too."""
        return self._door.known_host

    @known_host.setter
    def known_host(self, lines: str) -> None:
        self._door.known_host = lines

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command; one that died of a signal has exit code 128 + its number. Of each stream the first and the
        last 2 MiB are kept."""
        return await self._ran(command, timeout, input, env, root=self._door.become)

    async def sudo(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command as root: by `sudo -n` when the user is another; LinkRefused when sudo asks for a password."""
        return await self._ran(command, timeout, input, env, root=True)

    async def put(self, local: Path, remote: str, *, timeout: float = FILE_SECONDS) -> None:
        """Copy a file to the node."""
        async with self._in_time(f"put {remote}", timeout):
            if self._by_sudo(self._door.become):
                await self._put_by_command(local, remote)
                return
            async with await self._begun(lambda connection: connection.start_sftp_client()) as sftp:
                await sftp.put(str(local), remote)

    async def get(self, remote: str, local: Path, *, timeout: float = FILE_SECONDS) -> None:
        """Copy a file from the node; FileNotFoundError when it is not there."""
        async with self._in_time(f"get {remote}", timeout):
            if self._by_sudo(self._door.become):
                await self._get_by_command(remote, local)
                return
            async with await self._begun(lambda connection: connection.start_sftp_client()) as sftp:
                await sftp.get(remote, str(local))

    @contextlib.asynccontextmanager
    async def forward(self, host: str, port: int) -> AsyncIterator[int]:
        """A port on this host's loopback that leads to where the node reaches `host`:`port`, as long as it is used."""
        import asyncssh

        try:
            listener = await (await self._open()).forward_local_port("127.0.0.1", 0, host, port)
        except (asyncssh.Error, OSError) as error:
            raise LinkLost(f"{self}: no port could be forwarded to {host}:{port}: {error}") from error
        try:
            yield listener.get_port()
        finally:
            listener.close()

    async def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""
        connection, self._connection = self._connection, None
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
        if connection is not None:
            connection.close()
            try:
                async with asyncio.timeout(1.0):
                    await connection.wait_closed()
            except TimeoutError:  # The peer says nothing any more: it need not agree.
                connection.abort()
        if self._jump is not None:
            await self._jump.close()

    def abort(self) -> None:
        """Let go of the connection at once: for whoever knows that the node went down. What runs over it ends as
        LinkLost now, and the next command makes a new connection."""
        connection, self._connection = self._connection, None
        if self._attempt is not None:
            self._attempt.cancel()
        if connection is not None:
            connection.abort()

    async def lets_in(self) -> bool:
        """Whether the node takes our key, found out by a login; LinkDown when it does not answer, LinkRefused when
        something else than the key is wrong: its identity, our file, the machine to go through."""
        import asyncssh

        if self._jump is not None:
            await self._jump._open()
        try:
            await self._open()
        except LinkRefused as error:
            if isinstance(error.__cause__, asyncssh.PermissionDenied):
                return False
            raise
        return True

    # Commands

    def _by_sudo(self, root: bool) -> bool:
        return root and self._door.user != "root"

    async def _ran(
        self, command: str | Sequence[str], timeout: float, input: str, env: Mapping[str, str] | None, *, root: bool
    ) -> Finished:
        line = command if isinstance(command, str) else shlex.join(command)
        if env:  # sshd drops variables that it was not told to accept, so the node's shell sets them.
            line = " ".join(f"export {name}={shlex.quote(value)};" for name, value in env.items()) + " " + line
        by_sudo = self._by_sudo(root)
        async with self._in_time(line, timeout):
            session = await self._session(_as_root(line) if by_sudo else line, shown=line, input=input.encode())
            code = self._code(session, line)
            done = Finished(exit_code=code, stdout=session.out.text(), stderr=session.err.text())
            if by_sudo and not done.ok and "sudo" in done.stderr:
                await self._require_sudo()
        return done

    async def _session(
        self, line: str, *, shown: str, input: bytes | Path = b"", each: Callable[[bytes], object] | None = None
    ) -> Session:
        """Run a line and return when it ended, or the connection did; `each` gets the output instead of keeping it."""
        from seatrial.links.ssh.session import Session

        session = Session()
        if each is not None:
            session.out.add = each  # type: ignore[method-assign, assignment]

        def start(connection: asyncssh.SSHClientConnection) -> Awaitable[Any]:
            return connection.create_session(lambda: session, line, encoding=None)

        async with self._places:
            try:
                await self._begun(start, sent=lambda: session.sent)
                await _feed(session, input)
                await session.ended.wait()
            finally:
                session.cut()
        return session

    def _code(self, session: Session, line: str) -> int:
        if session.code is None:
            raise LinkLost(f"{self}: the connection broke off while `{_short(line)}` ran, so it has no exit code")
        return session.code

    async def _require_sudo(self) -> None:
        """Tell a command that failed from a sudo that did."""
        tried = await self._session("sudo -n true", shown="sudo -n true")
        if self._code(tried, "sudo -n true") == 127:
            raise ToolMissing(
                f"{self}: there is no sudo, and {self._door.user} is not root: log in as root, or bring it"
            )
        if tried.code != 0:
            raise LinkRefused(
                f"{self}: {self._door.user} may not run commands as root without a password "
                f"({tried.err.text().strip()}); put `{self._door.user} ALL=(ALL) NOPASSWD: ALL` into sudoers"
            )

    async def _put_by_command(self, local: Path, remote: str) -> None:
        line = shlex.join(["/bin/sh", "-c", 'exec cat >"$0"', remote])
        session = await self._session(_as_root(line), shown=line, input=local)
        await self._require_copied(session, f"put {remote}")

    async def _get_by_command(self, remote: str, local: Path) -> None:
        line = shlex.join(["/bin/sh", "-c", '[ -e "$0" ] || exit 44; exec cat -- "$0"', remote])
        with local.open("wb") as file:
            session = await self._session(_as_root(line), shown=line, each=file.write)
        if session.code != 0:
            local.unlink()
        if session.code == 44:
            raise FileNotFoundError(f"{self}: there is no file {remote}")
        await self._require_copied(session, f"get {remote}")

    async def _require_copied(self, session: Session, what: str) -> None:
        if self._code(session, what) != 0:
            await self._require_sudo()
            raise CannotTell(f"{self}: `{_short(what)}` was refused: {session.err.text().strip()}")

    # The connection

    async def _begun(
        self, start: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], *, sent: Callable[[], bool] = lambda: False
    ) -> T:
        """What `start` opens on the connection that stands, or on a new one when that has died since its last use.

        `sent`: whether the node may have acted on it already; then it is not begun a second time."""
        import asyncssh

        for again in (True, False):
            connection = await self._open()
            opening = asyncio.ensure_future(start(connection))
            try:
                if again and await self._replaced(connection, opening, sent):
                    continue
                return await opening
            except (asyncssh.ChannelOpenError, asyncssh.SFTPConnectionLost, asyncssh.DisconnectError, OSError):
                if not again or sent() or (connection is self._connection and not connection.is_closed()):
                    raise
            finally:
                if not opening.done():
                    opening.cancel()
                    await asyncio.wait([opening])
        raise AssertionError("the loop returns or raises")

    async def _replaced(
        self, connection: asyncssh.SSHClientConnection, opening: asyncio.Future[Any], sent: Callable[[], bool]
    ) -> bool:
        """Whether the connection was dead, with nobody told, and another stands in its place now."""
        done, _ = await asyncio.wait([opening], timeout=PATIENCE)
        if done or sent() or not unacknowledged(connection):
            return False
        replacing = asyncio.ensure_future(self._another(connection))
        try:
            await asyncio.wait([opening, replacing], return_when=asyncio.FIRST_COMPLETED)
            return self._connection is not connection and not opening.done() and not sent()
        finally:
            replacing.cancel()
            await asyncio.wait([replacing])

    async def _another(self, dead: asyncssh.SSHClientConnection) -> None:
        """Return when a new connection stands; the old one may still turn out to live, so this goes on and on."""
        while self._connection in (dead, None):
            try:
                await self._new()
            except (LinkDown, LinkLost):
                await asyncio.sleep(KNOCK_EVERY)
            except CannotTell:
                await asyncio.sleep(self._connect_timeout)

    async def _open(self) -> asyncssh.SSHClientConnection:
        """The connection that stands, else a new one."""
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await self._new()
        return connection

    async def _new(self) -> asyncssh.SSHClientConnection:
        """A new connection; all who want one wait for the same attempt, which goes on when they give up."""
        if self._attempt is None:
            self._attempt = asyncio.get_running_loop().create_task(self._connect())
            self._attempt.add_done_callback(self._attempted)
        attempt = self._attempt
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if attempt.cancelled() and task is not None and not task.cancelling():
                raise LinkLost(f"{self}: the connection was let go while it was being made") from None
            raise

    async def _connect(self) -> asyncssh.SSHClientConnection:
        tunnel = await self._jump._open() if self._jump is not None else None
        try:
            connection = await log_in(
                self._door, connect_timeout=self._patience, login_timeout=self._login_timeout, tunnel=tunnel
            )
        except Busy:
            # A slow machine would never be done with connections that are given up sooner than it can answer.
            self._patience = min(2 * self._patience, max(self._connect_timeout, self._login_timeout))
            raise
        self._patience = self._connect_timeout
        return connection

    def _attempted(self, attempt: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        if self._attempt is attempt:
            self._attempt = None
        if attempt.cancelled() or attempt.exception() is not None:
            return
        old, self._connection = self._connection, attempt.result()
        if old is not None and not old.is_closed():
            old.abort()

    @contextlib.asynccontextmanager
    async def _in_time(self, what: str, timeout: float) -> AsyncIterator[None]:
        """Whatever breaks now broke while the connection was in use; what takes too long is a TimeoutError, or
        LinkDown when not even a connection came about."""
        import asyncssh

        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            if self._connection is None or self._connection.is_closed():
                raise LinkDown(f"{self} did not let us in within {timeout:g} s, for `{_short(what)}`") from None
            raise TimeoutError(f"{self}: `{_short(what)}` did not end within {timeout:g} s") from None
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


async def _feed(session: Session, input: bytes | Path) -> None:
    if isinstance(input, Path):
        with input.open("rb") as file:
            while data := file.read(CHUNK):
                await session.write(data)
    elif input:
        await session.write(input)
    session.end_input()  # else a command that reads would wait for ever


def _as_root(line: str) -> str:
    return shlex.join(["sudo", "-n", "--", "/bin/sh", "-c", line])


def _short(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}..."
