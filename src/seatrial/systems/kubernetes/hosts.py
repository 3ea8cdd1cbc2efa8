"""The nodes of the cluster, as far as a trial may touch them: their health, their cordon and their drain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from seatrial.errors import CannotTell, UsageError, nearest
from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.nodes import draining, heal
from seatrial.links.kubernetes.nodes.holding import KIND, Hold, is_cordoned, take
from seatrial.links.kubernetes.selectors import Selector
from seatrial.links.output import beginning
from seatrial.links.process.alarm import stop_alarm
from seatrial.model.cluster import NodeHealth, PowerState
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, absent, measured
from seatrial.model.resource import Node, Resource
from seatrial.spi import AdoptsNodes, Context, Fault, Powers, power_reading
from seatrial.systems.kubernetes.settings import ClusterNodes
from seatrial.systems.settings import fill

WORD, UNDER = "node/", "under/"
"""Words of selectors: a node of the cluster by its name, and the one on which the pod of a node runs."""
FAULT = "fault"
"""The kind of a fault in the ledger."""
FAULTS = frozenset({Powers.CORDON, Powers.DRAIN, Powers.HEAL})
BY = "the API server"
GOOD = {
    "MemoryPressure": "memory_pressure",
    "DiskPressure": "disk_pressure",
    "PIDPressure": "pid_pressure",
    "NetworkUnavailable": "network_unavailable",
}
"""Conditions that are well when they are False, and the names of their parts."""
PARTS = ("service", "schedulable", *GOOD.values())


@frozen
class Own:
    """Which pods are the trial's own."""

    namespaces: tuple[str, ...]
    """All in them."""
    given: str = ""
    """Of this one, those with the labels."""
    labels: str = ""


def to_host(thing: Object, **detail: object) -> Node:
    """A node of the cluster. `detail` goes with it to its faults."""
    name, status = str(thing["metadata"]["name"]), thing.get("status") or {}
    addresses = {one["type"]: str(one["address"]) for one in status.get("addresses") or ()}
    return Node(
        name=f"{WORD}{name}",
        address=addresses.get("InternalIP", ""),
        detail={**detail, "cluster_node": name, "uid": thing["metadata"]["uid"]},
    )


def is_host(node: Node) -> bool:
    """Whether it is a node of the cluster, and not a pod."""
    return "cluster_node" in node.detail


def filled(ctx: Context, chosen: ClusterNodes) -> ClusterNodes:
    """The settings without expressions."""
    return replace(chosen, **{name: fill(ctx, getattr(chosen, name), {}) for name in ("names", "labels", "reason")})


async def listed(cluster: Cluster, chosen: ClusterNodes) -> list[Object]:
    """The nodes that the settings name, as they are now; CannotTell when one is absent, or when there are none."""
    kind = await cluster.kind(KIND)
    if chosen.labels:
        things = list((await cluster.list(kind, labels=chosen.labels)).objects)
        if not things:
            raise CannotTell(f"no node of the cluster has the labels of `cluster_nodes`, {chosen.labels}")
        return sorted(things, key=lambda thing: str(thing["metadata"]["name"]))
    found = [(name, await cluster.get(kind, name)) for name in chosen.names]
    if missing := [name for name, thing in found if thing is None]:
        raise CannotTell(f"the cluster has no node {', '.join(missing)}, which `cluster_nodes` names")
    return [thing for _, thing in found if thing is not None]


async def recognised(ctx: Context, hosts: Sequence[Node], chosen: ClusterNodes) -> Sequence[Node]:
    """The same, with the powers of the suite's provider over the machines that it recognises, if the settings want
    them."""
    if not chosen.power or not isinstance(ctx.provider, AdoptsNodes):
        return hosts
    return await ctx.provider.adopt(hosts)


async def by_word(ctx: Context, word: str, hosts: Sequence[Node], pods: Mapping[str, Object | None]) -> Sequence[Node]:
    """The nodes of the cluster for one word; UsageError when it means none. `pods`: of the trial's nodes, by name."""
    by_name = {host.name: host for host in hosts}
    if word in by_name:
        return [by_name[word]]
    if word == f"{WORD}*":
        return list(hosts)
    if word == f"{WORD}any":
        return [ctx.random.choice(list(hosts))]
    if word.startswith(UNDER):
        return [_under(word.removeprefix(UNDER), by_name, pods)]
    machines = [*by_name, f"{WORD}*", f"{WORD}any", f"{UNDER}POD"] if by_name else []
    raise UsageError(f"no node {word!r}: {nearest(word, [*pods, '*', 'any', 'random:N', *machines])}")


def _under(name: str, hosts: Mapping[str, Node], pods: Mapping[str, Object | None]) -> Node:
    if name not in pods:
        raise UsageError(f"no node {name!r} for `{UNDER}{name}`: {nearest(name, pods)}")
    machine = str(((pods[name] or {}).get("spec") or {}).get("nodeName") or "")
    if not machine:
        raise CannotTell(f"the pod of {name} is on no node of the cluster now")
    if f"{WORD}{machine}" not in hosts:
        raise CannotTell(
            f"{name} is on the node {machine}, which this trial may not touch: `cluster_nodes` does not name it"
        )
    return hosts[f"{WORD}{machine}"]


