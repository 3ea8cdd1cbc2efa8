"""What state a system is in as a whole: by the rule that it declares, under the names that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seatrial.errors import CannotTell
from seatrial.model.cluster import ClusterStatus, Measured, NodeHealth, majority
from seatrial.spi import Context

RULES: Mapping[str, Callable[[int, int], bool]] = {
    "majority": majority,
    "all": lambda healthy, total: healthy == total,
    "any": lambda healthy, total: healthy > 0,
}


async def able(ctx: Context, rule: str, health: Mapping[str, NodeHealth]) -> bool:
    """Whether the rule holds when every node that could not be measured is given the benefit of the doubt."""
    total = len(health)
    healthy = sum(1 for one in health.values() if one.healthy is not Measured.NOT_OK)
    if rule in RULES:
        return RULES[rule](healthy, total)
    answer = await ctx.evaluate(rule, healthy=healthy, total=total)
    if not isinstance(answer, bool):
        raise CannotTell(f"the rule {rule!r} gave {answer!r}, not true or false")
    return answer


async def named(ctx: Context, states: Mapping[str, str], status: ClusterStatus) -> ClusterStatus:
    """The same status under the name of the first declared state that holds."""
    if not states:
        return status
    members = {
        name: {
            "power": str(one.power),
            "healthy": one.healthy is Measured.OK,
            "parts": {part: str(reading.measured) for part, reading in one.parts.items()},
        }
        for name, one in status.nodes.items()
    }
    healthy = sum(1 for one in status.nodes.values() if one.healthy is Measured.OK)
    names = {"members": members, "healthy": healthy, "total": len(members), "state": status.state}
    for state, expression in states.items():
        if await ctx.evaluate(expression, **names) is True:
            why = f"{expression} (else {status.state}: {status.why})"
            return ClusterStatus(state=state, nodes=status.nodes, service=status.service, why=why)
    return status
