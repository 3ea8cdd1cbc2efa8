"""`reuse: snapshot`: the run owns a deployed cluster, and later suites of its shape start from its snapshot.

"Cluster" means such a cluster here. Its ledger entries stay with the trial that deployed it, so `clean` needs nothing
special after a crash. They are only removed later: once no suite can use the cluster, at the latest at the end of the
run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.engine.ledger import Entry, Key, Ledger, key_of
from seatrial.expressions import names_in
from seatrial.model.record import record
from seatrial.model.resource import Node
from seatrial.model.scenario import StepPlan, Suite
from seatrial.spi import Provider, SettlesSettings

VALUES = ("vars", "steps", "services")
"""First words of expressions that can differ between trials of one run."""

NEVER = ("trial", "suite", "deploy_dir", "deployment_dir")
"""First words of expressions that always differ between trials."""

SHARED = ("suite", "provider")
"""First words of expressions with one value for all suites of a shape."""


Shape = tuple[object, ...]
"""The equal parts of two suites that can use the same cluster."""


def shape_of(suite: Suite) -> Shape:
    """The shape of a suite; the names of its nodes follow from it."""
    system = suite.system
    return suite.provider, suite.provider_settings, system.kind, system.settings, system.folder, suite.parameters


def varying(suite: Suite, names: Mapping[str, object]) -> dict[str, object]:
    """The values in the system's settings that can differ between trials. A trial's own names in values fixed at deploy
    (not in `filled_anew`) remain those of the deployer, like its id."""
    system, settings = suite.system.factory, suite.system.settings
    anew = system.filled_anew(settings) if issubclass(system, SettlesSettings) else settings
    return {root: names.get(root) for root in _named(settings, VALUES) + _named(anew, NEVER)}


def _named(settings: object, roots: tuple[str, ...]) -> list[str]:
    used = {path[0] for path in names_in(settings) if path[:2] != SHARED}
    return [root for root in roots if root in used]


@dataclass(slots=True, eq=False, kw_only=True)
class ReusableCluster:
    """One deployed cluster with a snapshot."""

    suite: Suite
    """The suite that deployed it; the budget counts the cluster by it."""
    trial: str
    """The trial that deployed it; its nodes carry this id."""
    shape: Shape
    values: Mapping[str, object]
    """The result of `varying` at deploy."""
    provider: Provider
    nodes: Sequence[Node]
    memory: object
    """The system's memory, handed over to the next trial."""
    holds: frozenset[Key]
    """Its ledger entries."""
    user: str = ""
    """The trial that uses it, from its start or deploy to its end; empty: free."""
    used: bool = False
    """Whether its user has deployed or received it; False while it is only reserved."""
    parked: bool = False
    """Whether its user has finished with it: `destroy`."""
    unfit: str = ""
    """Why no suite may start from it any more."""
    before: object = None
    """The memory of its user's system before it received this cluster."""

    def release(self) -> None:
        """It is free now."""
        self.user, self.used, self.parked, self.before = "", False, False, None


