"""Resources of a run, for their removal at the end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from seatrial.model.frozen import frozen

__all__ = ["Connection", "Node", "NodeSpec", "Resource", "Service"]


@frozen
class Resource:
    """A resource, made or intended; `detail` (JSON values) has all its owner needs to remove it."""

    kind: str
    name: str
    """Unique among the resources of its owner, and chosen before the resource is made."""
    owner: str
    """The part of Seatrial that removes it: `provider:local`, `system:command`, `engine:lease`, `engine:path`."""
    run: str
    trial: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    outlives_host: bool = False
    """Whether it survives a power loss of this machine (a VM in a cloud does, a process does not)."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.owner})"

    @property
    def cost(self) -> str:
        """What it costs while it stands, in words; empty: unknown, or nothing. `per_hour` in its detail is the price in
        the currency of its provider's settings."""
        price = self.detail.get("per_hour")
        return f"; it costs {price:g} per hour" if isinstance(price, int | float) and price else ""


LOCAL = "local"
KUBECTL = "kubectl"

ENGINES = ("docker", "podman")

WAYS_IN = (LOCAL, *ENGINES, KUBECTL)
"""Ways in besides SSH."""


@frozen
class Connection:
    """A way into a node without SSH; `links.connection` has its link."""

    kind: str
    """`local` (this machine), `docker`, `podman`, `kubectl`; links refuse any other kind by its name."""
    target: str = ""
    """The container or the pod."""
    user: str = ""
    """The user there; empty: the target's own."""
    become: bool = False
    """Whether commands run as root."""
    program: str = ""
    """The engine's program; empty: the kind's, from PATH."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the program that select an engine: `DOCKER_HOST`, `CONTAINERS_CONF`, `KUBECONFIG`."""
    context: str = ""
    """Of a pod: the context of the kubeconfig; empty: its current one."""
    namespace: str = ""
    """Of a pod; empty: the context's, else `default`."""
    container: str = ""
    """Of a pod; empty: the one that its annotation names, else its first."""
    debug_image: str = ""
    """Of a pod: the image of a debug container for a container without a shell."""
    passing: bool = False
    """Whether other targets follow this one while the node stays, as the pods of a Deployment do: the silence of one
    says nothing about the node."""

    @property
    def unknown(self) -> str:
        """Why there is no such way in; empty: there is."""
        return "" if self.kind in WAYS_IN else f"cannot be reached by {self.kind!r}; allowed: ssh, {', '.join(WAYS_IN)}"


@frozen
class Node:
    """One machine of the system under test, according to its provider or its inventory."""

    name: str
    address: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Named ports, requested by the system and leased for this node."""
    ssh: Mapping[str, object] = field(default_factory=dict)
    """How to reach it: host, port, user, key (file), known_host (a host key line); empty: no SSH."""
    connection: Connection | None = None
    """The way in for a node without SSH; None without `ssh`: no way in."""
    folder: str = ""
    """A folder on the node, writable for the service."""
    detail: Mapping[str, object] = field(default_factory=dict)
    adopted: bool = False
    """A deployer made it and the provider recognised it as one of its machines: the provider's powers apply to it."""

    @property
    def has_link(self) -> bool:
        """Whether there is a way in."""
        return bool(self.ssh) or self.connection is not None

    @property
    def proves_itself(self) -> bool:
        """Whether an answer of its link says that the node runs: this machine itself always answers."""
        if self.connection is None:
            return bool(self.ssh)
        return self.connection.kind != LOCAL and not self.connection.passing


_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def require_label(name: str, what: str = "node name") -> None:
    """ValueError unless the name is a DNS label."""
    if not _LABEL.fullmatch(name):
        allowed = "letters, digits and hyphens, at most 63, with a letter or digit at both ends"
        raise ValueError(f"invalid {what} {name!r}; allowed: {allowed}")


@frozen
class NodeSpec:
    """A request for one node to a provider."""

    name: str
    """A DNS label: it becomes a host name and a folder."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Port name to number; 0 requests a leased one."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """The suite's parameters: a provider reads memory, CPU, volumes and image from them."""

    def __post_init__(self) -> None:
        require_label(self.name)


@frozen
class Service:
    """A program for a node to run, also after each boot."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    stop_signal: str = "TERM"
    stop_timeout: float = 5.0
    """Seconds from the stop signal to SIGKILL."""
