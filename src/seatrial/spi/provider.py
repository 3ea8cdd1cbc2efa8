"""A provider makes nodes and has powers over them; each optional ability is a small protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from seatrial.model.cluster import PowerState
from seatrial.model.frozen import frozen
from seatrial.model.reading import Reading, absent, measured
from seatrial.model.resource import Node, NodeSpec, Resource, Service
from seatrial.model.scenario import Suite
from seatrial.spi.link import Link

if TYPE_CHECKING:
    from seatrial.spi.context import Context


class Powers(StrEnum):
    """A power over a node: a provider or a system declares its own as a frozen set, a step requires some."""

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
    DISCONNECT = "disconnect"
    """Take a node off its networks, and put it back: `InjectsFaults`."""
    CORDON = "cordon"
    """Keep new pods away from a node of a Kubernetes cluster: `InjectsFaults`."""
    DRAIN = "drain"
    """Evict the pods of a node of a Kubernetes cluster: `InjectsFaults`."""
    HEAL = "heal"
    """End a fault when its time is up, even if Seatrial is dead: `InjectsFaults`."""
    SNAPSHOT = "snapshot and revert"
    """Keep the state of running nodes, and bring it back: `TakesSnapshots`."""


@frozen(kw_only=False)
class Readiness:
    """Whether something works on this machine, for `doctor`: the attempt, and the command to repair it."""

    ready: bool
    """It works."""
    tried: str
    """The attempt and its result, in words."""
    remedy: str = ""
    """The command to repair it."""


@frozen(kw_only=False)
class NoSettings:
    """The settings of a provider without `Settings`: no key is allowed."""


@runtime_checkable
class Provider(Protocol):
    """The place where nodes run. Made once per trial as `Provider(settings)`, and by `clean` from the ledger alone;
    settings is an instance of its `Settings` (`ProviderTraits`), else `NoSettings()`."""

    powers: frozenset[Powers]
    """Its powers over its own nodes."""
    deadlines: Mapping[str, float]
    """Seconds allowed for deploy, start, stop, restart, destroy."""

    def __init__(self, settings: Any) -> None: ...

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make one node and return when it is powered on. Called within `ctx.make`: the ledger has the intent
        already; the resource has the name `<trial>-<node>` and detail {"node": name, **self.foresee(spec, ctx)}."""

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """Everything `destroy` will need, known before anything is made: names, folders."""

    async def destroy(self, resource: Resource) -> None:
        """Remove a node by its ledger record alone, also after an interrupted `create`; already gone is success."""

    async def find(self, run: str) -> Sequence[Resource]:
        """Everything here with this run's id; never ask the ledger. `*` for run: every run of Seatrial."""

    def link(self, node: Node) -> Link:
        """The link to a node; not yet connected."""

    async def state(self, node: Node) -> PowerState:
        """Running, stopped or paused, according to the provider (without using the link)."""

    async def boot_id(self, node: Node) -> str:
        """A value for this boot: it changes with every boot and never otherwise."""

    @classmethod
    async def readiness(cls, settings: Any) -> Readiness:
        """Whether it works on this machine, measured by trying."""


@runtime_checkable
class PowersNodes(Protocol):
    """Powers through the provider's API; each returns when the node has the new power state."""

    async def stop(self, node: Node) -> None:
        """Orderly power-off."""

    async def start(self, node: Node) -> None:
        """Power on."""

    async def crash(self, node: Node) -> None:
        """Hard power-off, without warning."""


@runtime_checkable
class PowersGuests(Protocol):
    """Powers from inside the node, over its link."""

    async def guest_stop(self, node: Node) -> None:
        """Orderly shutdown in the guest; returns when the power is off."""

    async def guest_reboot(self, node: Node) -> None:
        """Ask the guest to reboot; returns at once."""

    async def guest_crash(self, node: Node) -> str:
        """Crash the guest's kernel or power it off by force; `rebooting` (SysRq) or `off` (`poweroff -f`)."""


@runtime_checkable
class PausesNodes(Protocol):
    """Freezing a node."""

    async def pause(self, node: Node) -> None:
        """Freeze it."""

    async def resume(self, node: Node) -> None:
        """Resume it."""


@frozen
class Fault:
    """A fault of a node that lasts: the step `inject` begins it."""

    name: Literal["pause", "disconnect", "cordon", "drain"]
    """Frozen, off its networks, closed to new pods, or without pods."""
    networks: tuple[str, ...] = ()
    """For `disconnect`: only these; empty: all."""
    ways: Mapping[str, object] = field(default_factory=dict)
    """For `drain`: the options of `kubectl drain`, by name."""
    lasts: float = 0.0
    """Seconds until it ends by itself."""
    seconds: float = 0.0
    """Seconds until it has to have begun."""
    seen: Callable[[str, bool], None] = field(default=lambda text, measured: None, compare=False, repr=False)
    """Takes what is seen until it has begun, and whether that is measured: for a step that ends before."""


@runtime_checkable
class InjectsFaults(Protocol):
    """Faults that last for a time, of a provider or of a system. It declares `Powers.HEAL`, and the powers of its
    faults. The ledger has the fault as a resource of kind `fault` before it begins: `destroy` of a provider or
    `give_back` of a system ends it, and an ended one is success."""

    async def foresee_fault(self, node: Node, fault: Fault) -> Mapping[str, object]:
        """Everything `destroy` will need to end it. StepFailed when the node cannot have this fault."""

    def remedy(self, detail: Mapping[str, object]) -> Sequence[str]:
        """A command of this host that ends it without Seatrial, as an argument list. It may fail if it has ended."""

    async def inject(self, node: Node, detail: Mapping[str, object]) -> Mapping[str, object] | None:
        """Begin it, and return when the node is seen to have it; with what there is to say of it, by name."""


