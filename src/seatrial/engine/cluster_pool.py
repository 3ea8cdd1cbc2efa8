"""`reuse: snapshot`: a deployed cluster belongs to the run, and later suites of its shape start from its snapshot.

A cluster is such a cluster. The trial that deployed it stays the owner of its ledger entries, so that `clean` finds
nothing new after a crash; what changes is when they are given back: as soon as no suite can use it any more, and at
the end of the run at the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.engine.ledger import Entry, Ledger
from seatrial.expressions import names_in
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import StepPlan, Suite
from seatrial.spi import Provider, SettlesSettings

OWN = ("engine:process",)
"""Owners of what a trial takes with it: the programs of its steps."""

VALUES = ("vars", "steps")
"""First words of expressions that may have another value in each trial of one run."""

NEVER = ("trial", "suite", "deploy_dir", "deployment_dir")
"""Those whose values no two trials share."""

SHARED = ("suite", "provider")
"""What all suites of one shape have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What two suites must have in common for one to start from the other's cluster."""

    provider: str
    provider_settings: Any
    system: str
    settings: Any
    folder: Path
    parameters: Mapping[str, Any]


def shape_of(suite: Suite) -> Shape:
    """The shape of a suite; the names of its nodes follow from it."""
    return Shape(
        provider=suite.provider,
        provider_settings=suite.provider_settings,
        system=suite.system.kind,
        settings=suite.system.settings,
        folder=suite.system.folder,
        parameters=suite.parameters,
    )


def varying(suite: Suite, names: Mapping[str, object]) -> dict[str, object]:
    """The values of what the system's settings name that may differ from trial to trial. Of what was settled when the
    cluster was deployed (`filled_anew` leaves it out) a trial's own names are its deployer's for good, as its id is."""
    system, settings = suite.system.factory, suite.system.settings
    anew = system.filled_anew(settings) if issubclass(system, SettlesSettings) else settings
    return {root: names.get(root) for root in _named(settings, VALUES) + _named(anew, NEVER)}


def _named(settings: object, roots: tuple[str, ...]) -> list[str]:
    used = {path[0] for path in names_in(settings) if path[:2] != SHARED}
    return [root for root in roots if root in used]


Key = tuple[str, str, str, str]


def _key(resource: Resource) -> Key:
    return resource.owner, resource.kind, resource.name, resource.trial


@dataclass(slots=True, eq=False, kw_only=True)
class ReusableCluster:
    """One deployed cluster with a snapshot."""

    suite: Suite
    """The suite that deployed it: what it counts for in the budget."""
    trial: str
    """Who deployed it, and whose id its nodes carry."""
    shape: Shape
    values: Mapping[str, object]
    """What `varying` said when it was deployed."""
    provider: Provider
    nodes: Sequence[Node]
    memory: object
    """What the system handed over."""
    holds: frozenset[Key]
    """Its ledger entries."""
    user: str = ""
    """The trial that has it, from its start or its deploy to its end; empty: it is free."""
    used: bool = False
    """Whether its user deployed it or was given it, not just a promise of it."""
    parked: bool = False
    """Whether its user is done with it: `destroy`."""
    unfit: str = ""
    """Why nobody may start from it any more."""
    before: object = None
    """What the system of its user knew before it was given this."""

    def release(self) -> None:
        """Nobody has it now."""
        self.user, self.used, self.parked, self.before = "", False, False, None