async def health_of(ctx: Context, cluster: Cluster, hosts: Sequence[Node]) -> dict[str, NodeHealth]:
    """Their conditions, as the API server has them; their power by the provider that recognises them."""
    things = {str(one["metadata"]["uid"]): one for one in (await cluster.list(await cluster.kind(KIND))).objects}
    found: dict[str, NodeHealth] = {}
    for host in hosts:
        health = _health(things.get(str(host.detail["uid"])))
        if host.adopted:
            health = replace(health, power=await power_reading(ctx.provider, host, ctx.suite.provider))
        found[host.name] = health
    return found


def _health(thing: Object | None) -> NodeHealth:
    if thing is None:
        why = "the cluster has no such node any more"
        gone = measured(Health.NOT_OK, why, by=BY)
        return NodeHealth(power=absent(PowerState.UNKNOWN, why, by=BY), parts=dict.fromkeys(PARTS, gone))
    conditions = {one["type"]: one for one in (thing.get("status") or {}).get("conditions") or ()}
    ready = _condition(conditions.get("Ready"), "True")
    # Whether the machine has power is not known to the API server: a kubelet that is silent may run.
    state = PowerState.RUNNING if ready.value is Health.OK else PowerState.UNREACHABLE
    parts = {"service": ready, "schedulable": _schedulable(thing)}
    parts |= {part: _condition(conditions.get(name), "False") for name, part in GOOD.items() if name in conditions}
    return NodeHealth(power=measured(state, ready.why, by=BY), parts=parts)


def _condition(condition: Mapping[str, Any] | None, wanted: str) -> Reading[Health]:
    if condition is None:
        return absent(Health.UNKNOWN, "the node does not have this condition", by=BY)
    status = condition.get("status")
    if status == wanted:
        return measured(Health.OK, by=BY)
    text = beginning(str(condition.get("message") or ""), 200)
    why = ": ".join(filter(None, (f"{condition['type']} is {status}", str(condition.get("reason") or ""), text)))
    return measured(Health.NOT_OK, why, by=BY)


def _schedulable(thing: Object) -> Reading[Health]:
    return measured(Health.NOT_OK, "it is cordoned", by=BY) if is_cordoned(thing) else measured(Health.OK, by=BY)


def refusal(node: Node, what: Powers, chosen: ClusterNodes) -> str:
    """Why the machine of a node has no such power: the provider is asked before this."""
    if chosen.power:
        return (
            f"the suite's provider does not recognise the machine of {node.name} ({node.address or 'no address'}), so "
            f"it cannot be asked to {what}"
        )
    return (
        f"{node.name} is a machine of the cluster: to {what} it, name the provider of its machines as the suite's "
        "`provider`, and write `power: true` into `cluster_nodes`"
    )


# Faults


def foreseen(host: Node, fault: Fault) -> dict[str, object]:
    """What begins and ends a fault, for the ledger."""
    known = host.detail
    hold = {"node": known["cluster_node"], "uid": known["uid"], "fault": fault.name, "trial": known["trial"]}
    until = datetime.now(UTC) + timedelta(seconds=fault.lasts)
    said = {"reason": known["reason"], "since": _moment(datetime.now(UTC)), "until": _moment(until)}
    return {"place": known["place"], "hold": hold, "said": said, "ways": fault.ways, "seconds": fault.seconds}


def key_of(detail: Mapping[str, Any]) -> str:
    """What a fault is known by in its trial."""
    return f"{detail['hold']['node']} {detail['hold']['fault']}"


async def begin(
    cluster: Cluster, host: Node, detail: Mapping[str, Any], seen: Callable[[str, bool], None], *, strangers: bool
) -> dict[str, object]:  # fmt: skip
    """Cordon the node, and drain it if that is the fault; what was evicted and what stays."""
    hold, known = Hold(**detail["hold"]), cast("Mapping[str, Any]", host.detail["own"])
    own = Own(namespaces=tuple(known["namespaces"]), given=known["given"], labels=known["labels"])
    if hold.fault == "cordon":
        await take(cluster, hold, detail["said"])
        return {}
    ways = draining.Ways(**detail["ways"])

    async def sorted_() -> draining.Sorted:
        pods = await draining.pods_on(cluster, hold.node)
        found = draining.sort(pods, ways, lambda pod: _is_own(pod, own), strangers=strangers)
        draining.require(found, hold.node)
        return found

    await sorted_()  # nothing is done to a node that will not be drained
    await take(cluster, hold, detail["said"])
    found = await sorted_()  # pods that came before the cordon
    await draining.drain(cluster, hold.node, found.evicted, ways, float(detail["seconds"]), seen)
    return {"evicted": [draining.called(pod) for pod in found.evicted], "left": dict(found.left)}


def remedy(detail: Mapping[str, object]) -> list[str]:
    """The program that ends it without Seatrial."""
    return heal.command(detail)


async def end(resource: Resource) -> None:
    """End a fault by its record."""
    await stop_alarm(resource.name)
    await heal.heal(resource.detail)


async def boot_id(cluster: Cluster, host: Node) -> str:
    """The id of its boot, as its kubelet reported it."""
    thing = await cluster.get(await cluster.kind(KIND), str(host.detail["cluster_node"]))
    boot = (((thing or {}).get("status") or {}).get("nodeInfo") or {}).get("bootID")
    if not boot:
        raise CannotTell(f"the cluster does not know the boot of {host.name}")
    return str(boot)


def _is_own(pod: Object, own: Own) -> bool:
    metadata = pod["metadata"]
    if metadata["namespace"] in own.namespaces:
        return True
    return (
        bool(own.labels) and metadata["namespace"] == own.given and Selector(own.labels).matches(metadata.get("labels"))
    )


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
