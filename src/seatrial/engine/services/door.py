"""The socket of a service's keeper: one JSON object on each line, both ways."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "door"
WAITING = 1024
"""Connections that the kernel keeps until the keeper takes them."""


def listen(folder: Path) -> socket.socket:
    """The socket of a keeper; it replaces that of a dead one."""
    (folder / NAME).unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    try:
        with _short(folder) as path:
            door.bind(path)
        (folder / NAME).chmod(0o600)
        door.listen(WAITING)
        door.setblocking(False)
    except BaseException:
        door.close()
        raise
    return door


def connect(folder: Path) -> socket.socket | None:
    """A connection to the keeper; None when there is none."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _short(folder) as path:
            connection.connect(path)
        connection.setblocking(False)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A path of the socket within the limit of 107 bytes, however long the folder's is."""
    fd = os.open(folder, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{NAME}"
    finally:
        os.close(fd)


def close(folder: Path) -> None:
    """Nobody finds the keeper any more."""
    with suppress(FileNotFoundError):
        (folder / NAME).unlink()


def is_ours(connection: socket.socket) -> bool:
    """Whether the other side is a process of this user."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(data[4:8], "little") in (os.geteuid(), 0)


Message = Mapping[str, object]
