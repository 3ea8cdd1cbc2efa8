"""`restart_node`: a node goes down and comes back, and its boot id proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seatrial.errors import CannotTell, LinkLost, Overrun, StepFailed
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.model.result import Category
from seatrial.model.scenario import Outputs
from seatrial.model.values import WaitFor
from seatrial.registry import step
from seatrial.spi import Context, Powers
from seatrial.steps.node_power import is_now
from seatrial.steps.power import before_outage, boot_of, power_cycle, reboot, require, until_up, wait_for
from seatrial.steps.targets import Targets, by_node, to_outputs
from seatrial.steps.wait_until import Deadline, NotYet


@step("restart_node")
@dataclass(frozen=True, kw_only=True)
class RestartNode(Targets):
    """Restart nodes; passes only when each has a new boot id, and link and service answer again."""

    method: Literal["ssh", "graceful"] = "ssh"
    """`ssh`: reboot inside the guest; `graceful`: power cycle by the provider."""

    wait_for: WaitFor | None = None
    """What has to answer after it: `service` (default), only the `link`, or only the `power`."""

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.GRACEFUL_RESTART if self.method == "graceful" else Powers.GUEST_REBOOT})

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when a node did not go down, Overrun when it did not come back. Outputs: `nodes`, `node`,
        `boot_id` (of the first), `boot_ids` (by node)."""
        nodes = await ctx.select(self.target())
        await before_outage(ctx)
        boots = await by_node(nodes, lambda node: self._restart(ctx, node))
        return to_outputs(nodes, boot_id=boots[nodes[0].name], boot_ids=boots)

    async def _restart(self, ctx: Context, node: Node) -> str:
        if await is_now(ctx, node, PowerState.STOPPED):
            raise StepFailed(f"{node.name} is powered off: use start_node", category=Category.TEST)
        require(ctx, node, Powers.GRACEFUL_RESTART if self.method == "graceful" else Powers.GUEST_REBOOT)
        deadline = Deadline(ctx, "restart")
        before = now = await boot_of(ctx, node)
        ctx.emit("fault", node=node.name, fault="restart", method=self.method, step=ctx.step)
        ctx.emit("node", node=node.name, state="restarting")
        async with deadline.limit(f"the restart of {node.name}"):
            try:
                await (power_cycle(ctx, node, deadline.left) if self.method == "graceful" else reboot(ctx, node))
            except LinkLost as error:
                # A guest going down interrupts the connection; its boot id shows whether it rebooted.
                ctx.log(f"{node.name} was asked to restart, and then: {error}", "debug")

        async def booted_again() -> None:
            nonlocal now
            now = await boot_of(ctx, node)
            if now == before:
                raise NotYet(f"the boot id of {node.name} is still {before}")

        try:
            what, up = f"the restart of {node.name}", wait_for(ctx, self.wait_for)
            await until_up(ctx, node, deadline.left(), what=what, up=up, also=booted_again)
        except Overrun as error:
            if now != before or not await self._same_boot(ctx, node, before):
                raise
            after = f"{deadline.seconds:g} s after the restart request"
            text = f"{node.name} did not go down: its boot id is unchanged {after}"
            raise StepFailed(text, evidence=f"boot id: {before}") from error
        ctx.emit("node", node=node.name, state="running", why="restarted")
        return now

    async def _same_boot(self, ctx: Context, node: Node, before: str) -> bool:
        """Whether it is still in the same boot; a node that stays down has no boot id."""
        try:
            return await is_now(ctx, node, PowerState.RUNNING) and await boot_of(ctx, node) == before
        except (CannotTell, TimeoutError):
            return False
