"""The way to a node over SSH: connect until an SSH server speaks, then log in once."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import CannotTell, LinkDown, LinkRefused
from seatrial.links.paths import name_user
from seatrial.links.ssh.pins import pin
from seatrial.links.tcp import Address, judged, resolved
from seatrial.model.resource import Node

if TYPE_CHECKING:
    import asyncssh

SILENCE = 30.0
"""Seconds without any answer after which an open connection counts as interrupted: a paused machine, or a partition
that a command makes and heals itself, is shorter."""

KEEPALIVES = 4
"""Probes of a silent peer in that time."""

CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Preferred ciphers: they cost this side a third of chacha20."""

KNOCK_EVERY = 0.08
"""Seconds between connection attempts to a silent address: the kernel alone would retry only after 1, 3, 7 s."""

PROHIBITED = 1
"""The code of a refused channel in RFC 4254: administratively prohibited."""

RESETS, RESET_SECONDS = 3, 2.0
"""More logins after one that was lost, and the seconds for them: a server that has no cipher in common with Seatrial
resets the connection, and the reason that it sent before may be lost with it."""

KNOCKS = 12
"""Parallel connection attempts."""


@dataclass(slots=True)
class SshEndpoint:
    """The connection settings from `Node.ssh`."""

    name: str
    host: str
    port: int
    user: str
    keys: tuple[str, ...]
    known_host: str
    """Recorded host key lines."""
    known_hosts: str
    """A file of host keys, used without recorded ones."""
    accept: bool
    pins: str
    """A file of accepted host keys; the first one of a node is added, and must stay."""
    agent: bool
    become: bool
    jump: Node | None
    silence: float

    def __str__(self) -> str:
        return f"{self.name} ({self.user}@{self.host}:{self.port})"


def door(node: Node) -> SshEndpoint:
    """The connection settings of a node."""
    ssh: Mapping[str, Any] = node.ssh
    key, jump = ssh.get("key") or (), ssh.get("jump")
    return SshEndpoint(
        name=node.name,
        host=str(ssh.get("host") or ""),
        port=int(str(ssh.get("port") or 22)),
        user=str(ssh.get("user") or "root"),
        keys=tuple(map(str, key)) if isinstance(key, list | tuple) else (str(key),),
        known_host=str(ssh.get("known_host") or ""),
        known_hosts=str(ssh.get("known_hosts") or ""),
        accept=ssh.get("accept") is True,
        pins=str(ssh.get("pins") or ""),
        agent=ssh.get("agent") is True,
        become=ssh.get("become") is True,
        silence=float(str(ssh.get("silence") or SILENCE)),
        jump=Node(name=f"{node.name}'s jump host", ssh=jump) if isinstance(jump, Mapping) else None,
    )


