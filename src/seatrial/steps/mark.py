"""`mark`: remember a moment, for checks of what happened since then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context


@step("mark")
@dataclass(frozen=True, kw_only=True)
class Mark:
    """Remember this moment: checks read it as `${{ steps.ID.outputs.time }}`."""

    decides: ClassVar[bool] = False

    async def run(self, ctx: Context) -> Outputs:
        """Outputs: `time`, in seconds since 1970."""
        return {"time": time.time()}
