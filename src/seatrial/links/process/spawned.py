"""A program of this host as a resource of the trial: in the ledger if it lives long or leaves processes behind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.links import process
from seatrial.links.process import members, process_start
from seatrial.spi import Context, Finished

SHORT = 0.2
"""Seconds before a program's pid is recorded in the ledger; its tag is known from the start."""

OWNER = "engine:process"
"""The provider name for the cleanup of programs on this host."""

TAG = "SEATRIAL_STEP_TAG"
"""The variable that marks a process as a resource of its trial."""


async def spawn(
    ctx: Context,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    input: str = "",
    timeout: float | None = None,
    whole: Path | None = None,
) -> Finished:
    """Run a program in the trial's environment; for errors see links.process.run."""
    warn_of_secrets(ctx, argv)
    await announce(ctx)
    name = f"{ctx.trial_id}-{ctx.step}-{secrets.token_hex(4)}"
    program = _Record(ctx, name)
    env = {**ctx.environment(), TAG: name, **env}
    try:
        return await process.run(
            argv, cwd=cwd, env=env, input=input, timeout=timeout, started=program.started, whole=whole
        )
    finally:
        await program.ended()


def warn_of_secrets(ctx: Context, argv: Sequence[str]) -> None:
    """Warn if a secret is an argument of a program: every user of this machine can read it there."""
    if any(ctx.masked(word) != word for word in argv):
        text = f"a secret is on the command line of {Path(argv[0]).name}: every user of this machine can see it there; "
        ctx.log(f"{text}use `env` or `stdin`", "warning")


async def announce(ctx: Context) -> None:
    """Record once, before the first program of a trial, that all processes with a tag of the trial end with it. So
    short programs and daemons are found at the end and after a crash."""
    if not ctx.holds("process", ctx.trial_id, owner=OWNER):
        await record(ctx, ctx.trial_id, 0, "")


async def record(ctx: Context, name: str, pid: int, started: str, **more: object) -> None:
    """Write a process to the ledger; it exists already."""

    async def exists() -> None:
        """Nothing is left to do."""

    await ctx.make("process", name, exists, owner=OWNER, detail={"pid": pid, "started": started, **more})


class _Record:
    """The ledger's record of one program."""

    def __init__(self, ctx: Context, name: str) -> None:
        self._ctx, self._name, self._pid = ctx, name, 0
        self._began = "over"
        """Its start time; a program that ended earlier is known by its tag alone."""
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def started(self, pid: int) -> None:
        """It runs: after a while, record it in the ledger."""
        self._pid = pid
        self._timer = asyncio.get_running_loop().call_later(SHORT, self._begin)

    def _begin(self) -> None:
        # Now: it is not reaped yet, and short programs save the look-up (20 us each).
        self._began = process_start(self._pid, zombie=True)
        self._writing = asyncio.create_task(self._write())

    async def _write(self, members: Sequence[tuple[int, str]] = ()) -> None:
        left = [list(member) for member in members]
        await record(self._ctx, self._name, self._pid, self._began, members=left)

    async def ended(self) -> None:
        """It ended; processes left in its group stay in the ledger, and end with the trial."""
        if self._timer is None:
            return
        self._timer.cancel()
        if self._writing is not None:
            await self._writing
        if left := members(self._pid):
            # Each by its own pid: a process with an emptied environment has no tag.
            await self._write(left)
            self._ctx.log("the command left processes behind; they end with the trial", "warning")
        elif self._writing is not None:
            await self._ctx.give_back("process", self._name)
