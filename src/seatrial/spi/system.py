"""A system is the thing under test; each optional ability is a small protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from seatrial.model.cluster import ClusterStatus, NodeHealth
from seatrial.model.frozen import frozen
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.model.values import WaitFor
from seatrial.spi.provider import Powers

if TYPE_CHECKING:
    from seatrial.spi.context import Context


@runtime_checkable
class System(Protocol):
    """The thing under test, one instance per trial: `Class(settings, folder)`, settings an instance of its `Settings`.

    Methods may raise StepFailed (the product did wrong), Overrun (it took too long); anything else means unknown.
    """

    Settings: ClassVar[type[Any]]
    """A frozen dataclass: the keys of `system:` in a document."""
    places_nodes: ClassVar[bool]
    """Whether the provider makes its nodes (else it brings its own, from an inventory)."""

    def __init__(self, settings: Any, folder: Path) -> None: ...

    async def init(self, ctx: Context) -> None:
        """Prepare for `deploy`; make no nodes."""

    async def deploy(self, ctx: Context) -> None:
        """Make nodes and start the product; do not wait for it."""

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The current nodes, in order."""

    async def destroy(self, ctx: Context) -> None:
        """Remove the product; the engine removes the nodes."""


# Before deployment


@runtime_checkable
class KnowsNodes(Protocol):
    """A system with node names before deploy: `seatrial check` refuses unknown names."""

    @classmethod
    def node_names(cls, settings: Any, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Their names; empty: unknown."""


@runtime_checkable
class KnowsParameters(Protocol):
    """A system with known parameters: `seatrial check` warns of one without any other use."""

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """Those read by the system itself, besides those in expressions; None: it may read any."""


@runtime_checkable
class FindsNodes(Protocol):
    """A system with node names in files: `seatrial check` refuses unknown names."""

    @classmethod
    def node_names_in(cls, settings: Any, folder: Path) -> Mapping[str, str] | None:
        """Each name with an empty text; a name that could be taken for a node has the reason why no node has it. None:
        unknown. `folder` is the document's."""


@runtime_checkable
class MovesPorts(Protocol):
    """A system with ports of this machine in its files, in place of which a trial gets free ones: `seatrial check`
    refuses a check of such a port, because another program answers there, or none."""

    @classmethod
    def moved_ports(cls, settings: Any, folder: Path) -> Mapping[int, tuple[str, str]]:
        """Each port with what has it in the files, and the expression for the trial's. `folder` is the document's."""


@runtime_checkable
class KnowsReadings(Protocol):
    """A system whose measured parts and states are known before the run: `seatrial check` refuses others."""

    @classmethod
    def part_names(cls, settings: Any) -> Collection[str] | None:
        """The parts of a node's health that it can measure; None: unknown."""

    @classmethod
    def state_names(cls, settings: Any) -> Collection[str] | None:
        """The states that it can be in, besides Seatrial's own; None: unknown."""


class Need(StrEnum):
    """What a step or a check may need of a system."""

    NODES = "nodes"
    """Nodes with names."""
    INSIDE = "inside"
    """A way into a node."""
    STATE = "state"
    """The state of the whole, or the links of its nodes in place of it."""
    SERVICE = "service"
    """Whether the service answers."""
    RECORDS = "records"
    """Records that were written and can be read back."""
    ADMIN = "admin"
    """An admin UI."""


@frozen(kw_only=False)
class Gap:
    """Why a system can never tell something."""

    why: str
    """The reason, in words."""
    remedy: str
    """What to write to close it."""


@runtime_checkable
class KnowsGaps(Protocol):
    """A system whose settings may leave something that nothing can ever tell: `seatrial check` refuses what rests on
    it (see `RestsOn`), and a wait for it ends at once."""

    @classmethod
    def gaps(cls, settings: Any) -> Mapping[Need, Gap]:
        """All of them; empty: it can tell everything."""


@runtime_checkable
class MissesNodes(Protocol):
    """A system with a number of requested nodes whose names are only known once they exist."""

    def missing_nodes(self, ctx: Context, nodes: Sequence[Node]) -> Sequence[str]:
        """Names for the requested nodes that are not among these."""


@runtime_checkable
class ChecksSuite(Protocol):
    """A system with rules about files and the environment."""

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterable[tuple[tuple[str, ...], str, str]]:
        """The problems, each as a path below `system:`, a message and a hint."""


@runtime_checkable
class WarnsOfSuite(Protocol):
    """A system with something odd to say of a suite that it can run."""

    @classmethod
    def warnings(cls, suite: Suite) -> Iterable[tuple[tuple[str, ...], str]]:
        """Each as a path of the suite's keys and a message."""


@runtime_checkable
class FindsRoles(Protocol):
    """A system with roles for selectors, such as `leader`."""

    @classmethod
    def role_names(cls, settings: Any) -> Iterable[str]:
        """The roles with these settings."""

    async def role(self, ctx: Context, word: str) -> Sequence[Node]:
        """The nodes with this role now; CannotTell when none has it, UsageError for an unknown role."""


# Measuring


@runtime_checkable
class MeasuresNodes(Protocol):
    """A system with more to measure on its nodes than power and link."""

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Measure these nodes concurrently."""


@runtime_checkable
class ReportsStatus(Protocol):
    """A system with a state of its own; for others it follows from the health of their nodes."""

    async def status(self, ctx: Context) -> ClusterStatus:
        """Measure the whole; before deploy `initialized`, after destroy `destroyed`."""


@runtime_checkable
class SetsDeadlines(Protocol):
    """A system with deadlines of its own, over the provider's."""

    deadlines: Mapping[str, float]
    """Seconds allowed for deploy, start, stop, restart, destroy; a suite's own `deadlines` come first."""


@runtime_checkable
class DefaultsDeadlines(Protocol):
    """A system whose work takes its own time, whatever the provider: a deployer, or a tool that creates machines."""

    default_deadlines: Mapping[str, float]
    """Seconds where neither the suite nor the system has a deadline, as for `SetsDeadlines`. They limit the work; after
    it a wait for its effect takes as long as the work took, and at least two minutes."""


@runtime_checkable
class SetsPace(Protocol):
    """A system of other people's programs or servers: Seatrial asks them less often than its own nodes."""

    pace: tuple[float, float]
    """Seconds between looks: the first pause and the longest; each is half as long again as the one before."""


@runtime_checkable
class SetsWait(Protocol):
    """A system with its own answer to the question when a started node is up."""

    wait_for: WaitFor
    """For steps without their own `wait_for`."""


# Powers


@runtime_checkable
class HasPowers(Protocol):
    """A system with powers of its own over its nodes; they come before the provider's."""

    @classmethod
    def powers(cls, settings: Any) -> frozenset[Powers]:
        """Its powers with these settings."""

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Use one and return True; False: Seatrial uses the provider's."""


@runtime_checkable
class RefusesPowers(Protocol):
    """A system with powers over some of its nodes only."""

    def refusal(self, node: Node, what: Powers) -> str:
        """The reason why it cannot use this power over this node; empty: it can. Steps ask before they announce it."""


@runtime_checkable
class KnowsHosts(Protocol):
    """A system whose nodes run on machines that are not its own, such as those of a cluster. Steps and checks reach
    them by words of their own; `*`, `any`, `random:N` and the rule for the whole leave them out."""

    async def hosts(self, ctx: Context) -> Sequence[Node]:
        """The machines that this trial may touch."""

    def is_host(self, node: Node) -> bool:
        """Whether it is one of them."""


@runtime_checkable
class IdentifiesBoots(Protocol):
    """A system with its own answer to the question whether a node went down and came back, such as a pod's id. After a
    crash by its power, a node may be back at once."""

    async def boot_id(self, ctx: Context, node: Node) -> str:
        """A value for this boot: it changes with every boot and never otherwise; CannotTell while the node is gone."""


@runtime_checkable
class PowersCluster(Protocol):
    """A system with a way to stop or start the whole at once."""

    async def power_all(self, ctx: Context, what: Powers) -> bool:
        """Do it and return True; False: Seatrial does it node by node."""


@runtime_checkable
class StartsServices(Protocol):
    """A system with a service that does not start with its node."""

    async def ensure_running(self, ctx: Context, node: Node) -> None:
        """Start it on a node that came up, unless it already runs."""


# Outputs, records, logs, resources


@runtime_checkable
class GivesOutputs(Protocol):
    """A system with additional outputs after deploy, such as the address of a load balancer."""

    async def outputs(self, ctx: Context) -> Mapping[str, Any]:
        """Outputs of the step `deploy`, beside its own."""


@runtime_checkable
class KeepsRecords(Protocol):
    """A system with numbered records: the check `data_integrity` reads them."""

    async def before_outage(self, ctx: Context) -> None:
        """Write numbered records and remember the acknowledged ones; called after deploy and before stop, crash."""

    async def records(self, ctx: Context) -> RecordsReport:
        """Read the acknowledged records back from every healthy node."""


@runtime_checkable
class KeepsLogs(Protocol):
    """A system with the log of its service."""

    async def service_log(self, ctx: Context, node: Node) -> str:
        """Its last lines on one node, or `no log: WHY`."""


@runtime_checkable
class ShowsEvidence(Protocol):
    """A system with the logs of all nodes at once, for the error of a failed deploy."""

    async def evidence(self, ctx: Context) -> Mapping[str, str]:
        """Node to its last lines."""


@runtime_checkable
class CollectsDiagnostics(Protocol):
    """A system with more to show of a failure than its nodes: objects, events, whatever a person would collect."""

    async def diagnostics(self, ctx: Context) -> Mapping[str, str]:
        """File name to content, without secrets; `summary.txt` is a page that `seatrial inspect` shows."""


@runtime_checkable
class ServesAdmin(Protocol):
    """A system with an admin UI for the check `admin_ui_accessible`."""

    async def admin_url(self, ctx: Context) -> Mapping[str, str]:
        """Node to the URL of its admin UI; empty: none."""


@runtime_checkable
class GivesBack(Protocol):
    """A system with resources of its own, made by `ctx.make` with the owner `system:<its name>`."""

    async def give_back(self, resource: Resource) -> None:
        """Remove it by the ledger's record alone (called on a bare instance); already gone is success."""


@runtime_checkable
class HandsOver(Protocol):
    """A system for `reuse: snapshot`: another instance of it can continue with its deployed cluster."""

    def hand_over(self) -> object:
        """Its current knowledge of the cluster, in a value that never changes later."""

    async def take_over(self, ctx: Context, memory: object) -> None:
        """Replace all knowledge by this; several trials may get the same value."""


@runtime_checkable
class Resumes(Protocol):
    """A system for `seatrial step`: another process can continue with its kept cluster."""

    def remember(self) -> Mapping[str, Any]:
        """Its current knowledge of the cluster, as JSON values. It stays in a private file beside the nodes."""

    async def resume(self, ctx: Context, memory: Mapping[str, Any]) -> None:
        """Continue with it, on an instance that did nothing yet; CannotTell when it does not fit."""


@runtime_checkable
class SettlesSettings(Protocol):
    """A system that `HandsOver` and uses some settings during deploy only. By default, all of them count as used later
    too, and a setting with the trial's name prevents the reuse of its cluster."""

    @classmethod
    def filled_anew(cls, settings: Any) -> object:
        """The settings with expressions to fill in after the deployment too."""


@frozen
class RecordsReport:
    """The result of reading the numbered records."""

    acknowledged: int
    """The number of acknowledged records."""
    read_from: tuple[str, ...]
    """The nodes read successfully."""
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Node to the keys of its lost acknowledged records: missing, or with another value."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Node to the reason for a failed read."""


@frozen
class SystemTraits:
    """Class attributes of a system, each with its default."""

    adopts_nodes: bool = False
    """It brings its own nodes, and asks a provider with `AdoptsNodes` to recognise them."""
    template_names: tuple[str, ...] = ()
    """Roots of the `${{ }}` in its settings for it to fill in, such as `node`."""
    expression_names: tuple[str, ...] = ()
    """Names for the expressions in its settings, besides the usual ones."""
    power_keys: Mapping[Powers, str] = field(default_factory=dict)
    """Power to the keys of its settings that give it, in words: the hint for a step that needs it."""
    service_key: str = ""
    """The key of its settings that says how to measure the service: its place is shown with a service that is down."""
    listed_by: tuple[str, ...] = ()
    """Providers with lists of this system's own resources: `seatrial clean` searches them too."""


def own_powers(system: type[Any], settings: Any) -> frozenset[Powers]:
    """The powers of a system's class with these settings."""
    return system.powers(settings) if issubclass(system, HasPowers) else frozenset()


def gaps_of(system: type[Any], settings: Any) -> Mapping[Need, Gap]:
    """What a system's class with these settings can never tell."""
    return system.gaps(settings) if issubclass(system, KnowsGaps) else {}


def known_nodes(
    system: type[Any], settings: Any, parameters: Mapping[str, Any], folder: Path | None = None
) -> tuple[str, ...]:
    """The names of a system's nodes before deploy; empty: unknown. `folder`: the document's, for names in files."""
    if folder is not None and issubclass(system, FindsNodes):
        return tuple(name for name, why in (system.node_names_in(settings, folder) or {}).items() if not why)
    return tuple(system.node_names(settings, parameters)) if issubclass(system, KnowsNodes) else ()
