"""Asynchronous operations: a call answers with one, and the client asks for it until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from seatrial_stand_ins.clouds.plants import Plants
from seatrial_stand_ins.clouds.things import Machine, Numbers, now
from seatrial_stand_ins.machines import MachineFailed


class OperationFailed(Exception):
    """An operation that ends in an error, with the vendor's code for it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True, kw_only=True)
class Operation:
    """One operation."""

    id: int
    command: str
    resource: int | str
    kind: str
    """The kind of the resource."""
    state: Literal["running", "done", "failed"] = "running"
    code: str = ""
    error: str = ""
    begun: str = field(default_factory=now)
    ended: str = ""
    end: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its work is done, even if its state stays `running`."""


class Operations:
    """All operations of a server, run in its event loop."""

    def __init__(self, plants: Plants) -> None:
        self._plants = plants
        self._numbers = Numbers(30_000_001)
        self._tasks: set[asyncio.Task[None]] = set()
        self.all: dict[int, Operation] = {}

    def begin(self, command: str, kind: str, resource: int | str, work: Callable[[], Awaitable[object]]) -> Operation:
        """Start it."""
        operation = Operation(id=self._numbers(), command=command, kind=kind, resource=resource)
        self.all[operation.id] = operation
        task = asyncio.get_running_loop().create_task(self._done(operation, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation

    def begin_alone(
        self, command: str, kind: str, machine: Machine, work: Callable[[], Awaitable[object]]
    ) -> Operation:
        """Start one that no other operation on this machine may meet; the caller has looked at `busy`."""

        async def alone() -> None:
            try:
                if self._plants.slow:
                    await asyncio.sleep(self._plants.slow)
                if command in self._plants.operation_fails:
                    raise OperationFailed("action_failed", self._plants.operation_fails[command])
                await work()
            finally:
                machine.busy = False

        machine.busy = True
        return self.begin(command, kind, machine.id, alone)

    async def cancel(self) -> None:
        """Cancel those that go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _done(self, operation: Operation, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
            state, code, error = "done", "", ""
        except OperationFailed as failure:
            state, code, error = "failed", failure.code, str(failure)
        except MachineFailed as failure:
            state, code, error = "failed", "server_error", str(failure)
        operation.end.set()
        if operation.command in self._plants.operation_never_ends:
            return
        operation.state = "done" if state == "done" else "failed"
        operation.code, operation.error, operation.ended = code, error, now()
