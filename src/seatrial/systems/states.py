"""What every system measures alike: a node's link, and the state of the whole by the rule and under the names that
the system declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from seatrial.errors import CannotTell, LinkDown, LinkLost, SeatrialError
from seatrial.model.cluster import ClusterStatus, NodeHealth, majority
from seatrial.model.reading import Health, Reading, absent, concluded, measured, remembered
from seatrial.model.resource import Node
from seatrial.spi import Context

LINK_SECONDS = 5.0
"""How long a node's link may take to run `true`."""

RULES: Mapping[str, Callable[[int, int], bool]] = {
    "majority": majority,
    "all": lambda healthy, total: healthy == total,
    "any": lambda healthy, total: healthy > 0,
}


def not_deployed(stage: str) -> ClusterStatus:
    """The status before `deploy` and after `destroy`, from memory alone: nobody is asked."""
    why = {"initialized": "nothing is deployed yet", "destroyed": "it was destroyed"}.get(
        stage, "it was neither initialised nor deployed"
    )
    return ClusterStatus(state=remembered(stage, why), service=remembered(Health.NOT_OK, why))


async def link_of(ctx: Context, node: Node) -> Reading[Health]:
    """Whether a node's link answers. Silence is a measurement; a node that refuses our key is not."""
    by = f"the link of {node.name}"
    try:
        done = await ctx.link(node).run(["true"], timeout=LINK_SECONDS)
    except (LinkDown, LinkLost, TimeoutError) as error:
        return measured(Health.NOT_OK, str(error) or f"no answer within {LINK_SECONDS:g} s", by=by)
    except (SeatrialError, OSError) as error:
        return absent(Health.UNKNOWN, str(error) or type(error).__name__, by=by)
    if done.ok:
        return measured(Health.OK, by=by)
    return absent(Health.UNKNOWN, f"`true` ended with {done.exit_code}: {done.stderr.strip()}", by=by)


async def able(ctx: Context, rule: str, health: Mapping[str, NodeHealth]) -> bool:
    """Whether the rule holds when every node that could not be measured is given the benefit of the doubt."""
    total = len(health)
    healthy = sum(1 for one in health.values() if one.healthy.value is not Health.NOT_OK)
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
