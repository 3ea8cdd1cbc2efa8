"""The keys of `system:` in a document for the system `command`; commands may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.links.inventory import STYLES
from seatrial.model.values import Argv, Duration
from seatrial.systems.machines.settings import MachineSettings

VERBS = ("init", "deploy", "status", "health", "stop", "start", "destroy",
         "stop_node", "start_node", "crash_node", "restart_node")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class InventorySettings:
    """The source of the nodes after deploy: a file, or the output of a command."""

    file: str = ""
    """Relative to the working folder of the verbs."""
    command: Argv = ()
    """A program that prints the inventory; it runs in the working folder of the verbs."""
    format: str = "auto"
    """`ini`, `yaml`, `json`, `ssh_config`; `auto`: by the file's name, else by its content."""

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.command):
            raise ValueError("name exactly one of file and command")
        if self.format not in ("auto", *STYLES):
            raise ValueError(f"invalid inventory format {self.format!r}; allowed: auto, {', '.join(STYLES)}")


@dataclass(frozen=True, kw_only=True)
class StatusSettings:
    """Paths in the JSON of `status`: names separated by dots."""

    state: str = ""
    """The state of the whole; default: `state`, else `status`."""
    nodes: str = "nodes"
    """A mapping of node to its state (or to a mapping with `node_state`); it may be absent."""
    node_state: str = "state"
    """The state of a node, where each node is a mapping."""


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """Paths in the JSON of `health`: names separated by dots."""

    nodes: str = ""
    """A mapping of node to its parts, or a list of mappings with `name` or `host`; default: the whole JSON."""
    sums: str = "checks"
    """Without any node in it: a mapping of part to the numbers of nodes, `passed` and `failed`."""
    problems: str = "issues"
    """With sums: a list of problems, each with its node in `host`, `node` or `name`; they tell which nodes failed."""


@dataclass(frozen=True, kw_only=True)
class CommandSettings(MachineSettings):
    """A deployer's command line: one command per verb."""

    deploy: Argv
    """Deploy the system."""
    destroy: Argv
    """Remove the system; it must also succeed when there is nothing left."""
    init: Argv = ()
    """Prepare the deployment."""
    status: Argv = ()
    """Prints JSON; without it the state is derived from the health of the nodes."""
    health: Argv = ()
    """Prints JSON: node to part to `ok`, true, or the problem; or sums of nodes, see `health_json`."""
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
    cwd: str = ""
    """The working folder of every verb, relative to the document; empty: the deployment's own, `$deployment_dir`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of every verb."""
    parameters_as_flags: tuple[str, ...] | None = None
    """Verbs with `--cluster-size 3` and the like for every parameter; default: init, or deploy if there is no init.
    Unknown keys of a sut, and unknown requirements, become no flags."""
    timeouts: Mapping[str, Duration] = field(default_factory=dict)
    """Verb to deadline; default: the suite's and the provider's."""
    exit_codes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Verb to accepted exit codes; default: 0 alone."""
    status_json: StatusSettings = StatusSettings()
    """Paths of the values in the JSON of `status`."""
    health_json: HealthSettings = HealthSettings()
    """Paths of the values in the JSON of `health`."""
    states: Mapping[str, str] = field(default_factory=dict)
    """The deployer's word for a state (of the whole, of a node, of a part) to Seatrial's."""
    service_part: str = "service"
    """The part of a node's health for the service; if it is missing, all parts but `ssh` together."""

    def __post_init__(self) -> None:
        for key in ("timeouts", "exit_codes", "parameters_as_flags"):
            if wrong := [verb for verb in getattr(self, key) or () if verb not in VERBS]:
                raise ValueError(f"unknown verbs in {key}: {', '.join(wrong)}; allowed: {', '.join(VERBS)}")
