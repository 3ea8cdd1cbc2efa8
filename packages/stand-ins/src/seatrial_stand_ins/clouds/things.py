"""The contents of a cloud: things with an identifier, and machines with their power."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from seatrial_stand_ins.clouds.plants import Plants
from seatrial_stand_ins.machines import Machines, Wanted


def now() -> str:
    """The time, as in answers."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True, kw_only=True)
class Thing:
    """Anything with an identifier and a name."""

    id: int | str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    """The rest of it, in the vendor's form."""
    created: str = field(default_factory=now)
    since: float = field(default_factory=time.monotonic)
    gone: float = 0.0
    """When it was deleted."""


@dataclass(slots=True, kw_only=True)
class Machine(Thing):
    """A machine; what the cloud says of it, and whether there is one."""

    wanted: Wanted
    state: Literal["new", "on", "off", "stopping", "starting", "deleting"] = "new"
    address: str = ""
    real: bool = False
    busy: bool = False
    """An operation changes it."""


T = TypeVar("T", bound=Thing)


class Shelf(dict[int | str, T]):
    """The things of one kind, by their identifiers."""

    def __init__(self, plants: Plants) -> None:
        super().__init__()
        self._plants = plants
        self._ghosts: list[T] = []

    def add(self, thing: T, *, always: bool = False) -> T:
        """Keep it; `always`: it is in the lists from now on."""
        if always:
            thing.since = float("-inf")
        self[thing.id] = thing
        return thing

    def remove(self, id: int | str) -> None:
        """Delete it; lists may show it for a time."""
        thing = self.pop(id, None)
        if thing is not None:
            thing.gone = time.monotonic()
            self._ghosts.append(thing)

    def listed(self) -> Iterator[T]:
        """What lists show at this moment."""
        moment = time.monotonic()
        yield from (thing for thing in self.values() if moment - thing.since >= self._plants.late)
        yield from (ghost for ghost in self._ghosts if moment - ghost.gone < self._plants.lingers)

    def named(self, name: str) -> T | None:
        """The thing of this name, by what is true and not by what lists show."""
        return next((thing for thing in self.values() if thing.name == name), None)


class Numbers:
    """Identifiers that a cloud gives away."""

    def __init__(self, first: int) -> None:
        self._next = itertools.count(first)

    def __call__(self) -> int:
        return next(self._next)


class Power:
    """The power of machines, with the planted lies."""

    def __init__(self, machines: Machines, plants: Plants) -> None:
        self._machines, self._plants = machines, plants

    async def make(self, machine: Machine) -> None:
        """Make it, and power it on."""
        machine.real = True
        machine.address = await self._machines.make(machine.wanted)
        machine.state = "on"

    async def on(self, machine: Machine) -> None:
        """Power on; one that was never on is made."""
        id = machine.wanted.id
        machine.state = "starting"
        if machine.name in self._plants.comes_back_new:
            self._plants.comes_back_new.discard(machine.name)
            await self._machines.destroy(id)
            machine.real = False
        if not machine.real:
            await self.make(machine)
        elif machine.name not in self._plants.goes_on:
            await self._machines.start(id)
        machine.state = "on"

    async def cut(self, machine: Machine) -> None:
        """Cut the power."""
        if machine.name not in self._plants.goes_on:
            await self._machines.stop(machine.wanted.id, forced=machine.name not in self._plants.graceful)
        machine.state = "off"

    async def button(self, machine: Machine) -> bool:
        """Press the power button; whether the machine obeyed."""
        if machine.name in self._plants.ignores_acpi:
            return False
        if machine.name not in self._plants.goes_on:
            await self._machines.stop(machine.wanted.id, forced=False)
        machine.state = "off"
        return True

    async def reboot(self, machine: Machine) -> None:
        """Restart gracefully."""
        if machine.name not in self._plants.ignores_acpi:
            await self._machines.reboot(machine.wanted.id)

    async def remove(self, machine: Machine, forget: Callable[[], None]) -> None:
        """Delete it, unless the cloud only says so."""
        if machine.name in self._plants.keeps:
            machine.state = "on"
            return
        if machine.real:
            await self._machines.destroy(machine.wanted.id)
        machine.real = False
        forget()


def went_off(machines: Mapping[int | str, Machine], id: str) -> None:
    """Note that a machine has powered itself off."""
    for machine in machines.values():
        if machine.wanted.id == id and machine.state == "on" and not machine.busy:
            machine.state = "off"
