"""The Dagger engine of a trial: one session for all its checks, opened for the first one in need."""

from __future__ import annotations

import asyncio

from seatrial.errors import CannotTell, ExtraMissing
from seatrial.links.dagger.session import Session
from seatrial.links.process.spawned import TAG, supervised
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

NAME = "Dagger"
"""What a result from the engine's cache is marked with."""

TRACE = 2.0
"""Seconds for the engine's trace of an ended command to come."""


class _Shared:
    """The session of a trial, or why there is none: the second check does not try again."""

    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self.session: Session | None = None
        self.error: CannotTell | ExtraMissing | None = None


async def session_of(ctx: Context) -> Session:
    """The session, opened if need be. ExtraMissing, ToolMissing, CannotTell with all that was tried."""
    shared = pipeline_of(ctx).part(_Shared)
    async with shared.opening:
        if shared.error is not None:
            raise type(shared.error)(str(shared.error), evidence=shared.error.evidence)
        if shared.session is None:
            tag = {TAG: f"{ctx.trial_id}-dagger"}
            session = Session(ctx.state, {**ctx.environment(), **tag}, under=await supervised(ctx))
            try:
                await session.open()
            except BaseException as error:
                await session.close()
                if isinstance(error, CannotTell | ExtraMissing):
                    shared.error = error
                raise
            shared.session = session
            pipeline_of(ctx).at_end.append(session.close)
    return shared.session
