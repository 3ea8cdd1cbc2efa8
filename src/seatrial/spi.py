"""All that a plugin needs beyond the model and the errors: what it is given, and what it has to offer.

How the parts meet. A *provider* makes nodes and has powers over them. A *system* is one instance per trial: it asks
for nodes by `ctx.create_node`, installs its services on them, measures them. A *step* drives provider and system
through its `Context`; a *check* observes them. Everything that is made is made through `ctx.make`, which writes the
intent first, so that it is given back whatever happens.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState
from seatrial.model.event import Event
from seatrial.model.resource import Node, NodeSpec, Resource, Service
from seatrial.model.result import CheckResult, Outcome
from seatrial.model.scenario import CheckPlan, Retry, StepPlan, Suite

T = TypeVar("T")


class Powers(StrEnum):
    """What can be done to a node; a provider declares its own as a frozen set."""

    LIST = "list"
    STOP = "stop"
    START = "start"
    CRASH = "crash"
    """Hard power-off through the provider's API."""
    GRACEFUL_RESTART = "graceful restart"
    """Power cycle through the provider's API."""
    GUEST_STOP = "stop in the guest"
    GUEST_REBOOT = "reboot in the guest"
    GUEST_CRASH = "crash in the guest"
    PAUSE = "pause"
    SNAPSHOT = "snapshot and revert"
    """Keep the state of running nodes, and bring it back: `Snapshots`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that ended by itself."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Exit code 0."""
        return self.exit_code == 0


