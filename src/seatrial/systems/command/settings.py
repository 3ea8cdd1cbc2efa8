"""The keys of `system:` in a document for the system `command`; commands may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.links.inventory import STYLES
from seatrial.model.values import Argv, Duration
from seatrial.systems.settings import DataSettings

NODE_VERBS = ("stop_node", "start_node", "crash_node", "restart_node")
CLUSTER_VERBS = ("init", "deploy", "status", "health", "stop", "start", "destroy")
VERBS = (*CLUSTER_VERBS, *NODE_VERBS)


@dataclass(frozen=True, kw_only=True)
class InventorySettings:
    """Where the nodes are read from after deploy: a file, or what a command prints."""

    file: str = ""
    """Relative to the working folder of the verbs."""
    command: Argv = ()
    """A program that prints the inventory; it runs where the verbs run."""
    format: str = "auto"
    """`ini`, `yaml`, `json`, `ssh_config`; `auto`: by the file's name, else by what it looks like."""

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.command):
            raise ValueError("name exactly one of file and command")
        if self.format not in ("auto", *STYLES):
            raise ValueError(f"the inventory's format is {self.format!r}; allowed are auto, {', '.join(STYLES)}")


@dataclass(frozen=True, kw_only=True)
class StatusSettings:
    """Where in the JSON of `status` things are: names parted by dots."""

    state: str = "state"
    """The state of the whole."""
    nodes: str = "nodes"
    """A mapping of node to its state (or to a mapping that has `node_state`); it need not be there."""
    node_state: str = "state"
    """The state of a node, where each node is a mapping."""


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """A deployer's command line: one command per verb."""

    deploy: Argv
    """Deploy the system."""
    destroy: Argv
    """Take the system away; it must also succeed when there is nothing left."""
    init: Argv = ()
    """Prepare the deployment."""
    status: Argv = ()
    """Prints JSON; without it the state is worked out from the health of the nodes."""
    health: Argv = ()
    """Prints JSON: node to part to `ok`, true, or what is wrong."""
    stop: Argv = ()
    """Stop the whole system."""
    start: Argv = ()
    """Start the whole system."""
    stop_node: Argv = ()
    """For one node: `${{ node.name }}`, `${{ node.address }}`."""
    start_node: Argv = ()
    """Start one node."""
    crash_node: Argv = ()
    """Crash one node: no orderly shutdown."""
    restart_node: Argv = ()
    """Restart one node."""
    inventory: InventorySettings | None = None
    """Where to read the nodes after deploy."""
    nodes: tuple[str, ...] = ()
    """The names of the nodes where they are known before deploy."""
    cwd: str = ""
    """The working folder of every verb, relative to the document; empty: the deployment's own, `$deployment_dir`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of every verb."""
    parameters_as_flags: tuple[str, ...] | None = None
    """Verbs that get `--cluster-size 3` for every parameter; not given: init, or deploy where there is no init."""
    timeouts: Mapping[str, Duration] = field(default_factory=dict)
    """Verb to deadline; else the suite's and the provider's."""
    exit_codes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Verb to the exit codes that are no failure; else 0 alone."""
    status_json: StatusSettings = StatusSettings()
    """Where in the JSON of `status` the values are."""
    states: Mapping[str, str] = field(default_factory=dict)
    """The deployer's word for a state (of the whole, of a node, of a part) to Seatrial's."""
    service_part: str = "service"
    """The part of a node's health that is the service; where it is not told, all parts but `ssh` together are."""
    admin: str = ""
    """The URL of the admin UI on a node."""
    data: DataSettings | None = None
    """How `data_integrity` writes and reads its records; an inventory's `client_port` is `${{ node.ports.client }}`."""

    def __post_init__(self) -> None:
        for key, named in (("timeouts", self.timeouts), ("exit_codes", self.exit_codes)):
            if wrong := [verb for verb in named if verb not in VERBS]:
                raise ValueError(f"{key} names {', '.join(wrong)}; the verbs are {', '.join(VERBS)}")
        if wrong := [verb for verb in self.parameters_as_flags or () if verb not in VERBS]:
            raise ValueError(f"parameters_as_flags names {', '.join(wrong)}; the verbs are {', '.join(VERBS)}")
