"""SSH into a node: one connection, opened on use, and opened again after the node was down.

The user's own SSH settings (config, known hosts, keys, agent) are ignored unless the node's record enables them: a
trial depends only on the record.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused, ToolMissing
from seatrial.links.output import short
from seatrial.links.process import TimedOut
from seatrial.links.ssh import ending
from seatrial.links.ssh.connection import Connection
from seatrial.links.ssh.endpoint import door, log_in
from seatrial.links.ssh.places import WAIT, Places, Refused
from seatrial.links.ssh.wire import Order, numbers, order
from seatrial.model.resource import Node
from seatrial.spi import Finished
from seatrial.spi.concurrency import finish
from seatrial.spi.link import NOT_FOUND, Command

if TYPE_CHECKING:
    import asyncssh

    from seatrial.links.ssh.session import Session

__all__ = ["SSHLink"]

FILE_SECONDS = 600.0
CHUNK = 256 * 1024

ENDING = 20.0
"""Seconds to end the processes of a command on the node."""

ABSENT, NOT_REGULAR = 44, 45
"""Exit codes of the scripts for files."""

FILE = "SEATRIAL_FILE"
"""The variable with the path of a file: a name can have a secret in it, and every user can read command lines."""
GET = f'[ -e "${FILE}" ] || exit {ABSENT}; [ -f "${FILE}" ] || exit {NOT_REGULAR}; exec cat <"${FILE}"'
PUT = f'[ -f "${FILE}" ] || ! [ -e "${FILE}" ] || exit {NOT_REGULAR}; exec cat >"${FILE}"'


class SSHLink:
    """A link to a node over SSH: see spi.Link for the contract of its methods.

    The node's record, `Node.ssh`, describes the connection: host, port (22), user (root), key (a file, or several),
    known_host (recorded host keys, lines like `ssh-ed25519 AAAA…`, optionally with host names in front) or known_hosts
    (a file of such lines). A node without a known key is refused, unless `accept` is true: then the first key is
    recorded in `known_host`, and must stay; with `pins` (a file) also for later links of the trial. `agent` true: the
    user's own keys are tried too. `become` true: all commands run as root, through `sudo -n`. `jump`: the same keys for
    a machine to go through.
    `silence`: seconds (30) without any answer after which an open connection counts as interrupted.

    `trial` marks the processes of commands, so that all of them can be ended at its end.
    """

    def __init__(
        self, node: Node, *, connect_timeout: float = 5.0, login_timeout: float = 20.0, trial: str = ""
    ) -> None:
        """`connect_timeout`: until a server accepts the connection; `login_timeout`: from then until it speaks SSH, and
        again until the login succeeds."""
        self.name = node.name
        self._node = node
        self._door = door(node)
        self._connect_timeout, self._login_timeout = connect_timeout, login_timeout
        self._jump: SSHLink | None = None
        if self._door.jump is not None:
            self._jump = SSHLink(self._door.jump, connect_timeout=connect_timeout, login_timeout=login_timeout)
        self._places = Places()
        self._connection = Connection(str(self), self._log_in, self._places.forget, pause=connect_timeout)
        self._numbers = numbers(trial)
        self._unended: dict[int, Order] = {}
        """Commands that timed out while the node was silent: they are ended before anything else begins."""

    def __str__(self) -> str:
        return str(self._door)

    @property
    def known_host(self) -> str:
        """The allowed host keys of the node, including an accepted one."""
        return self._door.known_host

    @known_host.setter
    def known_host(self, lines: str) -> None:
        self._door.known_host = lines

    async def run(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command; after death by a signal its exit code is 128 + its number. Keeps the first and the last 2 MiB
        of each stream. It ends when the command itself ends, though processes that it left may hold its output open.
        """
        return await self._ran(command, timeout, input, env, root=self._door.become)

    async def follow(
        self,
        command: Command,
        *,
        output: Callable[[bytes], None],
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command; `output` gets its lines as they come, all of them."""
        return await self._ran(command, timeout, input, env, root=self._door.become, output=output)

    async def sudo(
        self,
        command: Command,
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
        power: bool = False,
    ) -> Finished:
        """Run a command as root, through `sudo -n` for other users; LinkRefused when sudo asks for a password. `power`:
        the machine goes down by it, so its processes are not ended after the timeout."""
        return await self._ran(command, timeout, input, env, root=True, power=power)

    async def put(self, local: Path, remote: str, *, timeout: float = FILE_SECONDS) -> None:
        """Copy a file to the node."""
        await self._copied(PUT, remote, f"put {remote}", timeout, input=local)

    async def get(self, remote: str, local: Path, *, timeout: float = FILE_SECONDS) -> None:
        """Copy a regular file from the node, also from behind a link; FileNotFoundError when it does not exist."""
        try:
            with local.open("wb") as file:
                await self._copied(GET, remote, f"get {remote}", timeout, each=file.write)
        except BaseException:
            local.unlink(missing_ok=True)
            raise

    @contextlib.asynccontextmanager
    async def forward(self, host: str, port: int) -> AsyncIterator[int]:
        """A port on this host's loopback, forwarded through the node to `host`:`port` while it is used."""
        import asyncssh

        try:
            listener = await (await self._connection.open()).forward_local_port("127.0.0.1", 0, host, port)
        except (asyncssh.Error, OSError) as error:
            raise LinkLost(f"{self}: no port could be forwarded to {host}:{port}: {error}") from error
        try:
            yield listener.get_port()
        finally:
            listener.close()

    async def close(self) -> None:
        """Close the connection; it is opened again on use."""
        await self._connection.close()
        if self._jump is not None:
            await self._jump.close()

    def abort(self) -> None:
        """Drop the connection at once, because the node is known to be down. Running commands end as LinkLost, and the
        next command opens a new connection."""
        self._unended.clear()
        self._connection.abort()

    async def lets_in(self) -> bool:
        """Whether the node accepts the key, tested by a login; LinkDown when it does not answer, LinkRefused when
        something other than the key is wrong: the node's identity, the key file, the jump host."""
        import asyncssh

        if self._jump is not None:
            await self._jump._connection.open()
        try:
            await self._connection.open()
        except LinkRefused as error:
            if isinstance(error.__cause__, asyncssh.PermissionDenied):
                return False
            raise
        return True

    # Commands

    def _by_sudo(self, root: bool) -> bool:
        return root and self._door.user != "root"

    async def _ran(
        self,
        command: Command,
        timeout: float,
        input: str,
        env: Mapping[str, str] | None,
        *,
        root: bool,
        power: bool = False,
        output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        sent = order(command, env, sudo=self._by_sudo(root), number=0 if power else next(self._numbers))
        session = await self._session(sent, timeout, input=input.encode(), output=output)
        code = self._code(session, sent.shown)
        dropped = session.out.dropped + session.err.dropped
        done = Finished(exit_code=code, stdout=session.out.text(), stderr=session.err.text(), dropped=dropped)
        if sent.sudo and not done.ok and "sudo" in done.stderr:
            await self._require_sudo()
        return done

    async def _copied(self, script: str, remote: str, what: str, timeout: float, **streams: Any) -> None:
        command = ["/bin/sh", "-c", script]
        sent = order(command, {FILE: remote}, sudo=self._by_sudo(self._door.become), number=next(self._numbers))
        session = await self._session(sent, timeout, shown=what, **streams)
        code = self._code(session, what)
        if code == ABSENT:
            raise FileNotFoundError(f"{self}: the file {remote} does not exist")
        if code == NOT_REGULAR:
            raise CannotTell(f"{self}: {remote} is not a regular file")
        if code != 0:
            if sent.sudo:
                await self._require_sudo()
            raise CannotTell(f"{self}: `{short(what)}` was refused: {session.err.text().strip()}")

    async def _session(
        self,
        sent: Order,
        timeout: float,
        *,
        shown: str = "",
        input: bytes | Path = b"",
        each: Callable[[bytes], object] | None = None,
        output: Callable[[bytes], None] | None = None,
    ) -> Session:
        """Run a command until it or the connection ends; `each` gets the output instead of keeping it, `output` its
        lines besides.

        The time begins when the connection has room for a session. A command that times out is ended on the node.
        """
        from seatrial.links.ssh.session import Session

        if self._unended:
            await self._end(*self._unended.values())
        end = asyncio.get_running_loop().time() + WAIT
        while True:
            place = await self._places.take(end, str(self))
            session = Session(sent.token, closed=place, each=each, output=output)
            try:
                async with self._in_time(shown or sent.shown, timeout):
                    await self._started(session, sent)
                    await _feed(session, sent.preface, input)
                    await session.ended.wait()
                    if session.code is None:
                        raise self._interruption(session, shown or sent.shown)
                    return session
            except Refused as refused:
                why = str(refused)
            except TimeoutError as error:
                session.cut()
                await self._end_late(session, sent, str(error))
                raise TimedOut(str(error), session.out.text(), session.err.text()) from None
            except asyncio.CancelledError:
                session.cut()
                if session.marked.begun:
                    await finish(asyncio.ensure_future(self._end_late(session, sent, "it was cancelled")), ENDING)
                raise
            finally:
                session.cut()
            await self._places.refused(end, str(self), why)

    async def _started(self, session: Session, sent: Order) -> None:
        import asyncssh

        async def start(connection: asyncssh.SSHClientConnection) -> None:
            try:
                await connection.create_session(lambda: session, sent.line, encoding=None)
            except asyncssh.ChannelOpenError as error:
                if session.sent or connection.is_closed() or error.reason == "SSH connection closed":
                    raise
                raise Refused(error.reason) from error
            self._places.opened()

        await self._connection.begun(start, sent=lambda: session.sent)

    def _interruption(self, session: Session, shown: str) -> LinkLost:
        silent = f" after {self._door.silence:g} s of silence" if session.silent else ""
        return LinkLost(
            f"{self}: the connection was interrupted{silent} while `{short(shown)}` ran, so it has no exit code"
        )

    def _code(self, session: Session, shown: str) -> int:
        if session.code is None:
            raise self._interruption(session, shown)
        if not session.marked.begun:
            said = f": {session.greeting[-300:]}" if session.greeting else ""
            raise LinkRefused(
                f"{self}: the login shell of {self._door.user} runs no commands (exit code {session.code}){said}; give "
                "the user a shell, for example by `chsh -s /bin/sh`, or log in as another user"
            )
        return session.code

    # The end of what timed out

    async def _end_late(self, session: Session, sent: Order, why: str) -> None:
        """End a command that timed out; a node that is silent now gets that as its next command. CannotTell when some
        of its processes remain."""
        if not sent.number or not session.sent:
            return
        self._unended[sent.number] = sent
        if not session.marked.begun:
            return
        try:
            await self._end(sent)
        except (LinkDown, LinkLost, TimeoutError):
            return
        except CannotTell as error:
            raise CannotTell(f"{why}, and could not be ended: {error}") from error

    async def _end(self, *unended: Order) -> None:
        """End the processes of these commands, over a connection of its own: theirs may have no room for a session."""
        other = SSHLink(self._node, connect_timeout=min(2.0, self._connect_timeout), login_timeout=self._login_timeout)
        other._door, other._jump = self._door, self._jump
        script = ending.of_commands(sent.number for sent in unended)
        try:
            session = await other._session(order(script, None, sudo=False, number=0), ENDING)
            remain = other._code(session, "kill") != 0
            # A user neither sees nor may end all that its commands started as root.
            if self._by_sudo(True) and (remain or any(sent.sudo or "sudo" in sent.command for sent in unended)):
                as_root = await other._session(order(script, None, sudo=True, number=0), ENDING)
                remain = remain and other._code(as_root, "kill") != 0
            if remain:
                raise CannotTell(f"{self}: {session.err.text().strip()}")
        finally:
            other._jump = None
            await other.close()
        for sent in unended:
            self._unended.pop(sent.number, None)

    async def _require_sudo(self) -> None:
        """Distinguish a failed command from a failed sudo."""
        user = self._door.user
        tried = await self._session(order("sudo -n true", None, sudo=False, number=0), ENDING)
        code, said = self._code(tried, "sudo -n true"), tried.err.text().strip()
        if code == NOT_FOUND:
            raise ToolMissing(f"{self}: sudo is not installed, and {user} is not root: log in as root, or install sudo")
        if code == 0:
            return
        if "tty" in said:
            remedy = f"put `Defaults:{user} !requiretty` into sudoers"
            raise LinkRefused(f"{self}: sudo runs commands of {user} in a terminal only ({said}); {remedy}")
        raise LinkRefused(
            f"{self}: {user} may not run commands as root without a password ({said}); put "
            f"`{user} ALL=(ALL) NOPASSWD: ALL` into sudoers"
        )

    # The connection

    async def _log_in(self) -> asyncssh.SSHClientConnection:
        tunnel = await self._jump._connection.open() if self._jump is not None else None
        return await log_in(self._door, self._connect_timeout, self._login_timeout, tunnel)

    @contextlib.asynccontextmanager
    async def _in_time(self, what: str, timeout: float) -> AsyncIterator[None]:
        """Errors from here on happened while the connection was in use; a timeout is a TimeoutError, or LinkDown when
        no connection was opened."""
        import asyncssh

        limit, shown = asyncio.timeout(timeout), f"`{short(what)}`"
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            if not self._connection.is_open:
                raise LinkDown(f"{self}: the login did not succeed within {timeout:g} s, for {shown}") from None
            raise TimeoutError(f"{self}: {shown} did not end within {timeout:g} s") from None
        except (asyncssh.DisconnectError, asyncssh.ChannelOpenError) as error:
            if isinstance(error, asyncssh.ChannelOpenError) and self._connection.is_open:
                raise CannotTell(f"{self}: the server does not run {shown}: {error.reason}") from error
            raise LinkLost(f"{self}: the connection was interrupted in {shown}: {error.reason}") from error
        except ConnectionError as error:
            raise LinkLost(f"{self}: the connection was interrupted in {shown}: {error}") from error


async def _feed(session: Session, preface: bytes, input: bytes | Path) -> None:
    if preface:
        await session.write(preface)
    if isinstance(input, Path):
        with input.open("rb") as file:
            while data := file.read(CHUNK):
                await session.write(data)
    elif input:
        await session.write(input)
    session.end_input()  # otherwise a command that reads would wait forever
