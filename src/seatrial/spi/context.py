"""The context: all that a step or a check is given."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from seatrial.model.cluster import PowerState
from seatrial.model.reading import Reading
from seatrial.model.resource import Node, NodeSpec
from seatrial.model.result import CheckResult, Outcome
from seatrial.model.scenario import CheckPlan, Retry, StepPlan, Suite
from seatrial.spi.link import Link
from seatrial.spi.provider import Provider
from seatrial.spi.system import System

T = TypeVar("T")


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

    async def state_of(self, node: Node) -> Reading[PowerState]:
        """What the provider knows of the power; `unreachable`, which we measure, when it runs and its link does not
        answer."""

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
