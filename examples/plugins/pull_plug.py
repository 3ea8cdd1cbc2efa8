"""A step with a power: `seatrial check` refuses it if neither the provider nor the system can cut the power."""

from __future__ import annotations

from dataclasses import dataclass

import seatrial
from seatrial.errors import NotSupported
from seatrial.model.scenario import Outputs
from seatrial.spi import Context, Powers, PowersNodes


@seatrial.step("pull_plug")
@dataclass(frozen=True, kw_only=True)
class PullPlug:
    """Cut the power of a node."""

    node: str
    """The node, or a selector."""

    def needs_powers(self) -> frozenset[Powers]:
        """A hard power-off."""
        return frozenset({Powers.CRASH})

    async def run(self, ctx: Context) -> Outputs:
        """Outputs: `nodes`, the names."""
        provider, nodes = ctx.provider, await ctx.select(self.node)
        if not isinstance(provider, PowersNodes):
            raise NotSupported(f"the provider {ctx.suite.provider} cannot cut the power")
        for node in nodes:
            await provider.crash(node)
        return {"nodes": [node.name for node in nodes]}
