"""Our existing resources, by libvirt's own lists; the ledger is not asked. Blocks."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.links.libvirt import Ignoring, library
from seatrial.links.process import process_start
from seatrial.model.resource import Resource
from seatrial.providers.libvirt import names, volumes, xml
from seatrial.providers.libvirt.settings import LibvirtSettings
from seatrial.providers.nodes import to_detail

OWNER = "provider:libvirt"
LABELS = "labels"
"""The file with a trial's labels as JSON; its other files cannot carry any."""


def listed(connection: Any, settings: LibvirtSettings, uri: str, run: str) -> Sequence[Resource]:
    """Nodes, then files of none of them, then networks, also of killed probes: they can be removed in this order."""
    nodes = [node for node in _nodes(connection, settings, uri) if run in ("*", node.run)]
    held = {f"{node.trial}/{node.detail['node']}" for node in nodes}
    shared = {net.trial: net for net in _networks(connection, settings, uri) if run in ("*", net.run)}
    loose = []
    for pool in volumes.pools(connection, settings):
        for file in filter(None, map(names.file_of, volumes.look(pool))):
            if run not in ("*", file.run):
                continue
            if file.node != names.TRIAL and f"{file.trial}/{file.node}" not in held:
                detail = {"uri": uri, "pool": pool.name(), "files": str(file)}
                labels = labels_of(connection, pool, file)
                loose.append(_resource("volume", str(file), file.run, file.trial, detail, labels))
            elif file.node == names.TRIAL and file.trial not in shared:
                # The network ended with the host, or was never created: its files are still there.
                shared[file.trial] = _network(file.run, file.trial, labels_of(connection, pool, file), uri, pool.name())
    return [*nodes, *loose, *shared.values(), *(_probes(connection, settings, uri) if run == "*" else ())]


def _nodes(connection: Any, settings: LibvirtSettings, uri: str) -> Iterator[Resource]:
    for domain in connection.listAllDomains():
        labels: Mapping[str, str] = {}
        with Ignoring("NO_DOMAIN_METADATA", "NO_DOMAIN"):
            labels = xml.domain_labels(domain.metadata(library().VIR_DOMAIN_METADATA_ELEMENT, xml.SPACE))
        if run := labels.get("seatrial.run"):
            trial, node = labels.get("seatrial.trial", ""), labels.get("seatrial.node", "")
            pool = labels.get("seatrial.pool") or volumes.pool_name(settings)
            known = {**node_detail(run, trial, node, uri, pool), "domain": domain.name()}
            yield _resource("node", f"{trial}-{node}", run, trial, known, labels)


def node_detail(run: str, trial: str, node: str, uri: str, pool: str) -> dict[str, object]:
    """The facts needed to remove a node."""
    shared = shared_detail(run, trial, uri, pool, node)
    return {"node": node, "domain": f"{trial}-{node}", "mac": names.mac_of(trial, node), **shared}


def _networks(connection: Any, settings: LibvirtSettings, uri: str) -> Iterator[Resource]:
    for network in connection.listAllNetworks():
        with contextlib.suppress(library().libvirtError):  # it went while we looked
            if trial := names.trial_of(network.name()):
                labels = xml.network_labels(network.XMLDesc(0))
                pool = labels.get("seatrial.pool") or volumes.pool_name(settings)
                yield _network(labels.get("seatrial.run", ""), trial, labels, uri, pool)


def _network(run: str, trial: str, labels: Mapping[str, str], uri: str, pool: str) -> Resource:
    return _resource("network", names.network_of(trial), run, trial, shared_detail(run, trial, uri, pool), labels)


def _resource(
    kind: str, name: str, run: str, trial: str, detail: Mapping[str, object], labels: Mapping[str, str]
) -> Resource:
    detail = {**detail, **to_detail(labels)}
    return Resource(kind=kind, name=name, owner=OWNER, run=run, trial=trial, detail=detail)


def shared_detail(run: str, trial: str, uri: str, pool: str, node: str = names.TRIAL) -> dict[str, object]:
    """The facts needed to remove a trial's network, and the files of a node or of the whole trial."""
    files = str(names.File(run, trial, node, ""))
    return {"uri": uri, "network": names.network_of(trial), "pool": pool, "files": files}


def _probes(connection: Any, settings: LibvirtSettings, uri: str) -> Iterator[Resource]:
    """Leftovers of killed probes; each is a run of its own."""
    for name, labels in forgotten_probes(connection).items():
        pool = volumes.pool_name(settings)
        detail = {"uri": uri, "network": name, "domain": name, "pool": pool, "files": name}
        yield _resource("network", name, name.removeprefix(f"{names.PREFIX}-"), "", detail, labels)


def forgotten_probes(connection: Any) -> dict[str, Mapping[str, str]]:
    """Networks of dead probes, with their labels. Their guests ended with the process's connection."""
    dead: dict[str, Mapping[str, str]] = {}
    for network in connection.listAllNetworks():
        if re.fullmatch(names.PROBE, network.name()):
            with contextlib.suppress(library().libvirtError):  # it went while we looked
                labels = xml.network_labels(network.XMLDesc(0))
                pid, _, start = labels.get(names.PROCESS, "").partition(" ")
                if pid.isdigit() and process_start(int(pid)) != start:
                    dead[network.name()] = labels
    return dead


def forgotten_files(pool: Any) -> list[str]:
    """Files of dead probes."""
    named = filter(None, map(names.PROBE_FILE.fullmatch, volumes.look(pool)))
    return [match[0] for match in named if process_start(int(match[1])) != match[2]]


def labels_of(connection: Any, pool: Any, file: names.File) -> dict[str, str]:
    """The labels of a file's trial, as they were written down beside it; empty when they cannot be read."""
    volume = volumes.found(pool, str(names.File(file.run, file.trial, names.TRIAL, LABELS)))
    if volume is None:
        return {}
    with contextlib.suppress(ValueError, library().libvirtError):
        return {str(k): str(v) for k, v in json.loads(volumes.read(connection, volume, 64 * 1024)).items()}
    return {}
