"""The runs started by a client: each is a process, ended when the client disconnects."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError, UsageError

MOST = 4
"""Maximum number of runs at a time."""

STARTING = 120.0
"""Seconds for a run to report its id: it first reads documents and cleans up after dead runs."""

LEAVING = 1.0
"""Seconds to wait for runs after the client has disconnected; they end by themselves."""


class RunProcess:
    """The process of one run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.run = ""
        self.last_message: Mapping[str, Any] = {}
        """The last message of the process: the result."""
        self.ended = asyncio.Event()

    async def started(self) -> str:
        """The run id; SeatrialError with the reason if the run was not started."""
        while (message := await self._receive()) is not None:
            if "run_id" in message:
                self.run = str(message["run_id"])
                return self.run
            if "refused" in message:
                raise SeatrialError(str(message["refused"]))
        raise SeatrialError("the process of the run ended before the run began; see the messages of the server")

    async def follow(self) -> None:
        while (message := await self._receive()) is not None:
            self.last_message = message
        await self._process.wait()
        self.ended.set()

    async def _receive(self) -> Mapping[str, Any] | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def end(self) -> None:
        """Ask it to clean up and end; a second request shortens the cleanup."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def release(self) -> None:
        """Close its standard input: it then ends by itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()


class RunProcesses:
    """All runs started by one client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The folder of the server; paths are relative to it."""
        self._processes: dict[str, RunProcess] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._starting = 0

    def process(self, run: str) -> RunProcess:
        """A run started by this server; UsageError for any other."""
        matching = [
            process for name, process in self._processes.items() if run and (name.startswith(run) or run == "last")
        ]
        if not matching:
            here = ", ".join(self._processes) or "none"
            raise UsageError(f"this server did not start the run {run!r}; it started: {here}")
        return matching[-1]

    async def start(self, what: str, options: Mapping[str, Any]) -> str:
        """Start a run and return its id."""
        active = sum(not process.ended.is_set() for process in self._processes.values()) + self._starting
        if active >= MOST:
            raise UsageError(f"{MOST} runs are active already; wait for one (`watch_run`), or stop it (`stop_run`)")
        self._starting += 1
        try:
            return await self._start(what, options)
        finally:
            self._starting -= 1

    async def _start(self, what: str, options: Mapping[str, Any]) -> str:
        # -P: files of the project must not shadow modules. A separate session: a client that kills the process group of
        # the server must not kill a run during its cleanup.
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "seatrial.mcp.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=self.folder, start_new_session=True,
        )  # fmt: skip
        process = RunProcess(child)
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps({"what": what, "options": options}).encode() + b"\n")
            async with asyncio.timeout(STARTING):
                run = await process.started()
        except BaseException:  # including a cancelled call
            process.release()
            self._follow(process)
            raise
        self._processes[run] = process
        self._follow(process)
        return run

    def _follow(self, process: RunProcess) -> None:
        task = asyncio.get_running_loop().create_task(process.follow())
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def close(self) -> None:
        """End all runs after the client has disconnected; wait a moment for quick ones."""
        for process in self._processes.values():
            process.release()
        if self._following:
            await asyncio.wait(self._following, timeout=LEAVING)
        for task in self._following:
            task.cancel()
