"""Who listens on a TCP port of this machine, by the kernel's own tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from seatrial.links.process.table import pids, program_name
from seatrial.model.frozen import frozen

_LISTEN = "0A"

_LOOPBACK = {
    "0100007F",  # 127.0.0.1
    "00000000",  # 0.0.0.0
    "00000000000000000000000000000000",  # ::
    "00000000000000000000000001000000",  # ::1
    "0000000000000000FFFF00000100007F",  # ::ffff:127.0.0.1
}
"""The addresses, as in /proc/net/tcp, at which `localhost` answers."""


@frozen
class Listener:
    """A process that listens."""

    pid: int
    """0: unknown, as for a process of another user."""
    program: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.program})" if self.pid else "a process of another user"


def listeners(port: int) -> list[Listener]:
    """The processes that listen on a port of 127.0.0.1 or localhost; empty when nobody does."""
    sockets = set(_sockets(port))
    if not sockets:
        return []
    found = [Listener(pid=pid, program=program_name(pid)) for pid in pids() if sockets & set(_held(pid))]
    return found or [Listener(pid=0)]


def _sockets(port: int) -> Iterator[str]:
    """The listening sockets of a port, as in the links of /proc/PID/fd."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].partition(":")
                if fields[3] == _LISTEN and int(number, 16) == port and address in _LOOPBACK:
                    yield f"socket:[{fields[9]}]"


def _held(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                yield os.readlink(entry.path)  # noqa: PTH115  a Path for each file of each process is slow