@record
class Pool:
    """The clusters of the run, and the suites that may still need one."""

    clusters: list[ReusableCluster] = field(default_factory=list)
    _wanting: dict[str, Shape] = field(default_factory=dict)
    """Trials that have not deployed yet."""
    _owed: dict[str, tuple[str, Provider]] = field(default_factory=dict)
    """Trials whose cluster outlived them: their provider has not been searched for leftovers yet."""

    # Planned suites

    def expect(self, trial: str, suite: Suite) -> None:
        """This suite is planned, and will deploy."""
        if suite.reuse == "snapshot" and not suite.skip and _deploys(suite.steps):
            self._wanting[trial] = shape_of(suite)

    def forget(self, trial: str) -> None:
        """It deploys now, or never will."""
        self._wanting.pop(trial, None)

    def wanted(self, shape: Shape) -> bool:
        """Whether there are more planned suites than clusters of this shape."""
        clusters = sum(1 for cluster in self.clusters if cluster.shape == shape and not cluster.unfit)
        return list(self._wanting.values()).count(shape) > clusters

    # Use of clusters

    def add(self, cluster: ReusableCluster) -> None:
        """The run owns it from now on."""
        self.clusters.append(cluster)
        self._owed[cluster.trial] = (cluster.suite.provider, cluster.provider)

    def of(self, trial: str) -> ReusableCluster | None:
        """The cluster used by a trial."""
        return next((cluster for cluster in self.clusters if cluster.user == trial), None)

    def reserve(self, trial: str, suite: Suite) -> None:
        """A suite begins: reserve a free cluster for it."""
        if trial in self._wanting and (free := self._free(shape_of(suite))):
            free[0].user = trial

    def take(self, trial: str, suite: Suite, values: Mapping[str, object]) -> ReusableCluster | None:
        """A free cluster with these values, for a trial without one."""
        shape = shape_of(suite)
        found = next((cluster for cluster in self._free(shape) if cluster.values == values), None)
        if found is not None:
            found.user = trial
        return found

    def _free(self, shape: Shape) -> list[ReusableCluster]:
        fit = (cluster for cluster in self.clusters if not cluster.user and not cluster.unfit)
        return [cluster for cluster in fit if cluster.shape == shape]

    def standing_beside(self, trial: str, suite: Suite) -> list[Suite]:
        """The budget of free clusters while this suite runs: all but the one it would receive."""
        free = [cluster for cluster in self.clusters if not cluster.user]
        if free and trial in self._wanting:
            for cluster in self._free(shape_of(suite))[:1]:
                free.remove(cluster)
        return [cluster.suite for cluster in free]

    # Removal

    def own(self, ledger: Ledger, trial: str) -> list[Entry]:
        """A trial's resources outside the run's clusters."""
        held = {key for cluster in self.clusters if cluster.trial == trial for key in cluster.holds}
        return [entry for entry in ledger.out(trial) if key_of(entry.resource) not in held]

    def entries(self, ledger: Ledger, cluster: ReusableCluster) -> list[Entry]:
        """The remaining resources of a cluster."""
        return [entry for entry in ledger.out(cluster.trial) if key_of(entry.resource) in cluster.holds]

    def leave(self, ledger: Ledger, trial: str, *, keep: bool) -> tuple[list[Entry], list[str]]:
        """A trial ends: the resources to remove (or keep) now, and the trials to search for at its provider."""
        self.forget(trial)
        mine = self.of(trial)
        held = [mine] if mine is not None and keep and mine.used else []
        if mine is not None and not held:
            mine.release()
        going = held if keep else self._surplus()
        others = [entry for cluster in going if cluster.trial != trial for entry in self.entries(ledger, cluster)]
        for cluster in going:
            self.clusters.remove(cluster)
        gone = [cluster.trial for cluster in going if cluster.trial != trial]
        still = any(cluster.trial == trial for cluster in self.clusters)
        for ended in [*gone, *([] if still and not keep else [trial])]:
            self._owed.pop(ended, None)
        return [*others, *self.own(ledger, trial)], [*([] if still else [trial]), *gone]

    def rest(self, ledger: Ledger) -> tuple[list[Entry], dict[str, tuple[str, Provider]]]:
        """The run ends: all remaining resources of trials with a cluster of the run, and their providers by name."""
        owed = dict(self._owed)
        self.clusters.clear()
        self._owed.clear()
        return [entry for trial in owed for entry in ledger.out(trial) if entry.op != "kept"], owed

    def _surplus(self) -> list[ReusableCluster]:
        """Free clusters without a planned suite that can use them."""
        surplus: list[ReusableCluster] = []
        left: list[Shape] = []
        wanting = list(self._wanting.values())
        for cluster in self.clusters:
            if cluster.user:
                continue
            if cluster.unfit or left.count(cluster.shape) >= wanting.count(cluster.shape):
                surplus.append(cluster)
            else:
                left.append(cluster.shape)
        return surplus


def holdable(entries: Iterable[Entry]) -> frozenset[Key]:
    """The entries of a trial that its cluster needs: not the programs of its steps, not its exclusive environment."""
    resources = (entry.resource for entry in entries if entry.resource.owner != "engine:process")
    return frozenset(key_of(resource) for resource in resources if resource.kind != "exclusive")


def _deploys(steps: Sequence[StepPlan]) -> bool:
    return any(step.kind == "deploy" or _deploys(step.children) for step in steps)