@runtime_checkable
class RunsServices(Protocol):
    """A provider that runs a service on its nodes, also after each boot; other nodes get it over their link."""

    async def install_service(self, node: Node, service: Service) -> None:
        """Register it to start at every boot; do not start it now."""

    async def start_service(self, node: Node, name: str) -> None:
        """Start it now. Do not raise StepFailed for a service that exits: its health shows it."""

    async def stop_service(self, node: Node, name: str) -> None:
        """Stop it in its orderly way."""

    async def service_log(self, node: Node, name: str) -> str:
        """The last lines of its log (64 KiB at most)."""


@runtime_checkable
class KeepsConsole(Protocol):
    """A provider with the console output of its nodes."""

    async def console(self, node: Node) -> str:
        """The output since the node was made (the last 64 KiB)."""


@runtime_checkable
class ExplainsPower(Protocol):
    """A provider with a reason for a node's power state."""

    async def power_reason(self, node: Node) -> str:
        """In the provider's own words: `crashed`, `shutdown`, `destroyed by the API`, `exited with 137`; empty:
        unknown."""


@runtime_checkable
class RemembersPower(Protocol):
    """A provider without an API for the power state: it may only remember its own last action."""

    async def power_reading(self, node: Node) -> Reading[PowerState]:
        """The same as `state`, with its source."""


async def power_reading(provider: Provider, node: Node, name: str) -> Reading[PowerState]:
    """The power of a node by the provider with this name. It is measured, unless the provider `RemembersPower`."""
    if isinstance(provider, RemembersPower):
        return await provider.power_reading(node)
    state, by = await provider.state(node), f"the provider {name}"
    if state is PowerState.UNKNOWN:
        return absent(state, "the provider gave a state that Seatrial does not know", by=by)
    return measured(state, by=by)


@runtime_checkable
class ReportsFailure(Protocol):
    """A provider that detects broken nodes: paused by an internal error, or with a crashed emulator."""

    async def failure(self, node: Node) -> str:
        """The node, its state, the reason and the path of the log, when the node cannot come up or answer any more;
        empty: it may. Steps ask while they wait for the node and end the wait at once: the verdict is unknown."""


@runtime_checkable
class EntersNodes(Protocol):
    """A provider with interactive access to nodes without SSH."""

    def enter(self, node: Node) -> Sequence[str]:
        """The command, as an argument list: `podman exec -it NAME sh`."""


@runtime_checkable
class PreparesTrial(Protocol):
    """A provider with a shared resource for the nodes of one trial, such as a network."""

    async def prepare(self, ctx: Context) -> None:
        """Make it with `ctx.make`, unless this trial has it. Called before the intent of each node is written: the
        newest-first sweep then removes the nodes before their network."""


@runtime_checkable
class AdoptsNodes(Protocol):
    """A provider that recognises machines of a deployer too, and then has all its powers over them. The deployer
    removes them, not the provider.

    A system with nodes of its own has them recognised each time it reads their list, and declares this for plan time
    with `adopts_nodes = True` on its class. Powers over other nodes are refused at run time.
    """

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """The same nodes in their order. A recognised one has `adopted` set, and `detail` has the facts for its powers;
        the others are unchanged. CannotTell when the provider's list cannot be read. Every call looks again."""


@runtime_checkable
class TakesSnapshots(Protocol):
    """A provider with snapshots of running nodes, memory and disks. It declares `Powers.SNAPSHOT`. Nodes may come from
    another instance of it: their `detail` has everything it needs."""

    async def snapshot(self, nodes: Sequence[Node], name: str) -> None:
        """Keep the state of these nodes under a name, as of one moment: none resumes before all are kept, so their
        messages to each other stay consistent. The snapshot is removed with the node; all nodes run when this returns.
        """

    async def revert(self, nodes: Sequence[Node], name: str) -> None:
        """Bring these nodes back to it from any power state, as often as requested; returns when all run."""


@frozen
class OverLimit:
    """A suite that is too much for a limit of its provider's settings."""

    suite: Suite
    """The suite."""
    why: str
    """What it would have, and the limit with its setting."""
    certain: bool = True
    """False: a warning; it cannot be judged before the run."""


@runtime_checkable
class LimitsRuns(Protocol):
    """A provider whose settings limit a run, such as its cost."""

    @classmethod
    def over_limits(cls, suites: Sequence[Suite], at_once: int, settings: Any) -> Iterable[OverLimit]:
        """The suites to refuse or to warn of, before anything is made; `at_once` may run at the same time."""


@frozen
class ProviderTraits:
    """Class attributes of a provider, each with its default."""

    Settings: type[Any] = NoSettings
    """A frozen dataclass: the keys of the table `[providers.NAME]`; by default no key is allowed."""
    parameter_names: tuple[str, ...] | None = None
    """The parameters of a suite that it reads, such as the memory of a node; None: it may read any."""
    on_this_host: bool = False
    """Its nodes run on this machine. It puts `ctx.labels()` on everything, for `seatrial clean` to find resources
    without a ledger."""
    outlives_host: bool = False
    """Its nodes outlive this machine, so Seatrial syncs the ledger to the disk before it makes each."""
    shares_files: bool = False
    """Its nodes see this machine's files under the same paths."""
    shares_host_logs: bool = False
    """Its nodes share this machine's system log, so Seatrial does not collect the log for each node."""
    reaches_any_node: bool = False
    """Its powers also work on other nodes, such as those of a deployer's inventory."""
    waits_for_table: bool = False
    """Beside a system with nodes of its own it is used only if seatrial.toml has its table: without one its name is
    only the deployer's word."""
    why_missing: Mapping[Powers, str] = field(default_factory=dict)
    """Why it lacks a power, for the error message."""