@runtime_checkable
class Link(Protocol):
    """A way into a node. Methods raise LinkDown (no answer), LinkRefused (key, identity), LinkLost (broke off)."""

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command (a list is quoted, a string goes to the node's shell); TimeoutError when it takes too long."""

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file to the node."""

    async def get(self, remote: str, local: Path) -> None:
        """Copy a file from the node; FileNotFoundError when it is not there."""

    async def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""


@runtime_checkable
class Breakable(Protocol):
    """A link that can be broken off at once, when it is known that the node's power is gone."""

    def abort(self) -> None:
        """Break it off now: whoever uses it gets LinkLost; it is made again when it is needed."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether something can work on this machine, for `doctor`: what was tried, and the command that brings it."""

    ready: bool
    tried: str
    remedy: str = ""


@runtime_checkable
class Provider(Protocol):
    """Where nodes live. Made once per trial as `Provider(settings)`, and by `clean` from the ledger alone."""

    powers: frozenset[Powers]
    deadlines: Mapping[str, float]
    """Seconds that deploy, start, stop, restart, destroy may take here."""

    def __init__(self, settings: Mapping[str, Any]) -> None: ...

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make one node and return when it is powered on. Called within `ctx.make`: the intent of the node is written
        already, its resource has the name `<trial>-<node>` and detail {"node": name, **self.foresee(spec, ctx)}."""

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """All that `destroy` will need, known before anything is made: names, folders."""

    async def destroy(self, resource: Resource) -> None:
        """Give back a node by its ledger record alone; already gone is success. Also when create broke off half way."""

    async def find(self, run: str) -> Sequence[Resource]:
        """All that exists here and carries this run's id; the ledger is not asked. `*` for run: every run of ours."""

    def link(self, node: Node) -> Link:
        """The way into a node; not yet connected."""

    async def state(self, node: Node) -> PowerState:
        """Running, stopped or paused, as the provider knows it (the link is not asked)."""

    async def boot_id(self, node: Node) -> str:
        """What changes with every boot and never otherwise."""

    @classmethod
    async def readiness(cls, settings: Mapping[str, Any]) -> Readiness:
        """Whether it can work on this machine, found out by doing."""


@runtime_checkable
class Power(Protocol):
    """Powers by the provider's API; each returns when the power state is so."""

    async def stop(self, node: Node) -> None:
        """Orderly power-off."""

    async def start(self, node: Node) -> None:
        """Power on."""

    async def crash(self, node: Node) -> None:
        """Hard power-off, with no warning."""


@runtime_checkable
class Guest(Protocol):
    """Powers from inside the node, over its link."""

    async def guest_stop(self, node: Node) -> None:
        """Orderly shutdown in the guest; returns when the power is off."""

    async def guest_reboot(self, node: Node) -> None:
        """Ask the guest to reboot; returns at once."""

    async def guest_crash(self, node: Node) -> str:
        """Crash the guest's kernel or power it off by force; `rebooting` (SysRq) or `off` (`poweroff -f`)."""


@runtime_checkable
class Pause(Protocol):
    """Freezing a node."""

    async def pause(self, node: Node) -> None:
        """Freeze it."""

    async def resume(self, node: Node) -> None:
        """Let it go on."""


@runtime_checkable
class Services(Protocol):
    """A provider whose nodes run a service for us, also after each boot; others get it over their link."""

    async def install_service(self, node: Node, service: Service) -> None:
        """Register it, so that every boot starts it; does not start it now."""

    async def start_service(self, node: Node, name: str) -> None:
        """Start it now; StepFailed is not raised here: a service that exits shows in its health."""

    async def stop_service(self, node: Node, name: str) -> None:
        """Stop it in its orderly way."""

    async def service_log(self, node: Node, name: str) -> str:
        """The last lines (64 KiB at most) of what it wrote."""


@runtime_checkable
class Console(Protocol):
    """A provider that keeps what a node wrote to its console."""

    async def console(self, node: Node) -> str:
        """What was written since the node was made (the last 64 KiB)."""


@runtime_checkable
class Reasons(Protocol):
    """A provider that knows why a node's power is as it is."""

    async def power_reason(self, node: Node) -> str:
        """In its own words: `crashed`, `shutdown`, `destroyed by the API`, `exited with 137`; empty: not known."""


@runtime_checkable
class Fails(Protocol):
    """A provider that sees when a node has broken down: paused by an internal error, its emulator crashed."""

    async def failure(self, node: Node) -> str:
        """The node, its state, the reason and where the log is, when the node cannot come up or answer any more;
        empty: it may. Steps ask while they wait for the node and end the wait at once: the verdict is unknown."""


@runtime_checkable
class Enterable(Protocol):
    """A provider that can tell how a person gets into a node which has no SSH."""

    def enter(self, node: Node) -> Sequence[str]:
        """The command, as an argument list: `podman exec -it NAME sh`."""


@runtime_checkable
class Shared(Protocol):
    """A provider whose nodes of one trial stand on something in common, such as a network."""

    async def prepare(self, ctx: Context) -> None:
        """Make it, by `ctx.make`, unless this trial has it. Called before the intent of each node is written, so that
        the newest-first sweep takes the nodes away before what they stand on."""


@runtime_checkable
class Adopts(Protocol):
    """A provider that recognises machines which a deployer made where it also makes its own, and then has its powers
    over them: all that it declares. It gives none of them back: whoever made them does.

    A system that brings its own nodes has them recognised each time it learns them anew, and says so for plan time by
    `adopts_nodes = True` on its class. A power over a node that was not recognised is refused when it is asked for.
    """

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """The same nodes in their order. A recognised one has `adopted` set, and in `detail` what the powers need; the
        others are as they were. CannotTell when its list cannot be read. Asked again, it looks again."""


@runtime_checkable
class Snapshots(Protocol):
    """A provider that can keep the state of running nodes, memory and disks, and bring it back. It declares
    `Powers.SNAPSHOT`. Nodes may come from another instance of it: what it needs to know is in them."""

    async def snapshot(self, nodes: Sequence[Node], name: str) -> None:
        """Keep the state of these nodes under a name, as of one moment: none goes on before all are kept, or what they
        told each other in between would come apart. It goes when the node goes; all run when this returns."""

    async def revert(self, nodes: Sequence[Node], name: str) -> None:
        """Bring these nodes back to it, whatever their power is now, as often as it is asked; returns when all run."""


@runtime_checkable
class System(Protocol):
    """The thing under test, one instance per trial: `Class(settings, folder)`, settings an instance of its `Settings`.

    Methods may raise StepFailed (the product did wrong), Overrun (it took too long); anything else means unknown.
    """

    Settings: ClassVar[type[Any]]
    """A frozen dataclass: the keys of `system:` in a document."""
    places_nodes: ClassVar[bool]
    """Whether its nodes are made by the provider (else it brings its own, from an inventory)."""

    def __init__(self, settings: Any, folder: Path) -> None: ...

    @classmethod
    def powers(cls, settings: Any) -> frozenset[Powers]:
        """Powers that the system has itself, over those of the provider."""

    @classmethod
    def node_names(cls, settings: Any, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The nodes as far as they are known before deploy; empty: not known."""

    async def init(self, ctx: Context) -> None: ...
    async def deploy(self, ctx: Context) -> None:
        """Make nodes, start the product, wait for nothing."""

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes that stand now, in their order."""

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Measure these nodes, at the same time."""

    async def status(self, ctx: Context) -> ClusterStatus:
        """Measure the whole; before deploy `initialized`, after destroy `destroyed`."""

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Do it by the system's own means, and return True; False: the provider shall."""

    async def before_outage(self, ctx: Context) -> None:
        """Write numbered records and keep which were acknowledged; called after deploy and before stop, crash."""

    async def records(self, ctx: Context) -> RecordsReport:
        """Read the acknowledged records back from every healthy node."""

    async def destroy(self, ctx: Context) -> None:
        """Take the product away; the nodes are given back by the engine."""

    async def give_back(self, resource: Resource) -> None:
        """Give back a resource that this system made, from the ledger record alone (called on a bare instance)."""


@runtime_checkable
class HandsOver(Protocol):
    """A system whose deployed cluster another instance of it can go on with: what `reuse: snapshot` asks of it.

    A class method `filled_anew(settings)` may give the part of its settings whose expressions are filled in after the
    deployment too; without it they all are, and one that names the trial keeps its cluster from being reused.
    """

    def hand_over(self) -> object:
        """What it knows of its cluster as it stands, in a value that nothing changes later."""

    async def take_over(self, ctx: Context, memory: object) -> None:
        """Know this from now on, and nothing of what was known before; several trials may be given one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsReport:
    """What became of the numbered records."""

    acknowledged: int
    read_from: tuple[str, ...]
    """The nodes that were read."""
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Node to the keys of acknowledged records that it does not have, or has with another value."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Node to why it could not be read."""


@runtime_checkable
class Owner(Protocol):
    """Whoever can give back a resource by its record."""

    async def destroy(self, resource: Resource) -> None: ...


class Reporter(Protocol):
    """A fold over the events."""

    def on(self, event: Event) -> None:
        """Take one event; it is in the journal already."""

    def close(self) -> None:
        """The last event is in."""


class Context(Protocol):
    """All that a step or check is given. It is copied for each step, never changed."""

    @property
    def run_id(self) -> str: ...
    @property
    def trial_id(self) -> str: ...
    @property
    def deployment_id(self) -> str: ...
    @property
    def suite(self) -> Suite: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def system(self) -> System: ...
    @property
    def random(self) -> random.Random:
        """Seeded by the trial's id."""

    @property
    def folder(self) -> Path:
        """The suite's own folder: results, test.log, artifacts/, state/."""

    @property
    def artifacts(self) -> Path:
        """`folder/artifacts`, made when it is first asked for."""

    @property
    def state(self) -> Path:
        """A folder for secrets and node state, given back at the end."""

    @property
    def deploy_dir(self) -> Path:
        """The working folder of the deployer: `$deployment_dir`."""

    @property
    def document_folder(self) -> Path:
        """The folder of the suite's document."""

    @property
    def step(self) -> str:
        """The path of the running step, as in events."""

    def __getitem__(self, name: str) -> object:
        """`deploy_dir`, `deployment_id`, `provider`, `parameters`, … for checks that are plain functions."""

    def environment(self) -> dict[str, str]:
        """What every process that the trial starts has in its environment: the host's, and the run's names."""

    def names(self) -> Mapping[str, object]:
        """What expressions see: steps, vars, parameters, run, env, secrets, suite, nodes (by name: address, ports)."""

    def bind(self, value: T) -> T:
        """Fill in every `${{ }}` (and `$deployment_dir`, `$provider`) in a string or a structure of strings."""

    async def evaluate(self, expression: str, **more: object) -> object:
        """The value of a CEL expression over `names()` and `more`; CannotTell when it cannot be evaluated."""

    def secret(self, value: str) -> None:
        """From now on mask this text in everything that is written."""

    def log(self, text: str, level: str = "info") -> None: ...
    def emit(self, kind: str, /, **data: object) -> None:
        """An event; see model.event for kinds."""

    def masked(self, text: str) -> str:
        """The text with every secret hidden: before anything is cut off it, or written past the events."""

    def output(self, source: str, text: str) -> None:
        """Keep what a command printed: whole in the suite's folder, a tail in the event."""

    async def run(self, children: Sequence[StepPlan], *, label: str = "", **more: object) -> None:
        """Run child steps in order; raises StepStopped at the first that did not pass. `label` is put into the path;
        `more` are values that expressions in the children see."""

    async def attempt(self, child: StepPlan, *, label: str = "") -> Outcome:
        """Run one child step and return how it ended, without raising for failed or unknown."""

    def skip(self, children: Sequence[StepPlan], reason: str, *, label: str = "") -> None:
        """Say of child steps that they are skipped."""

    async def observe(self, checks: Sequence[CheckPlan], retry: Retry | None = None) -> Sequence[CheckResult]:
        """Observe checks at the same time, each with its own retry (else this one; else once)."""

    async def poll(
        self,
        look: Callable[[], Awaitable[T | None]],
        *,
        deadline: float,
        what: str,
        retry: Retry | None = None,
    ) -> T:
        """Look, adaptively often, until the answer is not None; Overrun (naming `what`) after `deadline` seconds."""

    async def make(
        self,
        kind: str,
        name: str,
        create: Callable[[], Awaitable[T]],
        *,
        owner: str = "",
        detail: Mapping[str, object] | None = None,
        outlives_host: bool = False,
    ) -> T:
        """Write the intent, then call `create`, then write that it is made."""

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        """Whether this trial has intended or made it, and not given it back."""

    async def give_back(self, kind: str, name: str) -> None:
        """Give back now what this trial made, by its owner, and write it down."""

    async def create_node(self, spec: NodeSpec) -> Node:
        """Have the provider make a node, intent first."""

    async def destroy_node(self, node: Node) -> None:
        """Have the provider give a node back."""

    async def reuse_cluster(self) -> str:
        """Bring back a cluster of this suite's shape that stands deployed, where the suite says `reuse: snapshot` and
        one is free: the nodes are as in its snapshot, and the system has them. The id of the trial that deployed it;
        empty: there is none that could be brought back, so deploy."""

    async def drop_cluster(self, why: str) -> None:
        """Give back the cluster that was brought back; the system is as it was before it had it."""

    async def offer_cluster(self) -> bool:
        """Keep a snapshot of what was deployed, when later suites can start from it; it is the run's from then on.
        Whether the nodes were held up for it, however that ended: what was measured before has to be measured anew."""

    async def release_cluster(self) -> bool:
        """This trial is done with a cluster that is the run's: its nodes are not given back now. False: they are."""

    async def nodes(self) -> Sequence[Node]:
        """The system's nodes."""

    async def select(self, selector: str) -> Sequence[Node]:
        """Nodes by `n12`, `n12,n13`, `*`, `any` (one that runs, where one does), `random:2`, or a role that the system
        names (`leader`)."""

    def link(self, node: Node) -> Link:
        """The way into a node: one connection per node and trial."""

    async def state_of(self, node: Node) -> PowerState:
        """The provider's power state; `unreachable` when it runs and its link does not answer."""

    def deadline(self, what: str) -> float:
        """Seconds for deploy, start, stop, restart, destroy: the suite's, else the system's, else the provider's."""

    def labels(self) -> Mapping[str, str]:
        """What everything that is made carries where labels can be: `seatrial.run`, `seatrial.trial`,
        `seatrial.project` (its folder), `seatrial.expires` (RFC 3339, UTC), and the project's own `labels`."""

    async def lease(self, kind: str, names: Iterable[str]) -> str:
        """The first of these names (subnets, bridges) that nobody on this machine holds; this trial's until its end.
        LeaseTaken when all are held."""

    async def lease_address(self) -> str:
        """A loopback address (127.x.y.z) that is this trial's until its end."""

    async def lease_port(self, address: str = "127.0.0.1") -> int:
        """A free port that is this trial's until its end."""
