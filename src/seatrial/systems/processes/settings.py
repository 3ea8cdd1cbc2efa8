"""The keys of `system:` in a document for the system `processes`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from seatrial.model.frozen import frozen
from seatrial.model.resource import require_label
from seatrial.model.values import Argv, Duration, Expression, Rule, Timeout
from seatrial.systems.settings import NONE, TWO, DataSettings, HttpParts, Probe


@frozen
class Program:
    """A program; as `elsewhere` the one for nodes without access to the files of this machine: all but those of
    `local`."""

    command: Argv
    """The program with its arguments; it stays in the foreground."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Copied to each node before the first start: a file or folder of this machine, to its path on the node."""
    needs: Argv = ()
    """A command on each node before the first start; unless it ends with 0, the node cannot run the service."""


@frozen
class ServiceSettings(Program):
    """The program on every node."""

    elsewhere: Program | None = None
    """`command`, `env`, `files` and `needs` for nodes without access to the files of this machine."""
    parameter_flags: Mapping[str, str] = field(default_factory=dict)
    """Parameter to flag (`misbehave: --misbehave`), used only if the suite has the parameter."""
    stop_signal: str = "TERM"
    """The signal for an orderly stop."""
    stop_timeout: Duration = Duration(5.0)
    """From the stop signal to SIGKILL."""
    folder: str = "${{ node.folder }}"
    """The working folder on the node."""


@frozen
class RoleSettings(HttpParts):
    """How to find the nodes of a role: each node whose answer makes `that` true, or the node named by `name`."""

    http: str
    """The URL to ask on each node."""
    that: Expression = NONE
    """CEL over `json`, `body`, `status`: true on a node with the role."""
    name: Expression = NONE
    """CEL over the same values: the name of the one node with the role."""
    timeout: Timeout = TWO
    """How long one answer may take."""
    wait: Duration = Duration(5.0)
    """How long no node may have the role (an election) before the search fails."""

    def __post_init__(self) -> None:
        if bool(self.that) == bool(self.name):
            raise ValueError("name exactly one of `that` (true on a node with the role) and `name` (gives that node)")


@frozen
class ProcessSettings:
    """One service per node of the provider, its health and the rule for the whole."""

    service: ServiceSettings
    """The program on every node."""
    health: Probe
    """How Seatrial asks a node whether its service is healthy."""
    proof: Probe | None = None
    """A real request; it must succeed too, to detect a service with a wrong health report."""
    nodes: tuple[str, ...] | int | None = None
    """Names, or a number; default: `n11`, `n12`, … by `parameters.cluster_size` (default 3)."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Port name to number; 0: Seatrial leases a free one."""
    peer: str = ""
    """A template per node; all nodes' together, joined by commas, are `${{ cluster.peers }}`."""
    rule: Rule = Rule("majority")
    """`majority`, `all`, `any`, or CEL over `healthy` and `total`: whether the whole still works."""
    leader: RoleSettings | None = None
    """How to find the leader; then `leader` selects it, as in `target_node: leader`."""
    roles: Mapping[str, RoleSettings] = field(default_factory=dict)
    """More words to select nodes by their present role."""
    admin: str = ""
    """The URL of the admin UI on a node."""
    data: DataSettings | None = None
    """How `data_integrity` writes and reads its records."""
    states: Mapping[str, Expression] = field(default_factory=dict)
    """More states: name to CEL over `members` (name to power, healthy, parts), `healthy`, `total`, `state`; the first
    true one is the state."""

    def __post_init__(self) -> None:
        if isinstance(self.nodes, int) and self.nodes < 1:
            raise ValueError(f"nodes is {self.nodes}; at least 1 is needed")
        if isinstance(self.nodes, tuple) and len(set(self.nodes)) != len(self.nodes):
            raise ValueError("nodes names a node twice")
        for name in self.nodes if isinstance(self.nodes, tuple) else ():
            require_label(name)
