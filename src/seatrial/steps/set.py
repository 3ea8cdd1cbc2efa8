"""`set`: name values for later steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context


@step("set")
@dataclass(frozen=True, kw_only=True)
class Set:
    """Name values: later steps read them as `${{ vars.NAME }}`."""

    decides: ClassVar[bool] = False
    sets_variables: ClassVar[bool] = True
    """The engine puts the outputs of this step there."""

    values: Mapping[str, object]
    """Names and their values; these may hold `${{ }}`."""

    async def run(self, ctx: Context) -> Outputs:
        """Outputs: the values themselves."""
        return self.values
