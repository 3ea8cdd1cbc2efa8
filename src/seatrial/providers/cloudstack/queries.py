"""The states of machines, asked for several at a time: callers during a query share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from seatrial.errors import CannotTell
from seatrial.links.cloudstack import Cloud, NoSuchThing


class Looks:
    """One query at a time to the cloud, begun after it was asked for: no answer is older than its question."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._turn = asyncio.Lock()
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Mapping[str, str]] | None = None

    async def at(self, id: str) -> str:
        """CloudStack's word for a machine's state; CannotTell when it has no such machine."""
        self._wanted.add(id)
        if self._next is None:
            self._next = asyncio.ensure_future(self._round())
            # Its error belongs to all waiting callers; without one, it is dropped.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        states = await asyncio.shield(self._next)
        if id not in states:
            raise CannotTell(f"CloudStack has no virtual machine {id} any more")
        return states[id]

    async def _round(self) -> Mapping[str, str]:
        async with self._turn:
            wanted, self._wanted, self._next = sorted(self._wanted), set(), None
            try:
                return await self._asked(ids=",".join(wanted))
            except NoSuchThing:  # one is gone, and all of them are refused for it
                each: dict[str, str] = {}
                for id in wanted:
                    try:
                        each |= await self._asked(id=id)
                    except NoSuchThing:
                        continue
                return each

    async def _asked(self, **which: str) -> dict[str, str]:
        machines = await self._cloud.list("listVirtualMachines", "virtualmachine", **which)
        return {str(machine["id"]): str(machine.get("state")) for machine in machines}