async def log_in(
    door: SshEndpoint, connect_timeout: float, login_timeout: float, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """A logged-in connection. LinkDown when nobody answers, LinkRefused for a wrong identity on either side."""
    clock = asyncio.get_running_loop().time
    end = clock() + RESET_SECONDS
    for _ in range(RESETS):
        try:
            return await _log_in(door, connect_timeout, login_timeout, tunnel)
        except LinkDown as error:
            if not _was_lost(error.__cause__) or clock() > end:
                raise
    return await _log_in(door, connect_timeout, login_timeout, tunnel)


async def _log_in(
    door: SshEndpoint, connect_timeout: float, login_timeout: float, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    import asyncssh

    if not door.host:
        raise LinkRefused(f"{door.name} has no SSH: its record has no host")
    try:
        trusted, keys = _trusted(door), _client_keys(door)
    except CannotTell:
        if tunnel is None:  # nobody has to be trusted to be silent
            (await knock(door, connect_timeout, login_timeout)).close()
        raise
    accepted = False

    def signs(key: Any) -> Any:
        async def sign(data: bytes) -> bytes:
            nonlocal accepted
            accepted = True  # a server asks only for the signature of a key that it accepts
            signature: bytes = key.sign(data)
            return signature

        key.sign_async = sign
        return key

    sock = None if tunnel else await knock(door, connect_timeout, login_timeout)
    try:
        async with asyncio.timeout(login_timeout):
            name_user()
            connection = await asyncssh.connect(
                door.host,
                door.port,
                username=door.user,
                client_keys=[signs(key) for key in asyncssh.load_keypairs(keys)] if keys else keys,
                known_hosts=trusted,
                config=None,
                agent_path=os.environ.get("SSH_AUTH_SOCK") if door.agent else None,
                gss_host=None,
                password=None,
                preferred_auth="publickey",
                x509_trusted_certs=None,
                login_timeout=login_timeout,
                encryption_algs=CIPHERS,
                keepalive_interval=door.silence / KEEPALIVES,
                keepalive_count_max=KEEPALIVES - 1,
                tunnel=tunnel,
                sock=sock,
            )
    except BaseException as error:
        if sock is not None:
            sock.close()
        raise _failure(error, door, login_timeout, accepted) from error
    if trusted is None:
        key = connection.get_server_host_key()
        door.known_host = key.export_public_key("openssh").decode().strip() if key is not None else ""
        if door.pins and door.known_host:
            pin(Path(door.pins), door.host, door.port, door.known_host)
    return connection


def _was_lost(error: BaseException | None) -> bool:
    import asyncssh

    return isinstance(error, asyncssh.ConnectionLost | ConnectionResetError)


def _failure(error: BaseException, door: SshEndpoint, login_timeout: float, accepted: bool) -> BaseException:
    """The error for a failed login; `accepted`: the server accepted a key in it."""
    import asyncssh

    match error:
        case asyncssh.KeyExchangeFailed() if "host key" not in error.reason:
            return LinkRefused(
                f"{door} has no algorithm in common with Seatrial: {error.reason}; allow a current one in its "
                "sshd_config (Ciphers, MACs, KexAlgorithms)"
            )
        case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
            return LinkRefused(f"{door} shows another host key than the recorded one: {error.reason}")
        case asyncssh.PermissionDenied() if accepted:
            return LinkRefused(
                f"{door} accepts the key, and wants a second factor (a password or code), which Seatrial cannot give: "
                "set `AuthenticationMethods publickey` for this user in its sshd_config"
            )
        case asyncssh.PermissionDenied() | asyncssh.IllegalUserName():
            keys = ", ".join(door.keys) or ("(your own)" if door.agent else "(none)")
            return LinkRefused(f"{door} refuses the key {keys}: {error.reason}")
        case asyncssh.ChannelOpenError() if door.jump is not None:
            return _not_forwarded(error, door, f"{door.jump.name} ({door.jump.ssh.get('host')})")
        case asyncssh.DisconnectError() | asyncssh.ChannelOpenError():
            return LinkDown(f"{door} closed the connection before the login: {error.reason}")
        case TimeoutError():
            return LinkDown(f"{door} speaks SSH, but the login did not succeed within {login_timeout:g} s")
        case OSError():
            return judged(error, str(door))
    return error


def _not_forwarded(error: asyncssh.ChannelOpenError, door: SshEndpoint, jump: str) -> CannotTell:
    if error.code == PROHIBITED:
        remedy = "set `AllowTcpForwarding yes` in its sshd_config"
        return LinkRefused(f"{jump} does not forward to {door.host}:{door.port} ({error.reason}): {remedy}")
    return LinkDown(f"{door} does not answer behind {jump}: {error.reason}")


async def knock(door: SshEndpoint, timeout: float, speech: float) -> socket.socket:
    """A connection with the first data from the server; LinkDown when none is accepted within `timeout` seconds, or
    when the server says nothing for another `speech` seconds. CannotTell when its name cannot be resolved.

    Nothing is negotiated yet: on a booting machine a look costs a packet, not a handshake. A refusal ends the attempt
    at once, because callers retry; silent addresses are tried repeatedly.
    """
    addresses = await resolved(door.host, door.port, timeout=timeout)
    taken = asyncio.Event()
    try:
        async with asyncio.timeout(timeout) as limit:

            def accepted() -> None:
                if not taken.is_set():
                    taken.set()
                    limit.reschedule(asyncio.get_running_loop().time() + speech)

            return await _knocking(door, addresses, accepted, taken, timeout)
    except _Mute:
        raise LinkDown(f"{door} closed the connection before it sent anything") from None
    except TimeoutError:
        if taken.is_set():
            raise LinkDown(f"{door} accepts connections, but did not speak SSH within {speech:g} s") from None
        raise LinkDown(f"{door} did not answer within {timeout:g} s") from None
    except OSError as error:
        raise judged(error, str(door)) from error


class _Mute(Exception):
    """The server accepted the connection and closed it: typical for a port forwarded to nobody."""


async def _knocking(
    door: SshEndpoint, addresses: list[Address], accepted: Callable[[], None], taken: asyncio.Event, patience: float
) -> socket.socket:
    knocks: list[asyncio.Task[socket.socket]] = []
    kept: socket.socket | None = None
    count, last, clock = 0, 0.0, asyncio.get_running_loop().time
    try:
        while True:
            # A server busy with one connection gets no second one, unless that one may be lost.
            if not taken.is_set() or clock() - last > patience:
                turn = count % len(addresses)
                count, last = count + 1, clock()
                knocks.append(asyncio.ensure_future(_one(door, addresses[turn:] + addresses[:turn], accepted)))
                if len(knocks) > KNOCKS:
                    knocks.pop(0).cancel()
            done, _ = await asyncio.wait(knocks, timeout=KNOCK_EVERY, return_when=asyncio.FIRST_COMPLETED)
            if done:
                kept = next((attempt for attempt in done if not attempt.exception()), next(iter(done))).result()
                return kept
    finally:
        for attempt in knocks:
            attempt.cancel()
        try:
            await asyncio.gather(*knocks, return_exceptions=True)
        except asyncio.CancelledError:
            kept = None  # the time was up just now
            raise
        finally:
            # A node coming up answers several attempts at the same time.
            for attempt in knocks:
                if not attempt.cancelled() and not attempt.exception() and attempt.result() is not kept:
                    attempt.result().close()


async def _one(door: SshEndpoint, addresses: list[Address], accepted: Callable[[], None]) -> socket.socket:
    """Try these addresses in turn."""
    failed: BaseException | None = None
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
            accepted()
            _be_watchful(sock, door.silence)
            await _spoken(sock)
            return sock
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError | _Mute):
                raise
            failed = error
    assert failed is not None
    raise failed


def _be_watchful(sock: socket.socket, silence: float) -> None:
    """Make the kernel give up on a silent peer in time, even while only listening."""
    every = max(1, round(silence / KEEPALIVES))
    options = {"TCP_NODELAY": 1, "TCP_KEEPIDLE": every, "TCP_KEEPINTVL": every, "TCP_KEEPCNT": KEEPALIVES - 1,
               "TCP_USER_TIMEOUT": round(silence * 1000)}  # fmt: skip
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _spoken(sock: socket.socket) -> None:
    """Wait for the first byte without consuming it."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, lambda: None if first.done() else first.set_result(None))
    try:
        await first
    finally:
        loop.remove_reader(sock)
    if not sock.recv(1, socket.MSG_PEEK):
        raise _Mute


def unacknowledged(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether sent data have not reached the peer's kernel, as far as the local kernel knows."""
    sock = connection.get_extra_info("socket")
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except OSError:
        return True
    return bool(struct.unpack_from("=8B5I", info)[12])  # tcpi_unacked


def _trusted(door: SshEndpoint) -> tuple[Any, ...] | None:
    """The allowed host keys of the node; None: any, this first time."""

    if door.known_host:
        lines = [line for line in door.known_host.splitlines() if line.strip() and not line.startswith("#")]
        return ([_public(door, line) for line in lines], [], [])
    missing = (
        "no host key is recorded (known_host), so its identity cannot be verified; write `known_host: KEY` or "
        "`known_hosts: FILE` into its record, or `creates_machines: true` into `system:` if `deploy` creates it"
    )
    if door.known_hosts:
        if keys := _in_file(door, door.known_hosts):
            return keys
        scan = f"ssh-keyscan -p {door.port} {door.host} >> {door.known_hosts}"
        missing = (
            f"{door.known_hosts} has no host key of it, so its identity cannot be verified; compare the key's "
            f"fingerprint with the one on the machine itself, then: {scan}"
        )
    if door.accept:
        return _in_file(door, door.pins) if door.pins else None
    raise LinkRefused(f"{door}: {missing}")


def _in_file(door: SshEndpoint, file: str) -> tuple[Any, ...] | None:
    """The host keys of the node in a file of known hosts; None: it has none."""
    import asyncssh

    port = door.port if door.port != 22 else None
    try:
        keys = asyncssh.match_known_hosts(os.path.expanduser(file), door.host, "", port)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LinkRefused(f"{door}: the host keys in {file} cannot be read: {error}") from error
    return keys if keys[0] or keys[1] else None


def _public(door: SshEndpoint, line: str) -> asyncssh.SSHKey:
    import asyncssh

    words = line.split()
    kind = next((place for place, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), None)
    if kind is None:
        raise LinkRefused(f"{door}: known_host is not a host key line like `ssh-ed25519 AAAA…`: {line!r}")
    try:
        return asyncssh.import_public_key(" ".join(words[kind : kind + 2]))
    except asyncssh.KeyImportError as error:
        raise LinkRefused(f"{door}: known_host has no usable key: {error}") from error


def _client_keys(door: SshEndpoint) -> list[Any] | tuple[()] | None:
    """The client keys: those of the record, plus the user's own (default files and agent) if enabled; else none."""
    import asyncssh

    keys = []
    for key in filter(None, door.keys):
        try:
            keys.append(asyncssh.read_private_key(Path(key).expanduser()))
        except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise LinkRefused(f"{door}: the key {key} cannot be used: {error}") from error
    return keys or (() if door.agent else None)
