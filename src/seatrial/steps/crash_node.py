"""`crash_node`: a node goes down without warning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seatrial.errors import CannotTell, LinkDown, LinkLost, StepFailed
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.model.result import Category
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context, IdentifiesBoots, Powers
from seatrial.steps.node_power import is_now
from seatrial.steps.power import answers, before_outage, boot_of, crash_in_guest, cut, power_of, require, until_off
from seatrial.steps.targets import Targets, by_node, to_outputs
from seatrial.steps.wait_until import Deadline, NotYet, wait_until


@step("crash_node")
@dataclass(frozen=True, kw_only=True)
class CrashNode(Targets):
    """Crash nodes without stopping or syncing them first."""

    method: Literal["ssh", "destroy"] = "ssh"
    """`ssh`: crash the guest's kernel by SysRq (it reboots), else `poweroff -f` (it stays off); `destroy`: hard
    power-off by the provider, it stays off until `start_node`; a pod is deleted at once, and its controller makes
    another one."""

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.CRASH if self.method == "destroy" else Powers.GUEST_CRASH})

    async def run(self, ctx: Context) -> Outputs:
        """Overrun if a node is still up after the deadline. Outputs: `nodes`, `node`, `after` (`rebooting` or `off`, of
        the first), `boot_id` (the first node's boot before the crash), `crashed` (the same by node)."""
        nodes = await ctx.select(self.target())
        await before_outage(ctx)
        crashed = await by_node(nodes, lambda node: self._crash(ctx, node))
        return to_outputs(nodes, **crashed[nodes[0].name], crashed=crashed)

    async def _crash(self, ctx: Context, node: Node) -> dict[str, str]:
        if await is_now(ctx, node, PowerState.STOPPED):
            raise StepFailed(f"{node.name} is already powered off: it cannot be crashed", category=Category.TEST)
        require(ctx, node, Powers.CRASH if self.method == "destroy" else Powers.GUEST_CRASH)
        deadline = Deadline(ctx, "stop")
        before = await _boot_if_known(ctx, node)
        ctx.emit("fault", node=node.name, fault="crash", method=self.method, step=ctx.step)
        after = "off"
        async with deadline.limit(f"the crash of {node.name}"):
            if self.method == "destroy":
                await cut(ctx, node)
                after = "" if isinstance(ctx.system, IdentifiesBoots) else "off"
            else:
                after = await crash_in_guest(ctx, node)
        if after == "off":
            await until_off(ctx, node, deadline.left())
        else:
            after = await _gone(ctx, node, before, deadline.left(), reboots=after == "rebooting")
        ctx.emit("node", node=node.name, state="crashed", why=f"{self.method}: {after}")
        return {"after": after, "boot_id": before}


async def _boot_if_known(ctx: Context, node: Node) -> str:
    """The boot id, or empty: a node without an answer can be crashed all the same."""
    try:
        return await boot_of(ctx, node)
    except (CannotTell, TimeoutError):
        return ""


async def _gone(ctx: Context, node: Node, before: str, deadline: float, *, reboots: bool) -> str:
    """The state of the node after it went down. For a rebooting node a lost link is enough; otherwise a new boot id or
    the power state decides."""

    async def look() -> str:
        if await power_of(ctx, node) is PowerState.STOPPED:
            return "off"
        try:
            now = await boot_of(ctx, node)
            if now and before and now != before:
                return "rebooting"
            there = await answers(ctx, node)
        except LinkLost as error:
            why = f"the connection to {node.name} was interrupted, but a crash is not proven: {error}"
            raise NotYet(why) from error
        except LinkDown:
            there = False
        if there or not reboots:
            raise NotYet(f"{node.name} {'still answers' if there else 'does not answer'}, and is powered on")
        return "rebooting"

    after = await wait_until(ctx, look, deadline=deadline, what=f"the crash of {node.name}")
    await ctx.link(node).close()
    return after
