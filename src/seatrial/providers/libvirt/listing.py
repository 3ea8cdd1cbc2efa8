"""Our existing resources, by libvirt's own lists; the ledger is not asked. Blocks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.links.libvirt import library
from seatrial.model.resource import Resource
from seatrial.providers.libvirt import names, probes, volumes, xml
from seatrial.providers.libvirt.settings import LibvirtSettings
from seatrial.providers.nodes import to_detail

OWNER = "provider:libvirt"
LABELS = "labels"
"""The file with a trial's labels as JSON; its other files cannot carry any."""


def listed(connection: Any, settings: LibvirtSettings, uri: str, run: str) -> Sequence[Resource]:
    """Nodes, then files belonging to none of them, then networks, including those of killed probes: the order in which
    they can be removed."""
    nodes = [one for one in _nodes(connection, settings, uri) if run in ("*", one.run)]
    held = {f"{one.trial}/{one.detail['node']}" for one in nodes}
    nets = {one.trial: one for one in _networks(connection, settings, uri) if run in ("*", one.run)}
    loose, shared = [], dict(nets)
    for pool in volumes.pools(connection, settings):
        for file in filter(None, map(names.file_of, volumes.look(pool))):
            if run not in ("*", file.run):
                continue
            if file.node != names.TRIAL and f"{file.trial}/{file.node}" not in held:
                loose.append(_volume(connection, pool, file, uri))
            elif file.node == names.TRIAL and file.trial not in shared:
                # The network ended with the host, or was never created: its files are still there.
                shared[file.trial] = _network(file.run, file.trial, labels_of(connection, pool, file), uri, pool.name())
    return [*nodes, *loose, *shared.values(), *(_probes(connection, settings, uri) if run == "*" else ())]


def _nodes(connection: Any, settings: LibvirtSettings, uri: str) -> Iterator[Resource]:
    lib = library()
    for domain in connection.listAllDomains():
        try:
            metadata = domain.metadata(lib.VIR_DOMAIN_METADATA_ELEMENT, xml.SPACE)
            name = domain.name()
        except lib.libvirtError as error:
            if error.get_error_code() in (lib.VIR_ERR_NO_DOMAIN_METADATA, lib.VIR_ERR_NO_DOMAIN):
                continue
            raise
        labels = xml.domain_labels(metadata)
        if "seatrial.run" not in labels:
            continue
        trial, node = labels.get("seatrial.trial", ""), labels.get("seatrial.node", "")
        pool = labels.get("seatrial.pool") or volumes.pool_name(settings)
        yield Resource(
            kind="node",
            name=f"{trial}-{node}",
            owner=OWNER,
            run=labels["seatrial.run"],
            trial=trial,
            detail={**detail(labels["seatrial.run"], trial, node, uri, pool), **to_detail(labels), "domain": name},
        )


def detail(run: str, trial: str, node: str, uri: str, pool: str) -> dict[str, object]:
    """All that removing a node needs."""
    return {
        "node": node,
        "uri": uri,
        "domain": f"{trial}-{node}",
        "pool": pool,
        "files": str(names.File(run, trial, node, "")),
        "network": names.network_of(trial),
        "mac": names.mac_of(trial, node),
    }


def _networks(connection: Any, settings: LibvirtSettings, uri: str) -> Iterator[Resource]:
    lib = library()
    for network in connection.listAllNetworks():
        with contextlib.suppress(lib.libvirtError):  # it went while we looked
            trial = names.trial_of(network.name())
            if trial:
                labels = xml.network_labels(network.XMLDesc(0))
                pool = labels.get("seatrial.pool") or volumes.pool_name(settings)
                yield _network(labels.get("seatrial.run", ""), trial, labels, uri, pool)


def _network(run: str, trial: str, labels: Mapping[str, str], uri: str, pool: str) -> Resource:
    return Resource(
        kind="network",
        name=names.network_of(trial),
        owner=OWNER,
        run=run,
        trial=trial,
        detail={**shared_detail(run, trial, uri, pool), **to_detail(labels)},
    )


def shared_detail(run: str, trial: str, uri: str, pool: str) -> dict[str, object]:
    """All that removing a trial's network needs, and the resources that go with it."""
    return {
        "uri": uri,
        "network": names.network_of(trial),
        "pool": pool,
        "files": str(names.File(run, trial, names.TRIAL, "")),
    }


def _probes(connection: Any, settings: LibvirtSettings, uri: str) -> Iterator[Resource]:
    """Leftovers of killed probes; each is a run of its own."""
    for name, labels in probes.forgotten(connection).items():
        yield Resource(
            kind="network",
            name=name,
            owner=OWNER,
            run=name.removeprefix(f"{names.PREFIX}-"),
            detail={
                "uri": uri,
                "network": name,
                "domain": name,
                "pool": volumes.pool_name(settings),
                "files": name,
                **to_detail(labels),
            },
        )


def _volume(connection: Any, pool: Any, file: names.File, uri: str) -> Resource:
    return Resource(
        kind="volume",
        name=str(file),
        owner=OWNER,
        run=file.run,
        trial=file.trial,
        detail={"uri": uri, "pool": pool.name(), "files": str(file), **to_detail(labels_of(connection, pool, file))},
    )


def labels_of(connection: Any, pool: Any, file: names.File) -> dict[str, str]:
    """The labels of a file's trial, as they were written down beside it; empty when they cannot be read."""
    volume = volumes.found(pool, str(names.File(file.run, file.trial, names.TRIAL, LABELS)))
    if volume is None:
        return {}
    with contextlib.suppress(ValueError, library().libvirtError):
        return {str(k): str(v) for k, v in json.loads(volumes.read(connection, volume, 64 * 1024)).items()}
    return {}
