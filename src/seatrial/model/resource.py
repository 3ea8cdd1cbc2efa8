"""What a run makes and has to give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Node", "NodeSpec", "Resource", "Service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing that is made, or about to be; `detail` (JSON values) is all that its owner needs to give it back."""

    kind: str
    name: str
    """Unique among the resources of its owner, and chosen before the thing is made."""
    owner: str
    """Who gives it back: `provider:local`, `system:command`, `engine:lease`, `engine:path`."""
    run: str
    trial: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    outlives_host: bool = False
    """Whether it survives a power loss of this machine (a VM in a cloud does, a process does not)."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.owner})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the system under test, as its provider or its inventory knows it."""

    name: str
    address: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Named ports that the system asked for and that are leased for this node."""
    ssh: Mapping[str, object] = field(default_factory=dict)
    """How to reach it: host, port, user, key (file), known_host (a host key line); empty: it has no SSH."""
    folder: str = ""
    """A folder on the node that the service may write to."""
    detail: Mapping[str, object] = field(default_factory=dict)
    adopted: bool = False
    """A deployer made it, and the provider has recognised it as a machine of its own: its powers work over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What is asked of a provider for one node."""

    name: str
    ports: Mapping[str, int] = field(default_factory=dict)
    """Port name to number; 0 asks for a leased one."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """The suite's parameters: a provider reads memory, CPU, volumes and image from these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program that a node runs, also after each boot."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    stop_signal: str = "TERM"
    stop_timeout: float = 5.0
    """Seconds from the stop signal to SIGKILL."""
