"""The keys of `system:` in a document for the system `command`; commands may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seatrial.links.inventory import STYLES
from seatrial.model.resource import require_label
from seatrial.model.values import Argv, Duration, Timeout
from seatrial.systems.machines.settings import MachineSettings
from seatrial.systems.settings import Probe

TEN = Duration(10.0)

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
    """Where the values are in the JSON of `status`: an object, a list, or lines with an object each. A path is names
    (and numbers in lists) separated by dots."""

    state: str = ""
    """The path of the state of the whole; default: `state`, else `status`. Where the JSON has nodes and neither of
    these, the state follows from the nodes."""
    nodes: str = "nodes"
    """The path of a mapping of node to its state (or to a mapping with `node_state`), or of a list of mappings; it may
    be absent. A JSON that is a list is the list of the nodes itself."""
    name: str = "name"
    """The path of a node's name in an item of the list."""
    node_state: str = "state"
    """The path of a node's state, where each node is a mapping."""


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """Where the values are in the JSON of `health`: an object, a list, or lines with an object each. A path is names
    (and numbers in lists) separated by dots."""

    nodes: str = ""
    """The path of a mapping of node to its parts, or of a list of mappings; default: the whole JSON."""
    name: str = ""
    """The path of a node's name in an item of the list; default: `host`, `node` or `name`."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Part to its path in the mapping of a node; default: every key is a part."""
    sums: str = "checks"
    """Without any node in it: a mapping of part to the numbers of nodes, `passed` and `failed`; of other things only
    those that `failed` count."""
    problems: str = "issues"
    """A list of problems, each with its node in `host`, `node` or `name`, or a mapping of node to problems. With sums
    they tell which nodes failed. A node with a problem of `severity` or `level` `critical`, `error`, `fatal`,
    `emergency` or `alert` is not well."""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A command with its own folder, environment and limits; what it lacks is as for every verb."""

    run: Argv
    """The command."""
    cwd: str = ""
    """Its working folder, relative to the document."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables."""
    timeout: Timeout | None = None
    """Its deadline."""
    exit_codes: tuple[int, ...] = ()
    """Its accepted exit codes; default: 0 alone."""
    poll: Duration | None = None
    """For `status` and `health`: the first pause between two looks."""


VerbKey = Argv | Verb
"""A verb in a document: its command, or a mapping."""


@dataclass(frozen=True, kw_only=True)
class CommandSettings(MachineSettings):
    """A deployer's command line: one command per verb."""

    deploy: VerbKey
    """Deploy the system."""
    destroy: VerbKey
    """Remove the system; it must also succeed when there is nothing left."""
    init: VerbKey = ()
    """Prepare the deployment."""
    status: VerbKey = ()
    """Prints JSON; without it the state follows from the health of the nodes."""
    health: VerbKey | Probe = ()
    """How each node is: a command that prints JSON (node to part to `ok`, true, or the problem; or sums of nodes, see
    `health_json`), or a probe of each node (`{tcp: client}`, `{http: URL}`, or `{command: […]}` on the node itself)."""
    stop: VerbKey = ()
    """Stop the whole system."""
    start: VerbKey = ()
    """Start the whole system."""
    stop_node: VerbKey = ()
    """For one node: `${{ node.name }}`, `${{ node.address }}`."""
    start_node: VerbKey = ()
    """Start one node."""
    crash_node: VerbKey = ()
    """Crash one node: no orderly shutdown."""
    restart_node: VerbKey = ()
    """Restart one node."""
    inventory: InventorySettings | None = None
    """Where to read the nodes after deploy."""
    creates_machines: bool = False
    """Whether `deploy` creates the machines of the inventory. Then the first host key of each is accepted and must
    stay, but not that of a machine that answered before `deploy`."""
    cwd: str = ""
    """The working folder of every verb, relative to the document; default: the document's folder. `$deployment_dir` is
    a folder of this deployment alone, and the default for suites in the older framework's form."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of every verb."""
    ports: tuple[str, ...] = ()
    """Names for free ports of this machine, leased for the deployment: every verb has `SEATRIAL_PORT_<NAME>` in its
    environment."""
    parameters_as_flags: tuple[str, ...] | None = None
    """Verbs with `--cluster-size 3` and the like for every parameter; default: none. For suites in the older
    framework's form: init, or deploy if there is no init, without unknown keys of a sut and unknown requirements."""
    timeouts: Mapping[str, Timeout] = field(default_factory=dict)
    """Verb to deadline; default: the suite's, else an hour for `deploy`, 20 minutes for `destroy`, and the provider's
    for the others."""
    grace: Duration = TEN
    """How long a verb may take to end by itself (and release its locks) after SIGTERM, at its deadline and when the
    run is interrupted; then all of its processes are killed."""
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
        for name in self.ports:
            require_label(name, "name of a port")
        if self.proof and not self.probe:
            raise ValueError("`proof` is a second probe of each node: it needs a probe under `health`")

    @property
    def probe(self) -> Probe | None:
        """The probe of each node, where `health` is one."""
        return self.health if isinstance(self.health, Probe) else None

    def verb(self, name: str) -> Verb | None:
        """A verb with all that holds for it; None if it is not declared."""
        given = getattr(self, name)
        if not given or isinstance(given, Probe):
            return None
        verb = given if isinstance(given, Verb) else Verb(run=given)
        return replace(
            verb,
            cwd=verb.cwd or self.cwd,
            env={**self.env, **verb.env},
            timeout=self.timeouts.get(name) if verb.timeout is None else verb.timeout,
            exit_codes=verb.exit_codes or self.exit_codes.get(name, (0,)),
        )
