"""Waiting until the cluster is running, with evidence if it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from seatrial.errors import CannotTell, NeverTold, Overrun, StepFailed
from seatrial.model.cluster import SAME_STATE, ClusterStatus, NodeHealth, PowerState
from seatrial.model.reading import Health, Reading, Source
from seatrial.model.resource import Node
from seatrial.spi import Context, Gap, Need, ShowsEvidence, SystemTraits, gaps_of, status_of, traits
from seatrial.steps.power import none_failed
from seatrial.steps.wait_until import NotYet, wait_until

LOG_LINES = 20
"""Maximum number of lines shown of each node's log."""

NOT_SEEN_TO_RUN = (PowerState.UNKNOWN, PowerState.STOPPED)
"""Nodes in these states may have broken down: Seatrial asks their provider."""

PATIENCE = 5.0
"""Time limit in seconds for all logs together; slow ones are left out."""


async def until_running(ctx: Context, deadline: float) -> ClusterStatus:
    """The status once it is `running`, or once every link answers where nothing measures the service; Overrun or
    CannotTell at the deadline, StepFailed as soon as waiting cannot help, with the last status of each node."""
    last: ClusterStatus | None = None

    async def look() -> ClusterStatus:
        nonlocal last
        last = status = await status_of(ctx)
        state = SAME_STATE.get(status.state.value, status.state.value)
        if state == "running":
            return status
        if suspects := {name for name, health in status.nodes.items() if health.power.value in NOT_SEEN_TO_RUN}:
            await none_failed(ctx, [node for node in await ctx.nodes() if node.name in suspects])
        if not state:
            _require_ways_in(await ctx.nodes())
        if not state and (gap := gaps_of(type(ctx.system), ctx.suite.system.settings).get(Need.SERVICE)):
            _links_answer(status, gap)
            ctx.log(f"every link answers; {gap.why}, so the state is unknown")
            return status
        if not state:
            raise CannotTell(status.state.why or "the system did not report its state")
        if status.hopeless:
            text = f"the state is {state}, and waiting cannot change it: {status.hopeless}"
            raise StepFailed(text, category=status.category)
        raise NotYet(f"the state is {state}" + (f" ({status.state.why})" if status.state.why else ""))

    async def evidence() -> str:
        shown = [_line(name, health) for name, health in last.nodes.items()] if last else []
        key = traits(ctx.system, SystemTraits).service_key
        if key and last and last.service.value is Health.NOT_OK and last.service.source is Source.MEASURED:
            shown.append(f"the service is measured by `{key}` at {ctx.place_in_system(key)}")
        return "\n".join([*shown, *await logs(ctx)])

    try:
        return await wait_until(ctx, look, deadline=deadline, what="the state running", evidence=evidence)
    except Overrun as error:
        error.category = (last.category if last else "") or error.category
        raise


def _links_answer(status: ClusterStatus, gap: Gap) -> None:
    """Nothing measures the service: NotYet while a link is silent, NeverTold if a node has none."""
    links = {name: health.parts.get("ssh") for name, health in status.nodes.items()}
    if without := [name for name, link in links.items() if link is None]:
        text = f"{gap.why}, and no link can show whether {', '.join(without)} runs"
        raise NeverTold(f"{text}; {gap.remedy}")
    if not links:
        raise NeverTold(f"{gap.why}, and the system has no nodes; {gap.remedy}")
    for name, link in links.items():
        if link is not None and link.value is Health.NOT_OK:
            raise NotYet(f"the link of {name} does not answer: {link.why}")
        if link is not None and not link.ok:
            raise CannotTell(f"the link of {name} could not be tried: {link.why}")


def _require_ways_in(nodes: Sequence[Node]) -> None:
    """NeverTold for a node with a way in that does not exist: another look cannot find it."""
    for node in nodes:
        if node.connection is not None and node.connection.unknown:
            raise NeverTold(f"{node.name} {node.connection.unknown}")


def _line(name: str, health: NodeHealth) -> str:
    parts = [f"{part} {_shown(reading)}" for part, reading in health.parts.items()]
    return f"{name}: {', '.join([_shown(health.power), *parts])}"


def _shown(reading: Reading[object]) -> str:
    return f"{reading.value} ({reading.why})" if reading.why else str(reading.value)


async def logs(ctx: Context) -> list[str]:
    """The end of each node's service log, as lines."""
    told: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            for name, text in (await service_logs(ctx)).items():
                if text.strip():
                    told += [f"--- log of {name}", *text.rstrip().splitlines()[-LOG_LINES:]]
    except Exception as error:  # noqa: BLE001 - the failure that is being reported counts, not that a log is missing
        told.append(f"--- no more logs: {str(error) or type(error).__name__}")
    return told


async def service_logs(ctx: Context) -> Mapping[str, str]:
    """Node to the last output of its service, from the system's `evidence`; empty without one."""
    return await ctx.system.evidence(ctx) if isinstance(ctx.system, ShowsEvidence) else {}
