"""The state of the whole by a system's declared rule and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from seatrial.model.cluster import ClusterStatus, NodeHealth, cluster_status, majority
from seatrial.model.reading import Health, Reading, concluded, remembered
from seatrial.spi import Context
from seatrial.spi.context import is_true

RULES: Mapping[str, Callable[[int, int], bool]] = {
    "majority": majority,
    "all": lambda healthy, total: healthy == total,
    "any": lambda healthy, total: healthy > 0,
}


EXPRESSION_NAMES = ("json", "body", "status", "exit_code", "members", "healthy", "total", "state")
"""Names for the expressions in the settings of probes, rules and states."""


def not_deployed(stage: str) -> ClusterStatus:
    """The status before `deploy` and after `destroy`, from memory alone: nothing is measured."""
    whys = {"initialized": "nothing is deployed yet", "destroyed": "it was destroyed"}
    why = whys.get(stage, "it was neither initialised nor deployed")
    return ClusterStatus(state=remembered(stage, why), service=remembered(Health.NOT_OK, why))


async def whole(ctx: Context, health: Mapping[str, NodeHealth], rule: str, states: Mapping[str, str]) -> ClusterStatus:
    """The state of the whole by its rule, under the name of the first declared state that is true."""
    holds = await _able(ctx, rule, health)
    return await _named(ctx, states, cluster_status(health, rule=lambda _healthy, _total: holds))


async def _able(ctx: Context, rule: str, health: Mapping[str, NodeHealth]) -> bool:
    """Whether the rule holds if every unmeasured node counts as healthy."""
    total = len(health)
    healthy = sum(1 for one in health.values() if one.healthy.value is not Health.NOT_OK)
    if rule in RULES:
        return RULES[rule](healthy, total)
    return await is_true(ctx, rule, healthy=healthy, total=total)


async def _named(ctx: Context, states: Mapping[str, str], status: ClusterStatus) -> ClusterStatus:
    if not states:
        return status
    members = {
        name: {
            "power": str(one.power.value),
            "healthy": one.healthy.ok,
            "parts": {part: str(reading.value) for part, reading in one.parts.items()},
        }
        for name, one in status.nodes.items()
    }
    healthy = sum(1 for one in status.nodes.values() if one.healthy.ok)
    names = {"members": members, "healthy": healthy, "total": len(members), "state": status.state.value}
    for state, expression in states.items():
        if await ctx.evaluate(expression, **names) is True:
            why = f"{expression} (else {status.state.value}: {status.state.why})"
            grounds: list[Reading[object]] = [status.state, *(one.healthy for one in status.nodes.values())]
            return replace(status, state=concluded(state, why, grounds))
    return status
