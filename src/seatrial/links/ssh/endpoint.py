"""The way to a node over SSH: connect until an SSH server speaks, then log in once."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import LinkDown, LinkRefused
from seatrial.links.tcp import judged
from seatrial.model.resource import Node

if TYPE_CHECKING:
    import asyncssh

KEEPALIVE = 1.0
"""Seconds between probes of a silent peer; the fourth one without an answer ends the connection."""

UNACKNOWLEDGED = 2.0
"""Seconds for the peer's kernel to acknowledge sent data: a machine without power is silent."""

CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Preferred ciphers: they cost this side a third of chacha20."""

KNOCK_EVERY = 0.08
"""Seconds between connection attempts to a silent address: the kernel alone would retry only after 1, 3, 7 s."""

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
    agent: bool
    become: bool
    jump: Node | None

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
        agent=ssh.get("agent") is True,
        become=ssh.get("become") is True,
        jump=Node(name=f"{node.name}'s jump host", ssh=jump) if isinstance(jump, Mapping) else None,
    )


async def log_in(
    door: SshEndpoint, connect_timeout: float, login_timeout: float, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """A logged-in connection. LinkDown when nobody answers, LinkRefused for a wrong identity on either side."""
    import asyncssh

    if not door.host:
        raise LinkRefused(f"{door.name} has no SSH: its record has no host")
    trusted, keys = _trusted(door), _client_keys(door)
    sock = None if tunnel else await knock(door, connect_timeout)
    try:
        async with asyncio.timeout(login_timeout):
            connection = await asyncssh.connect(
                door.host,
                door.port,
                username=door.user,
                client_keys=keys,
                known_hosts=trusted,
                config=None,
                agent_path=os.environ.get("SSH_AUTH_SOCK") if door.agent else None,
                gss_host=None,
                password=None,
                preferred_auth="publickey",
                x509_trusted_certs=None,
                login_timeout=login_timeout,
                encryption_algs=CIPHERS,
                keepalive_interval=KEEPALIVE,
                keepalive_count_max=3,
                tunnel=tunnel,
                sock=sock,
            )
    except BaseException as error:
        if sock is not None:
            sock.close()
        raise _failure(error, door, login_timeout) from error
    if trusted is None:
        key = connection.get_server_host_key()
        door.known_host = key.export_public_key("openssh").decode().strip() if key is not None else ""
    return connection


def _failure(error: BaseException, door: SshEndpoint, login_timeout: float) -> BaseException:
    """The error for a failed login."""
    import asyncssh

    match error:
        case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
            return LinkRefused(f"{door} shows another host key than the recorded one: {error.reason}")
        case asyncssh.PermissionDenied() | asyncssh.IllegalUserName():
            keys = ", ".join(door.keys) or ("(your own)" if door.agent else "(none)")
            return LinkRefused(f"{door} refuses the key {keys}: {error.reason}")
        case asyncssh.DisconnectError() | asyncssh.ChannelOpenError():
            return LinkDown(f"{door} closed the connection before the login: {error.reason}")
        case TimeoutError():
            return LinkDown(f"{door} speaks SSH, but the login did not succeed within {login_timeout:g} s")
        case OSError():
            return judged(error, str(door))
    return error


async def knock(door: SshEndpoint, timeout: float) -> socket.socket:
    """A connection with the first data from the server; LinkDown when none comes in time.

    Nothing is negotiated yet: on a booting machine a look costs a packet, not a handshake. A refusal ends the attempt
    at once, because callers retry; silent addresses are tried repeatedly.
    """
    taken = asyncio.Event()
    try:
        async with asyncio.timeout(timeout):
            loop = asyncio.get_running_loop()
            infos = await loop.getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in infos))
            return await _knocking(addresses, taken)
    except _Mute:
        raise LinkDown(f"{door} closed the connection before it sent anything") from None
    except TimeoutError:
        kind = Busy if taken.is_set() else LinkDown
        raise kind(f"{door} did not answer within {timeout:g} s") from None
    except OSError as error:
        raise judged(error, str(door)) from error


class Busy(LinkDown):
    """The server accepts connections but is silent so far. Another connection would only add to its load."""


class _Mute(Exception):
    """The server accepted the connection and closed it: typical for a port forwarded to nobody."""


async def _knocking(addresses: list[tuple[Any, Any]], taken: asyncio.Event) -> socket.socket:
    knocks: list[asyncio.Task[socket.socket]] = []
    kept: socket.socket | None = None
    count = 0
    try:
        while True:
            if not taken.is_set():  # a server busy with one connection gets no second one
                turn = count % len(addresses)
                count += 1
                knocks.append(asyncio.ensure_future(_one(addresses[turn:] + addresses[:turn], taken)))
                if len(knocks) > KNOCKS:
                    knocks.pop(0).cancel()
            done, _ = await asyncio.wait(knocks, timeout=KNOCK_EVERY, return_when=asyncio.FIRST_COMPLETED)
            if done:
                kept = next((attempt for attempt in done if not attempt.exception()), next(iter(done))).result()
                return kept
    finally:
        for attempt in knocks:
            attempt.cancel()
        for answer in await asyncio.gather(*knocks, return_exceptions=True):
            # A node coming up answers several attempts at the same time.
            if isinstance(answer, socket.socket) and answer is not kept:
                answer.close()


async def _one(addresses: list[tuple[Any, Any]], taken: asyncio.Event) -> socket.socket:
    """Try these addresses in turn."""
    failed: BaseException | None = None
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
            taken.set()
            _be_watchful(sock)
            await _spoken(sock)
            return sock
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError | _Mute):
                raise
            failed = error
    assert failed is not None
    raise failed


def _be_watchful(sock: socket.socket) -> None:
    """Make the kernel give up on a silent peer soon, even while only listening."""
    options = {"TCP_NODELAY": 1, "TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3,
               "TCP_USER_TIMEOUT": round(UNACKNOWLEDGED * 1000)}  # fmt: skip
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
    import asyncssh

    if door.known_host:
        lines = [line for line in door.known_host.splitlines() if line.strip() and not line.startswith("#")]
        return ([_public(door, line) for line in lines], [], [])
    missing = "no host key is recorded (known_host), so its identity cannot be verified"
    if door.known_hosts:
        port = door.port if door.port != 22 else None
        try:
            keys = asyncssh.match_known_hosts(os.path.expanduser(door.known_hosts), door.host, "", port)
        except FileNotFoundError:
            keys = ((), (), (), (), (), (), ())
        except (OSError, ValueError) as error:
            raise LinkRefused(f"{door}: the host keys in {door.known_hosts} cannot be read: {error}") from error
        if keys[0] or keys[1]:
            return keys
        scan = f"ssh-keyscan -p {door.port} {door.host} >> {door.known_hosts}"
        missing = (
            f"{door.known_hosts} has no host key of it, so its identity cannot be verified; compare the key's "
            f"fingerprint with the one on the machine itself, then: {scan}"
        )
    if door.accept:
        return None
    raise LinkRefused(f"{door}: {missing}")


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
