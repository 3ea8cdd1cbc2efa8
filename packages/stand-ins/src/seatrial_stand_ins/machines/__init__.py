"""The machines behind a stand-in of a cloud: a protocol, and simulated machines with nothing but state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class MachineFailed(Exception):
    """A machine cannot be created or changed; the job fails with this text."""


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
    """The description of a machine before it is created."""

    id: str
    name: str
    template: str
    """The template's name."""
    cpus: int
    memory_mib: int
    root_size: int
    """Bytes."""
    authorized: Sequence[str] = ()
    """Public keys of root."""
    user_data: bytes = b""
    disks: Sequence[Disk] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Machines(Protocol):
    """Creates machines. Every method returns when it is done, and raises MachineFailed otherwise; calls are
    independent."""

    def told(self, stopped: Callable[[str], None]) -> None:
        """Call `stopped` with a machine's id when it powers itself off; called once, before anything else."""

    async def open(self) -> None:
        """Start; first remove leftovers of killed servers."""

    async def make(self, wanted: Wanted) -> str:
        """Create a machine and power it on; returns its address."""

    async def start(self, id: str) -> None:
        """Power on with the same address."""

    async def stop(self, id: str, *, forced: bool) -> None:
        """Power off: gracefully, or at once."""

    async def reboot(self, id: str) -> None:
        """Power off gracefully, then on."""

    async def destroy(self, id: str) -> None:
        """Remove it but keep its data disks. Succeeds if it does not exist."""

    async def attach(self, id: str, disk: Disk) -> None:
        """Attach a disk to a machine, running or not. A new disk is empty."""

    async def detach(self, id: str, disk: Disk) -> None:
        """Detach a disk and keep its data."""

    async def resize(self, id: str, disk: Disk) -> None:
        """Resize a disk; `id` is empty if it is not attached."""

    async def delete(self, disk: Disk) -> None:
        """Delete a detached disk."""

    async def close(self) -> None:
        """Remove everything created."""


class Unreal:
    """Simulated machines with only an address: for tests of API clients."""

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
        self.addresses[wanted.id] = f"192.0.2.{self._made}"  # an unroutable network
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
