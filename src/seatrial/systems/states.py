"""The state of the whole by a system's declared rule and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from seatrial.errors import SeatrialError
from seatrial.model.cluster import RULES, ClusterStatus, NodeHealth, cluster_status
from seatrial.model.reading import Health, Reading, Source, absent, concluded, measured, remembered
from seatrial.spi import Context
from seatrial.spi.context import is_true

EXPRESSION_NAMES = ("json", "body", "status", "exit_code", "members", "healthy", "total", "state")
"""Names for the expressions in the settings of probes, rules and states."""


def not_deployed(stage: str) -> ClusterStatus:
    """The status before `deploy` and after `destroy`, from memory alone: nothing is measured."""
    whys = {"initialized": "nothing is deployed yet", "destroyed": "it was destroyed"}
    why = whys.get(stage, "it was neither initialised nor deployed")
    return ClusterStatus(state=remembered(stage, why), service=remembered(Health.NOT_OK, why))


def without_deployment(
    memory: ClusterStatus, former: Mapping[str, NodeHealth], claim: Reading[str] | None = None
) -> ClusterStatus:
    """The status before `deploy` and after `destroy` of a deployer's system: what the deployer says now (`claim`, in
    Seatrial's words; None: it says nothing), and what the parts of the nodes before `destroy` answer."""
    stage, word = memory.state.value, claim or memory.state
    parts = [
        (f"{part} of {name}", reading)
        for name, health in former.items()
        for part, reading in health.parts.items()
        if reading.source is Source.MEASURED
    ]
    if alive := [name for name, reading in parts if reading.ok]:
        why = f"{word.why}, and Seatrial measured that {', '.join(alive)} answers"
        state = absent("", f"a contradiction: {why}") if word.value == stage else replace(word, why=why)
        return ClusterStatus(state=state, service=absent(Health.UNKNOWN, why))
    silent = [reading for _, reading in parts if reading.value is Health.NOT_OK]
    state = word
    if silent and word.value == stage:
        state = concluded(stage, f"{word.why}, and no part of its nodes answers", silent)
    return ClusterStatus(state=state, service=concluded(Health.NOT_OK, state.why, [state]))


async def without_nodes(ctx: Context, stage: str) -> ClusterStatus:
    """The status before `deploy` and after `destroy` of a system on the provider's nodes: the provider is asked whether
    it has any of them. Nodes that the run keeps for later suites are not this trial's any more."""
    memory = not_deployed(stage)
    if not stage:
        return memory
    by = f"the provider {ctx.suite.provider}"
    try:
        found = await ctx.provider.find(ctx.run_id)
    except (SeatrialError, OSError) as error:
        why = f"{memory.state.why}, but {by} could not list its nodes: {error}"
        return replace(memory, state=replace(memory.state, why=why))
    left = [one.name for one in found if one.kind == "node" and one.trial == ctx.trial_id]
    if left and not (stage == "destroyed" and await ctx.release_cluster()):
        why = f"{memory.state.why}, but {by} still has {', '.join(sorted(left))}"
        return ClusterStatus(state=absent("", why, by=by), service=absent(Health.UNKNOWN, why))
    why = f"{memory.state.why}, and {by} has no node of this trial"
    return ClusterStatus(state=measured(stage, why, by=by), service=measured(Health.NOT_OK, why, by=by))


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
