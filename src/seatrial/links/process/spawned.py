"""Programs of a trial on this host: all of them, and all that they start, end with the trial."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from seatrial.links import process
from seatrial.links.process import cgroups
from seatrial.links.process.supervision import Supervisor, end_trial
from seatrial.spi import Context, Finished

T = TypeVar("T")

OWNER = "engine:process"
"""The provider name for the cleanup of programs on this host."""

TAG = "SEATRIAL_STEP_TAG"
"""The variable that marks a process as a resource of its trial."""

IDENTITY = ("SEATRIAL_RUN_ID", "SEATRIAL_PROJECT")
"""The variables that name a process's run and its project, for a cleanup without a ledger."""


class Makes(Protocol):
    """A trial's context, or the keeper of a shared service: it writes down what it makes."""

    @property
    def trial_id(self) -> str:
        """Its own id, which no other has."""

    def environment(self) -> dict[str, str]:
        """The environment of its programs."""

    async def make(
        self, kind: str, name: str, create: Callable[[], Awaitable[T]], *, owner: str = "",
        detail: Mapping[str, object] | None = None, outlives_host: bool = False,
    ) -> T:  # fmt: skip
        """As of a context."""


_supervisors: dict[str, Supervisor] = {}
"""The supervisors of the trials in this process, by trial."""


async def spawn(
    ctx: Context,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    input: str = "",
    timeout: float | None = None,
    whole: Path | None = None,
    output: Callable[[bytes], None] | None = None,
) -> Finished:
    """Run a program in the trial's environment; for errors see links.process.run."""
    warn_of_secrets(ctx, argv)
    supervisor = await supervised(ctx)
    env = {**ctx.environment(), TAG: f"{ctx.trial_id}-{ctx.step}-{secrets.token_hex(4)}", **env}
    done = await process.run(
        argv, cwd=cwd, env=env, input=input, timeout=timeout, whole=whole, output=output, under=supervisor
    )
    if done.left:
        ctx.log("the command left processes behind; they end with the trial", "warning")
    return done


async def supervised(ctx: Makes) -> Supervisor:
    """The supervisor of the trial, started before its first program. The ledger knows it, its cgroup and its tag, so
    daemons are found at the end of the trial and after a crash."""
    known = _supervisors.get(ctx.trial_id)
    if known is not None and known.alive:
        return known
    known_by = {name: value for name, value in ctx.environment().items() if name in IDENTITY}
    detail: dict[str, object] = {"pid": 0, "started": "", "cgroup": cgroups.foreseen(ctx.trial_id)}

    async def start() -> None:
        let_go(ctx.trial_id)  # one that something killed
        supervisor = _supervisors[ctx.trial_id] = Supervisor(ctx.trial_id, {**known_by, TAG: ctx.trial_id})
        detail.update(pid=supervisor.pid, started=supervisor.started, cgroup=supervisor.cgroup)

    await ctx.make("process", ctx.trial_id, start, owner=OWNER, detail=detail)
    return _supervisors[ctx.trial_id]


@asynccontextmanager
async def supervising(trial: str) -> AsyncIterator[Supervisor]:
    """The supervisor of a trial without its context, such as one of a dead run: then another one, whose programs end
    with the block."""
    known = _supervisors.get(trial)
    if known is not None and known.alive:
        yield known
        return
    supervisor = Supervisor(f"{trial}-sweep", {TAG: trial})
    try:
        yield supervisor
    finally:
        try:
            await asyncio.to_thread(end_trial, supervisor.pid, supervisor.started, supervisor.cgroup)
        finally:
            supervisor.close()


def warn_of_secrets(ctx: Context, argv: Sequence[str]) -> None:
    """Warn if a secret is an argument of a program: every user of this machine can read it there."""
    if any(ctx.masked(word) != word for word in argv):
        text = f"a secret is on the command line of {Path(argv[0]).name}: every user of this machine can see it there; "
        ctx.log(f"{text}use `env` or `stdin`", "warning")


def supervisor_of(trial: str) -> Supervisor | None:
    """The supervisor of a trial, if it has begun."""
    return _supervisors.get(trial)


def let_go(trial: str) -> None:
    """The programs of the trial have ended."""
    if (supervisor := _supervisors.pop(trial, None)) is not None:
        supervisor.close()


async def record(ctx: Context, name: str, pid: int, started: str, **more: object) -> None:
    """Write a process to the ledger; it exists already."""

    async def exists() -> None:
        """Nothing is left to do."""

    await ctx.make("process", name, exists, owner=OWNER, detail={"pid": pid, "started": started, **more})
