"""What the server's virtual machines are made of: a protocol, and machines that are no more than their state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class MachineFailed(Exception):
    """A machine cannot be made or changed; the job fails with this text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A data disk of a machine."""

    id: str
    size: int
    """Bytes."""
    device: int
    """1 is /dev/vdb, 2 is /dev/vdc, 4 is /dev/vde: 3 belongs to the CD drive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All that is told of a machine before it is made."""

    id: str
    name: str
    template: str
    """The template's name."""
    cpus: int
    memory_mib: int
    root_size: int
    """Bytes."""
    authorized: Sequence[str] = ()
    """Public keys that root has."""
    user_data: bytes = b""
    disks: Sequence[Disk] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Machines(Protocol):
    """Where machines are made. Every method returns when it is so, and raises MachineFailed; each works on its own."""

    def told(self, stopped: Callable[[str], None]) -> None:
        """Call `stopped` with a machine's id when it goes off by itself; called once, before anything else."""

    async def open(self) -> None:
        """Begin: take away first what a killed one left."""

    async def make(self, wanted: Wanted) -> str:
        """A machine that is powered on: its address."""

    async def start(self, id: str) -> None:
        """Power on; the address stays."""

    async def stop(self, id: str, *, forced: bool) -> None:
        """Power off: in its orderly way, or at once."""

    async def reboot(self, id: str) -> None:
        """Off in its orderly way, and on."""

    async def destroy(self, id: str) -> None:
        """Take it away; its data disks stay. One that is not there is success."""

    async def attach(self, id: str, disk: Disk) -> None:
        """Put a disk into a machine, whether it runs or not. A disk that is new is empty."""

    async def detach(self, id: str, disk: Disk) -> None:
        """Take a disk out; what is on it stays."""

    async def resize(self, id: str, disk: Disk) -> None:
        """Give a disk another size; `id` is empty when it is in no machine."""

    async def delete(self, disk: Disk) -> None:
        """Take a disk away for good; it is in no machine."""

    async def close(self) -> None:
        """Take away all that was made."""


class Unreal:
    """Machines that are no more than an address: for tests of who calls the API."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.running: set[str] = set()
        self.wanted: dict[str, Wanted] = {}
        self._made = 0

    def told(self, stopped: Callable[[str], None]) -> None:
        self.goes_off = stopped

    async def open(self) -> None:
        pass

    async def make(self, wanted: Wanted) -> str:
        self._made += 1
        self.wanted[wanted.id] = wanted
        self.addresses[wanted.id] = f"192.0.2.{self._made}"  # a network that leads nowhere
        self.running.add(wanted.id)
        return self.addresses[wanted.id]

    async def start(self, id: str) -> None:
        self.running.add(id)

    async def stop(self, id: str, *, forced: bool) -> None:
        self.running.discard(id)

    async def reboot(self, id: str) -> None:
        pass

    async def destroy(self, id: str) -> None:
        self.addresses.pop(id, None)
        self.running.discard(id)

    async def attach(self, id: str, disk: Disk) -> None:
        pass

    async def detach(self, id: str, disk: Disk) -> None:
        pass

    async def resize(self, id: str, disk: Disk) -> None:
        pass

    async def delete(self, disk: Disk) -> None:
        pass

    async def close(self) -> None:
        self.addresses.clear()
        self.running.clear()