@dataclass(slots=True)
class Pool:
    """The clusters that are the run's, and the suites that may yet want one."""

    clusters: list[ReusableCluster] = field(default_factory=list)
    _wanting: dict[str, Shape] = field(default_factory=dict)
    """Trials that have not deployed yet."""
    _owed: dict[str, tuple[str, Provider]] = field(default_factory=dict)
    """Trials whose provider was not asked yet what it has of them, because their cluster stood on after their end."""

    # What is to come

    def expect(self, trial: str, suite: Suite) -> None:
        """This suite is planned, and will deploy."""
        if suite.reuse == "snapshot" and not suite.skip and _deploys(suite.steps):
            self._wanting[trial] = shape_of(suite)

    def forget(self, trial: str) -> None:
        """It deploys now, or never will."""
        self._wanting.pop(trial, None)

    def wanted(self, shape: Shape) -> bool:
        """Whether there are more suites to come than clusters of this shape."""
        clusters = sum(1 for cluster in self.clusters if cluster.shape == shape and not cluster.unfit)
        return self._count(shape) > clusters

    def _count(self, shape: Shape) -> int:
        return sum(1 for one in self._wanting.values() if one == shape)

    # Who has what

    def add(self, cluster: ReusableCluster) -> None:
        """From now on it is the run's."""
        self.clusters.append(cluster)
        self._owed[cluster.trial] = (cluster.shape.provider, cluster.provider)

    def of(self, trial: str) -> ReusableCluster | None:
        """The cluster that a trial has."""
        return next((cluster for cluster in self.clusters if cluster.user == trial), None)

    def reserve(self, trial: str, suite: Suite) -> None:
        """A suite begins: what is free for it is not taken by others."""
        if trial in self._wanting and (free := self._free(shape_of(suite))):
            free[0].user = trial

    def take(self, trial: str, suite: Suite, values: Mapping[str, object]) -> ReusableCluster | None:
        """A free cluster with these values, for a trial that has none."""
        shape = shape_of(suite)
        found = next((cluster for cluster in self._free(shape) if cluster.values == values), None)
        if found is not None:
            found.user = trial
        return found

    def _free(self, shape: Shape) -> list[ReusableCluster]:
        return [
            cluster for cluster in self.clusters if not cluster.user and not cluster.unfit and cluster.shape == shape
        ]

    def standing_beside(self, trial: str, suite: Suite) -> list[Suite]:
        """What free clusters count for while this suite runs: all but the one that it would be given."""
        free = [cluster for cluster in self.clusters if not cluster.user]
        if free and trial in self._wanting:
            for cluster in self._free(shape_of(suite))[:1]:
                free.remove(cluster)
        return [cluster.suite for cluster in free]

    # What is given back

    def own(self, ledger: Ledger, trial: str) -> list[Entry]:
        """What is out of a trial and no cluster of the run."""
        held = {key for cluster in self.clusters if cluster.trial == trial for key in cluster.holds}
        return [entry for entry in ledger.out(trial) if _key(entry.resource) not in held]

    def entries(self, ledger: Ledger, cluster: ReusableCluster) -> list[Entry]:
        """What is out of a cluster."""
        return [entry for entry in ledger.out(cluster.trial) if _key(entry.resource) in cluster.holds]

    def leave(self, ledger: Ledger, trial: str, *, keep: bool) -> tuple[list[Entry], list[str]]:
        """A trial ends: what is to be given back (or kept) now, and the trials that its provider is asked for."""
        self.forget(trial)
        mine = self.of(trial)
        going: list[ReusableCluster] = []
        if mine is not None and keep and mine.used:
            going = [mine]
        elif mine is not None:
            mine.release()
        if not keep:
            going = self._surplus()
        others = [entry for cluster in going if cluster.trial != trial for entry in self.entries(ledger, cluster)]
        for cluster in going:
            self.remove(cluster)
        gone = [cluster.trial for cluster in going if cluster.trial != trial]
        for one in (*gone, *([trial] if keep else [])):
            self._owed.pop(one, None)
        still = any(cluster.trial == trial for cluster in self.clusters)
        if not still:
            self._owed.pop(trial, None)
        return [*others, *self.own(ledger, trial)], [*([] if still else [trial]), *gone]

    def remove(self, cluster: ReusableCluster) -> None:
        """It is nobody's start any more."""
        self.clusters.remove(cluster)

    def rest(self, ledger: Ledger) -> tuple[list[Entry], dict[str, tuple[str, Provider]]]:
        """The run ends: all that is out of trials whose cluster was the run's, and their providers by name."""
        owed = dict(self._owed)
        self.clusters.clear()
        self._owed.clear()
        return [entry for trial in owed for entry in ledger.out(trial) if entry.op != "kept"], owed

    def _surplus(self) -> list[ReusableCluster]:
        """Free clusters that no suite to come can use."""
        surplus: list[ReusableCluster] = []
        left: list[Shape] = []
        for cluster in self.clusters:
            if cluster.user:
                continue
            if cluster.unfit or left.count(cluster.shape) >= self._count(cluster.shape):
                surplus.append(cluster)
            else:
                left.append(cluster.shape)
        return surplus


def holdable(entries: Iterable[Entry]) -> frozenset[Key]:
    """Of what a trial has out, that on which its cluster stands."""
    kept = (entry.resource for entry in entries if entry.resource.owner not in OWN)
    return frozenset(_key(resource) for resource in kept if resource.kind != "exclusive")


def _deploys(steps: Sequence[StepPlan]) -> bool:
    return any(step.kind == "deploy" or _deploys(step.children) for step in steps)
