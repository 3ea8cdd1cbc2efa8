"""The keys of `system:` in a document for the system `compose`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from seatrial.model.frozen import frozen
from seatrial.model.values import Expression, Rule
from seatrial.systems.settings import DataSettings, Probe


@frozen
class ComposeSettings:
    """A compose file as it is: its services are the nodes."""

    files: tuple[str, ...] = ()
    """The compose files, relative to the document; a later one adds to those before. Empty: `compose.yaml` (or
    `docker-compose.yml`) beside the document, with its `compose.override.yaml`."""
    profiles: tuple[str, ...] = ()
    """Profiles of the file to turn on."""
    env_file: str = ""
    """A file with variables for the compose file, relative to the document; empty: `.env` beside the first file."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More variables for the compose file; secrets belong here."""
    tool: str = ""
    """`docker compose`, `docker-compose` or `podman-compose`, or the path of one of the last two; empty: the first
    whose engine answers."""
    ports: Literal["leased", "fixed"] = "leased"
    """`leased`: every published port gets a free number on 127.0.0.1, in `node.ports`; `fixed`: the file's numbers,
    so that two trials cannot run at the same time."""
    jobs: tuple[str, ...] = ()
    """Services that end by themselves with exit code 0, such as migrations: they do not count as nodes. A service that
    another one needs as `service_completed_successfully` is one without being named."""
    health: Mapping[str, Probe] = field(default_factory=dict)
    """Service to a probe of each of its nodes, beside the health check of the compose file. A service with neither is
    as healthy as its container is running."""
    rule: Rule = Rule("majority")
    """`majority`, `all`, `any`, or CEL over `healthy` and `total`: whether the whole still works."""
    states: Mapping[str, Expression] = field(default_factory=dict)
    """More states: name to CEL over `members` (name to power, healthy, parts), `healthy`, `total`, `state`; the first
    true one is the state."""
    admin: str = ""
    """The URL of the admin UI on a node."""
    data: DataSettings | None = None
    """How `data_integrity` writes and reads its records."""
