"""The runs that a client started: each a process of its own, ended when the client goes away."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError, UsageError

MOST = 4
"""Runs at a time."""

STARTING = 120.0
"""Seconds until a run has to have its id: documents are read before, and what a dead run left is given back."""

LEAVING = 1.0
"""Seconds that we stay when the client is gone; the runs end without us."""


class Refused(SeatrialError):
    """The run was not started; `problems` has what is wrong in documents."""

    def __init__(self, message: str, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.problems = problems


class Ship:
    """One run in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.run = ""
        self.told: Mapping[str, Any] = {}
        """The last that it said: how it ended."""
        self.ended = asyncio.Event()

    async def started(self) -> str:
        """Its id; Refused when it was not started."""
        while (told := await self._heard()) is not None:
            if "run_id" in told:
                self.run = str(told["run_id"])
                return self.run
            if "refused" in told:
                raise Refused(str(told["refused"]), told["problems"])
        raise Refused("the process of the run ended before it began; the server's messages may say why", ())

    async def follow(self) -> None:
        """Stay until it ends."""
        while (told := await self._heard()) is not None:
            self.told = told
        await self._process.wait()
        self.ended.set()

    async def _heard(self) -> Mapping[str, Any] | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def end(self) -> None:
        """Tell it to end and to give everything back; said again, it hurries."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def let_go(self) -> None:
        """Let go of its life line: it ends by itself, also when nobody waits for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()


class Fleet:
    """All runs of one client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """Where the server stands: paths are from here."""
        self._ships: dict[str, Ship] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._starting = 0

    def ship(self, run: str) -> Ship:
        """A run that was started here; UsageError for any other."""
        found = [one for name, one in self._ships.items() if run and (name.startswith(run) or run == "last")]
        if not found:
            here = ", ".join(self._ships) or "none"
            raise UsageError(f"{run!r} was not started by this server; started here: {here}")
        return found[-1]

    async def start(self, what: str, options: Mapping[str, Any]) -> str:
        """Start a run, and return its id as soon as it has one."""
        going = sum(not ship.ended.is_set() for ship in self._ships.values()) + self._starting
        if going >= MOST:
            raise UsageError(f"{MOST} runs are going on already; wait for one (`watch_run`), or stop it (`stop_run`)")
        self._starting += 1
        try:
            return await self._start(what, options)
        finally:
            self._starting -= 1

    async def _start(self, what: str, options: Mapping[str, Any]) -> str:
        # -P: a file of the project that is called like a module of ours is not taken for it. A session of its own: a
        # client that kills the group of its server does not kill a run that is giving things back.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "seatrial.mcp.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=self.folder, start_new_session=True,
        )  # fmt: skip
        ship = Ship(process)
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"what": what, "options": options}).encode() + b"\n")
            async with asyncio.timeout(STARTING):
                run = await ship.started()
        except BaseException:  # the call was cancelled, too
            ship.let_go()
            self._follow(ship)
            raise
        self._ships[run] = ship
        self._follow(ship)
        return run

    def _follow(self, ship: Ship) -> None:
        task = asyncio.get_running_loop().create_task(ship.follow())
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def close(self) -> None:
        """The client is gone: the runs end. We stay a moment for those that are quick, and no longer."""
        for ship in self._ships.values():
            ship.let_go()
        if self._following:
            await asyncio.wait(self._following, timeout=LEAVING)
        for task in self._following:
            task.cancel()
