"""Faults of a container: frozen, or off its networks. Both last until `ended`, by Seatrial or by the alarm."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.containers import Engine, NoSuchThing, NotRunning, refusal
from seatrial.links.containers.engines import again, detail_of
from seatrial.links.containers.resources import has_networks
from seatrial.links.process.alarm import stop_alarm
from seatrial.model.resource import Node, Resource
from seatrial.model.result import Category
from seatrial.spi import Fault

ALREADY = ("not paused", "already connected", "already exists in network")
"""What an engine says of a fault that has ended."""


async def foreseen(node: Node, fault: Fault) -> dict[str, object]:
    """The engine, the container, and the networks with the names and the address of the container in each."""
    engine, container = again(node.detail), str(node.detail["container"])
    # `alone`: two faults of a node end one after another.
    detail = {**detail_of(engine), "container": container, "fault": fault.name, "alone": True}
    if fault.name == "pause":
        return detail
    seen = await _inspected(engine, container)
    if not has_networks(seen["HostConfig"].get("NetworkMode") or ""):
        mode = seen["HostConfig"].get("NetworkMode")
        raise StepFailed(f"{node.name} has no network of its own: its mode is {mode!r}", category=Category.TEST)
    return {**detail, "networks": _chosen(node.name, seen["NetworkSettings"].get("Networks") or {}, fault, engine)}


def _chosen(node: str, networks: Mapping[str, Any], fault: Fault, engine: Engine) -> list[dict[str, object]]:
    wanted = {word: [name for name in networks if name == word or name.endswith(f"_{word}")] for word in fault.networks}
    if missing := [word for word, names in wanted.items() if not names]:
        known = ", ".join(sorted(networks)) or "none"
        text = f"{node} is not on the network {', '.join(missing)}; its networks: {known}"
        raise StepFailed(text, category=Category.TEST)
    if not networks:
        raise StepFailed(f"{node} is on no network: it cannot be disconnected", category=Category.TEST)
    chosen = [name for names in wanted.values() for name in names] or list(networks)
    return [_connection(name, networks[name], engine) for name in dict.fromkeys(chosen)]


def _connection(name: str, seen: Mapping[str, Any], engine: Engine) -> dict[str, object]:
    # Docker takes an address back only where somebody had chosen it.
    given = (seen.get("IPAMConfig") or {}).get("IPv4Address") or (seen.get("IPAddress") if engine.podman else "")
    return {"network": name, "aliases": list(seen.get("Aliases") or ()), "address": given or ""}


async def begin(node: Node, detail: Mapping[str, object]) -> None:
    """Freeze the container, or take it off the networks; CannotTell when it is not so afterwards."""
    engine, container = again(detail), str(detail["container"])
    if detail["fault"] == "pause":
        await engine.call("pause", container, what=f"freezing {node.name}")
        status = (await _inspected(engine, container))["State"]["Status"]
        if status != "paused":
            raise CannotTell(f"{engine.name} was asked to freeze {node.name}, but it is {status}")
        return
    names = [str(one["network"]) for one in _networks(detail)]
    for name in names:
        await engine.call("network", "disconnect", name, container, what=f"taking {node.name} off the network {name}")
    still = [name for name in names if name in (await _networks_of(engine, container))]
    if still:
        raise CannotTell(f"{engine.name} was asked to disconnect {node.name}, but it is on {', '.join(still)}")


def remedy(detail: Mapping[str, object]) -> list[str]:
    """The command for the alarm."""
    engine = again(detail)
    calls = [shlex.join([engine.program, *call]) for call in _calls(detail)]
    given = [f"{name}={value}" for name, value in engine.extra.items()]
    return ["env", *given, "sh", "-c", "; ".join(calls)]


async def ended(resource: Resource) -> None:
    """End it by its record; a container or network that is gone, or a fault that has ended, is success."""
    await stop_alarm(resource.name)
    engine = again(resource.detail)
    for call in _calls(resource.detail):
        what = f"ending the fault {resource.name}"
        done = await engine.attempt(*call, what=what)
        if done.ok:
            continue
        refused = refusal(engine, what, done)
        not_paused = call[0] == "unpause" and isinstance(refused, NotRunning)
        if not (not_paused or isinstance(refused, NoSuchThing) or any(word in str(refused) for word in ALREADY)):
            raise refused


def _calls(detail: Mapping[str, object]) -> Iterator[list[str]]:
    container = str(detail["container"])
    if detail["fault"] == "pause":
        yield ["unpause", container]
        return
    for one in _networks(detail):
        aliases = [word for name in one["aliases"] for word in ("--alias", str(name))]
        address = ["--ip", str(one["address"])] if one["address"] else []
        yield ["network", "connect", *aliases, *address, str(one["network"]), container]


def _networks(detail: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
    return detail["networks"]  # type: ignore[return-value]


async def _networks_of(engine: Engine, container: str) -> Mapping[str, Any]:
    return (await _inspected(engine, container))["NetworkSettings"].get("Networks") or {}


async def _inspected(engine: Engine, container: str) -> Mapping[str, Any]:
    text = await engine.call("container", "inspect", container, what=f"looking at {container}")
    seen: Mapping[str, Any] = json.loads(text)[0]
    return seen
