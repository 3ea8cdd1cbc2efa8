"""Names and tags of resources: each contains the run, the trial and the node, from its first moment on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seatrial.links.cloudstack import tags_of

if TYPE_CHECKING:
    from seatrial.links.cloudstack import Cloud

PREFIX = "seatrial-"
"""Of the name of every machine and disk."""

_TOLD = re.compile(r"seatrial (r[0-9a-z]{10,}) (t[0-9a-z]{10,}) (\S+)")


def place_of(cloud: Cloud) -> dict[str, object]:
    """For the ledger: where things are made, and nowhere else looked for."""
    return {"endpoint": cloud.endpoint, "cloud_project": cloud.project}


def machine_name(trial: str, node: str) -> str:
    """A host name unique to the trial."""
    return f"{PREFIX}{trial}-{node}"


def display_name(run: str, trial: str, node: str) -> str:
    """The name on the cloud's own pages; present before any tag can be."""
    return f"seatrial {run} {trial} {node}"


def disk_name(machine: str, number: int) -> str:
    """A data disk of a machine."""
    return f"{machine}-data{number}"


def tags_from(labels: Mapping[str, str], node: str) -> list[dict[str, str]]:
    """Labels as CloudStack takes them."""
    return [{"key": key, "value": value} for key, value in {**labels, "seatrial.node": node}.items() if value]


def ids_of(thing: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Run, trial and node of one of our machines; by its tags, else by its display name."""
    tags = tags_of(thing)
    told = tuple(tags.get(f"seatrial.{word}", "") for word in ("run", "trial", "node"))
    if all(told):
        return told[0], told[1], told[2]
    match = _TOLD.fullmatch(str(thing.get("displayname") or ""))
    return (match[1], match[2], match[3]) if match else None
