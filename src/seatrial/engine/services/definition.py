"""A service's definition on its way to its keeper, and there with its expressions filled in."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seatrial import expressions
from seatrial.engine.seals import key
from seatrial.engine.services import forwarded
from seatrial.errors import CannotTell
from seatrial.links.tcp import place
from seatrial.model.chart import Chart
from seatrial.model.scenario import ServicePlan
from seatrial.model.service import Service, ServiceForward, ServiceHealth

LOOPBACK = "127.0.0.1"

Seen = Mapping[str, object]
"""A service as expressions see it: `name`, `address`, `port`, `url`, `folder`, `namespace`."""


def order(
    plan: ServicePlan, environment: Mapping[str, str], secrets: Mapping[str, str], needs: Mapping[str, Seen]
) -> dict[str, Any]:
    """All that a keeper must know, as JSON. CannotTell when a secret or a variable is missing."""
    data = dataclasses.asdict(plan.service)
    paths = {path[:2] for path in expressions.names_in(data)}
    given = {"env": environment, "secrets": secrets}
    used: dict[str, dict[str, str]] = {"env": {}, "secrets": {}}
    for root, *names in paths:
        for name in map(str, names) if root in used else ():
            if name not in given[str(root)]:
                raise CannotTell(f"the service {plan.name} needs {root}.{name}: set the environment variable {name}")
            used[str(root)][name] = given[str(root)][name]
    order = {"name": plan.name, "definition": data, "folder": str(plan.folder), **used, "needs": needs}
    if plan.service.kind == "forward":
        forward = expressions.bind(data["forward"], {**used, "services": needs})
        data["forward"], order["cluster"] = forwarded.located(plan.name, forward, plan.folder, environment)
    if plan.service.kind == "kubernetes":
        order = _located(order, plan.folder)
    return {**order, "digest": _digest(order)}


def _located(order: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """With the cluster that is meant here and now, and a checksum of the files: with others it is another service."""
    from seatrial.links.kubernetes.deploying import access

    data = order["definition"]
    names = {"env": order["env"], "secrets": order["secrets"], "services": order["needs"]}
    paths = access.located(str(expressions.bind(data["kubeconfig"], names)), folder)
    place = access.chosen(paths, str(expressions.bind(data["context"], names)), os.environ)
    found = {"kubeconfig": place.kubeconfig, "context": place.context}
    definition = {**data, **found, "forward": {**data["forward"], **found} if data["forward"] else None}
    values = [name for chart in data["charts"] for name in (chart["chart"], *chart["values"])]
    texts = [*data["manifests"], data["kustomize"], *values]
    files = [folder / str(expressions.bind(text, names)) for text in texts if text]
    return {**order, "definition": definition, "files": _checksum(files), "cluster": access.known_by(place)}


def _checksum(paths: Sequence[Path]) -> str:
    """Of these files, and of all files in these folders; a chart of a repository has none here."""
    found = hashlib.sha256()
    for path in paths:
        inner = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in inner if path.exists() else ():
            found.update(f"{file}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _digest(order: Mapping[str, Any]) -> str:
    """What makes two orders the same service. Secrets are in it, so it is made with the user's own key."""
    definition = order["definition"]  # `start` runs in the folder; of other programs only their paths count from there
    relative = any("/" in word and not word.startswith("/") for word in _programs(definition))
    local = relative or definition["start"] or "files" in order
    same = {**order, "folder": order["folder"] if local else ""}
    text = json.dumps(same, sort_keys=True, default=str)
    return hmac.new(key(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _programs(definition: Mapping[str, Any]) -> list[str]:
    """The programs of a definition, and any text for a shell as a whole."""
    commands = [definition[name] for name in ("command", "start", "stop")]
    commands += [*definition["prepare"], definition["health"]["command"]]
    return [command if isinstance(command, str) else str(command[0]) for command in commands if command]


def service_of(data: Mapping[str, Any]) -> Service:
    """A definition from its JSON."""
    health = {**data["health"], "command": tuple(map(str, data["health"]["command"]))}
    charts = tuple(Chart(**{**chart, "values": tuple(chart["values"])}) for chart in data["charts"])
    made = {**data, "health": ServiceHealth(**health), "charts": charts}
    for name in ("command", "start", "stop"):
        made[name] = data[name] if isinstance(data[name], str) else tuple(map(str, data[name]))
    made["prepare"] = tuple(tuple(map(str, argv)) for argv in data["prepare"])
    made |= {name: tuple(map(str, data[name])) for name in ("path", "needs", "manifests")}
    made["forward"] = ServiceForward(**data["forward"]) if data["forward"] else None
    made |= {name: {key: str(value) for key, value in data[name].items()} for name in ("env", "files")}
    return Service(**made)


def filled(order: Mapping[str, Any], *, port: int | None, folder: str, tag: str = "") -> tuple[Service, Seen]:
    """The definition with its expressions filled in, and the service as expressions see it. `tag`: its own, which names
    its namespace in a cluster."""
    data, name = dict(order["definition"]), str(order["name"])
    names = {"env": order["env"], "secrets": order["secrets"], "services": order["needs"]}
    address, url = LOOPBACK, data.pop("url")
    if data["endpoint"]:
        endpoint = str(expressions.bind(data["endpoint"], names))
        address, port = endpoint_of(endpoint)
        url = url or (endpoint if "://" in endpoint else "")
    seen = {"name": name, "address": address, "port": port, "folder": folder, "namespace": ""}
    if data["manifests"] or data["kustomize"] or data["charts"]:
        seen["namespace"] = str(expressions.bind(data["namespace"], names)) or tag
    names["service"] = seen
    url = str(expressions.bind(url, names)) or (f"http://{address}:{port}" if port else "")
    names["service"] = seen = {**seen, "url": url}
    for look, text in data["health"].items():
        if isinstance(text, str) and text and expressions.bind(text, names) in ("", None):
            raise CannotTell(f"the service {name} has no `{look}` of `health`: {text} has no value now")
    return service_of({**expressions.bind(data, names), "url": url}), seen


def late(env: Mapping[str, str], order: Mapping[str, Any], seen: Seen) -> Mapping[str, str]:
    """Variables for the record of a service: secrets and variables of the environment stay templates."""
    names = {"env": order["env"], "secrets": order["secrets"], "services": order["needs"], "service": seen}
    return expressions.late.keep(dict(env), names, order["secrets"])


def endpoint_of(text: str) -> tuple[str, int]:
    """Host and port of a URL or `HOST:PORT`; CannotTell when there is none."""
    try:
        if "://" in text:
            parts = urlsplit(text)
            usual = {"https": 443, "http": 80, "postgresql": 5432, "redis": 6379}.get(parts.scheme)
            host, port = parts.hostname or "", parts.port or usual
        else:
            host, port = place(text)
    except ValueError as error:
        raise CannotTell(f"the endpoint {text!r} is neither a URL nor HOST:PORT: {error}") from None
    if not host or not port:
        raise CannotTell(f"the endpoint {text!r} has no {'port' if host else 'host'}: write HOST:PORT or a URL")
    return host, port
