"""The machine of each instance, and the state that the instance has by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from seatrial_stand_ins.aws.plants import Plants
from seatrial_stand_ins.machines import MachineFailed, Machines, Wanted

GIB = 1024**3
USER_STOP = "Client.UserInitiatedShutdown: User initiated shutdown"
OWN_STOP = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"


@dataclass(slots=True, kw_only=True)
class Instance:
    """One instance of moto with its machine."""

    id: str
    state: str = "pending"
    address: str = ""
    reason: str = ""
    wanted: Wanted
    listed: float = 0.0
    """When lists show it, as `time.monotonic`."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Changes of its machine, one after another."""


class Instances:
    """The instances that have machines. `off` tells moto that an instance stopped by itself, or failed."""

    def __init__(self, machines: Machines, plants: Plants, off: Callable[[str, str], Awaitable[None]]) -> None:
        self._machines, self._plants, self._off = machines, plants, off
        self.known: dict[str, Instance] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._machines.told(self._went_off)
        await self._machines.open()

    async def close(self) -> None:
        """End all changes, and remove the machines."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._machines.close()

    def hidden(self, id: str) -> bool:
        """Whether lists lack it still."""
        return id in self.known and time.monotonic() < self.known[id].listed

    def run(self, id: str, user_data: bytes, name: str) -> None:
        """Give a new instance its machine."""
        wanted = Wanted(
            id=_own(id), name=name or id, template="", cpus=1, memory_mib=512, root_size=8 * GIB, user_data=user_data
        )
        instance = self.known[id] = Instance(id=id, wanted=wanted, listed=time.monotonic() + self._plants.late)

        async def make() -> None:
            try:
                instance.address = await self._machines.make(wanted)
            except MachineFailed as error:
                instance.state, instance.reason = "terminated", f"Server.InternalError: {error}"
                await self._off(id, "TerminateInstances")
                return
            if instance.state == "pending":
                instance.state = "running"

        self._change(instance, make)

    def stop(self, id: str, *, forced: bool) -> None:
        """Stop its machine; `forced`: by its power."""
        instance = self.known[id]
        if instance.state not in ("running", "stopping") or (instance.state == "stopping" and not forced):
            return
        instance.state, instance.reason = "stopping", USER_STOP

        async def stop() -> None:
            if instance.state == "stopping" and not self._plants.goes_on:
                await self._machines.stop(_own(id), forced=forced and not self._plants.graceful)
            if instance.state == "stopping":
                instance.state = "stopped"

        self._change(instance, stop)

    def start(self, id: str) -> None:
        instance = self.known[id]
        if instance.state == "running":
            return
        instance.state, instance.reason = "pending", ""

        async def start() -> None:
            if self._plants.comes_back_new:
                await self._machines.destroy(_own(id))
                instance.address = await self._machines.make(instance.wanted)
            else:
                await self._machines.start(_own(id))
            if instance.state == "pending":
                instance.state = "running"

        self._change(instance, start)

    def reboot(self, id: str) -> None:
        instance = self.known[id]

        async def reboot() -> None:
            if instance.state == "running":
                await self._machines.reboot(_own(id))

        self._change(instance, reboot)

    def terminate(self, id: str) -> None:
        instance = self.known[id]
        if instance.state in ("shutting-down", "terminated"):
            return
        instance.state, instance.reason = "shutting-down", USER_STOP

        async def terminate() -> None:
            await self._machines.destroy(_own(id))
            instance.state = "terminated"

        self._change(instance, terminate)

    def _change(self, instance: Instance, work: Callable[[], Awaitable[None]]) -> None:
        async def turn() -> None:
            async with instance.turn:
                await asyncio.sleep(self._plants.slow)
                with suppress(KeyError):  # a machine that could not be made
                    await work()

        task = asyncio.get_running_loop().create_task(turn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _went_off(self, own: str) -> None:
        """A machine has powered itself off."""
        instance = self.known.get(f"i-{own}")
        if instance is None or instance.state != "running" or instance.turn.locked():
            return
        instance.state, instance.reason = "stopped", OWN_STOP

        async def tell() -> None:
            await self._off(instance.id, "StopInstances")

        self._change(instance, tell)


def _own(id: str) -> str:
    return id.removeprefix("i-")


def user_data(parameters: Mapping[str, str]) -> bytes:
    """The user data of a request, which the SDK encodes."""
    import base64

    return base64.b64decode(parameters.get("UserData", ""))
