"""Checks of nodes: their power, their links and the parts of their health."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from seatrial.checks.per_node import DESTROYED, OnNodes, choose, combined, on_each
from seatrial.checks.readings import by_health, by_power, decide_by
from seatrial.errors import nearest
from seatrial.model.cluster import NodeHealth, PowerState
from seatrial.model.reading import Health, Reading, absent, concluded
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context, KnowsReadings, Need

State = Literal["running", "stopped", "unreachable", "paused"]
_STATES = get_args(State)

_WORD = r"(?:random:\d+|[^:\s,]+)"
_SELECTOR = rf"{_WORD}(?:,\s*{_WORD})*"


async def observe_power(ctx: Context, selector: str, wanted: str) -> Observation:
    """Compare the power state of each node with the wanted one; a destroyed node counts as stopped."""

    def judge(power: Reading[PowerState]) -> Observation:
        if power.value is PowerState.UNKNOWN:
            why = power.why or "its power state could not be read"
            return unknown(why, expected=wanted, seen=str(power.value))
        return (passed if power.value == wanted else failed)(str(power.value), wanted, power.why)

    return await on_each(
        ctx,
        selector,
        lambda node: by_power(ctx, node, judge),
        wanted,
        absent_as=DESTROYED if wanted == "stopped" else "",
    )


@check("all_nodes_running")
@dataclass(frozen=True, kw_only=True)
class AllRunning:
    """Every node is powered on and its link answers."""

    def rests_on(self) -> Collection[Need]:
        return (Need.NODES,)

    async def observe(self, ctx: Context) -> Observation:
        return await observe_power(ctx, "*", "running")


@check("vms_powered_off")
@dataclass(frozen=True, kw_only=True)
class PoweredOff:
    """Every node is powered off."""

    def rests_on(self) -> Collection[Need]:
        return (Need.NODES,)

    async def observe(self, ctx: Context) -> Observation:
        return await observe_power(ctx, "*", "stopped")


@check("node_status")
@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """A node is in a state: `node_status:n12` (running), `node_status:n12,n13:stopped`."""

    node: str
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one), `random:2`, or a role of the system
    (`leader`)."""
    state: State = "running"
    """The expected power state."""

    text_pattern: ClassVar[str] = rf":{_SELECTOR}(?::(?:{'|'.join(_STATES)}))?"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<node>` or `:<node>:<state>`."""
        allowed = f"allowed: node_status:NODE or node_status:NODE:STATE, STATE one of {', '.join(_STATES)}"
        selector, _, state = rest[1:].rpartition(":")
        if not selector or (re.fullmatch(r"(.*,)?random", selector) and state.isdigit()):
            selector, state = rest[1:], "running"
        if not rest.startswith(":") or not re.fullmatch(_SELECTOR, selector):
            raise ValueError(f"missing node in {rest!r}; {allowed}")
        if state not in _STATES:
            raise ValueError(f"unknown node state {state!r}; {allowed}")
        return {"node": selector, "state": state}

    def node_names(self) -> Iterable[str]:
        return (self.node,)

    def rests_on(self) -> Collection[Need]:
        return (Need.NODES,)

    async def observe(self, ctx: Context) -> Observation:
        return await observe_power(ctx, self.node, self.state)


@check("ssh_connectivity")
@dataclass(frozen=True, kw_only=True)
class Connectivity(OnNodes):
    """A command runs on every node over its link."""

    on: str = "*"
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one), `random:2`, or a role of the system
    (`leader`)."""

    async def observe(self, ctx: Context) -> Observation:
        async def look(node: Node) -> Observation:
            done = await ctx.link(node).run(["true"], timeout=10)
            if done.ok:
                return passed("ok")
            return failed(f"exit code {done.exit_code}", why=f"`true` {done.ended}: {done.stderr.strip()}")

        return await on_each(ctx, self.on, look, "ok")


_HEALTH = re.compile(r"(?:\[([^\[\]]+)\])?\.([A-Za-z][\w-]*)\s*(==|!=)\s*(\w+)")
_OLDER = {"true": "ok", "false": "not_ok"}
"""Values in older documents."""

_VALUES = {"ok": Health.OK, "not_ok": Health.NOT_OK, "failed": Health.NOT_OK}


@check("health_status")
@dataclass(frozen=True, kw_only=True)
class HealthStatus:
    """A part of the nodes' health is ok, or measured as not ok: `health_status[n11,n12].ssh!=ok`."""

    nodes: str = "*"
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one), `random:2`, or a role of the system
    (`leader`)."""
    part: str
    """`ssh`, `service`, another part measured by the system, or `healthy` for all parts."""
    value: Literal["ok", "not_ok", "failed"] = "ok"
    """`failed` is the same as `not_ok`."""
    differs: bool = False
    """The part must not be in this state: `!=`."""

    text_pattern: ClassVar[str] = _HEALTH.pattern

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `[<selector>].<part>==<value>`, or with `!=`."""
        allowed = "allowed: health_status[NODES].PART==ok, health_status[NODES].PART!=ok (or not_ok)"
        found = _HEALTH.fullmatch(rest.strip())
        if not found:
            raise ValueError(f"invalid text {rest!r}; {allowed}")
        if found[4] not in {*_VALUES, *_OLDER}:
            raise ValueError(f"unknown value {found[4]!r}; {allowed}")
        value = _OLDER.get(found[4], found[4])
        return {"nodes": found[1] or "*", "part": found[2], "differs": found[3] == "!=", "value": value}

    def node_names(self) -> Iterable[str]:
        return (self.nodes,)

    def check_system(self, system: type[Any], settings: Any) -> Iterable[tuple[str, str]]:
        """Refuse a part that the system can never measure."""
        parts = system.part_names(settings) if issubclass(system, KnowsReadings) else None
        if parts is not None and self.part not in ("healthy", *parts):
            hint = nearest(self.part, ["healthy", *parts], what="it measures")
            yield f"the system never measures the part {self.part!r} of a node", hint

    async def observe(self, ctx: Context) -> Observation:
        wanted = Health.OK if (_VALUES[self.value] is Health.OK) is not self.differs else Health.NOT_OK

        def judge(reading: Reading[Health]) -> Observation:
            if reading.value is Health.UNKNOWN:
                return unknown(reading.why or "it could not be measured", seen=str(reading.value))
            return (passed if reading.value is wanted else failed)(str(reading.value), why=reading.why)

        chosen = await choose(ctx, self.nodes)
        missing = judge(absent(Health.UNKNOWN, "the system did not measure this node"))
        each = {node.name: missing for node in chosen.nodes}
        each |= await by_health(ctx, chosen.nodes, lambda health: judge(reading_of(health, self.part)))
        for name, gone in chosen.absent.items():
            reading = concluded(Health.NOT_OK, f"the node was {gone.value}", [gone])
            each[name] = decide_by(ctx, reading, Health.UNKNOWN, judge)
        return combined(each, str(wanted))


def reading_of(health: NodeHealth, part: str) -> Reading[Health]:
    """One part of a node's health; no part of a powered-off node is ok."""
    if part == "healthy":
        return health.healthy
    reading, power = health.parts.get(part), health.power
    if reading is not None and reading.value is not Health.UNKNOWN:
        return reading
    if power.value is PowerState.STOPPED:
        return concluded(Health.NOT_OK, "the node is stopped", [power])
    if reading is not None:
        return reading
    if part == "ssh" and power.value is PowerState.UNREACHABLE:
        return concluded(Health.NOT_OK, power.why or "the node is unreachable", [power])
    known = ", ".join(sorted(health.parts)) or "none"
    return absent(Health.UNKNOWN, f"unknown part {part!r}; the system measures: {known}")
