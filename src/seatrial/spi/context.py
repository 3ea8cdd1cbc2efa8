"""The context: everything a step or a check gets."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from seatrial.errors import CannotTell
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Reading, Trust
from seatrial.model.resource import Node, NodeSpec
from seatrial.model.result import CheckResult, Outcome
from seatrial.model.scenario import CheckPlan, Retry, StepPlan, Suite
from seatrial.spi.contamination import Auditor
from seatrial.spi.link import Link
from seatrial.spi.output import Output
from seatrial.spi.provider import Provider
from seatrial.spi.system import System

T = TypeVar("T")


class Closes(Protocol):
    """A connection."""

    async def close(self) -> None:
        """End it."""


K = TypeVar("K", bound=Closes)
A = TypeVar("A", bound=Auditor)

CHECKS_AT_ONCE = 32
"""Maximum number of checks looking at the same time, unless a step says otherwise."""


class Context(Protocol):
    """Everything a step or a check gets. Each step has its own copy; do not change it."""

    # Identity

    @property
    def run_id(self) -> str:
        """The id of this invocation."""

    @property
    def trial_id(self) -> str:
        """The id of this suite's trial; node names begin with it."""

    @property
    def deployment_id(self) -> str:
        """The id of the deployment, for deployers."""

    @property
    def suite(self) -> Suite:
        """The suite, with its parameters."""

    def fall_back(self, why: str) -> bool:
        """The suite goes on with the next fallback of a parameter, such as `db_version`; False: none is left. `why`:
        what was wrong with the value before."""

    @property
    def step(self) -> str:
        """The path of the running step, as in events."""

    @property
    def provider(self) -> Provider:
        """The trial's provider. Ask `isinstance(ctx.provider, PowersNodes)` before you use an optional method."""

    @property
    def system(self) -> System:
        """The trial's system. Ask `isinstance(ctx.system, KeepsLogs)` before you use an optional method."""

    @property
    def trust(self) -> Trust:
        """The weakest source of a reading under a verdict: the check's, else the suite's."""

    @property
    def was_up(self) -> bool:
        """Whether the service of this trial was seen to answer: only then can it be down."""

    def saw_up(self) -> None:
        """Remember that the service was seen to answer."""

    def seen(self, text: str, *, measured: bool) -> None:
        """Remember the last look of a wait. When a time limit ends the step, the message has it, and a look that could
        not measure makes the step unknown."""

    @property
    def unmeasured(self) -> str:
        """The last look of a wait, if it could not measure; empty: it could, or there was none."""

    @property
    def random(self) -> random.Random:
        """Random numbers, seeded by the trial's id."""

    def __getitem__(self, name: str) -> object:
        """`deploy_dir`, `deployment_id`, `provider`, `parameters`, … for plain functions as checks."""

    def __contains__(self, name: object) -> bool:
        """Whether there is such a value."""

    def keys(self) -> Iterable[str]:
        """The names of these values: `dict(ctx)` has all of them."""

    def get(self, name: str, default: object = None) -> object:
        """Such a value, or the default."""

    # Folders

    @property
    def folder(self) -> Path:
        """The suite's own folder: results, test.log, artifacts/, state/."""

    @property
    def artifacts(self) -> Path:
        """`folder/artifacts`, made on first use."""

    @property
    def state(self) -> Path:
        """A folder for secrets and node state, removed at the end."""

    @property
    def deploy_dir(self) -> Path:
        """The working folder of the deployer: `$deployment_dir`."""

    @property
    def document_folder(self) -> Path:
        """The folder of the suite's document."""

    def place_in_system(self, *keys: str) -> str:
        """Where the document has a key of the system's settings, for a message: `trial.yaml:7`; the nearest part above
        it if the key is not written."""

    # Values and expressions

    def environment(self) -> dict[str, str]:
        """The environment of every process in the trial: this machine's variables, and the run's own."""

    def names(self) -> Mapping[str, object]:
        """The names in expressions: steps, vars, parameters, run, env, secrets, suite, nodes (by name: address,
        ports)."""

    def bind(self, value: T, /, **roots: object) -> T:
        """Fill in every `${{ }}` (and `$deployment_dir`, `$provider`) in a string or a structure of strings, once: over
        `names()` and these roots. Bind only the text of the document's author; text from elsewhere is data."""

    async def evaluate(self, expression: str, **more: object) -> object:
        """The value of a CEL expression over `names()` and `more`; CannotTell on an error in it, and at its limit of
        time and memory."""

    async def search(self, pattern: str, texts: Sequence[str]) -> Sequence[tuple[int, int] | None]:
        """Where a user's regular expression (`Pattern`) matches first in each text, as start and end; None: nowhere.
        It runs where it can be killed: CannotTell at its limit of time and memory for all texts together."""

    def deadline(self, what: str) -> float:
        """Seconds for deploy, start, stop, restart, destroy: the suite's, else the system's, else the provider's."""

    # Output

    def log(self, text: str, level: str = "info") -> None:
        """A line for people: `debug`, `info`, `warning` or `error`."""

    def emit(self, kind: str, /, **data: object) -> None:
        """An event; `seatrial.model.event` lists the kinds."""

    def output(self, source: str, text: str) -> None:
        """Keep the output of a command: all of it in the suite's folder, a tail in the event."""

    def keeping(self, source: str, file: Path | None = None) -> AbstractContextManager[Output]:
        """Keep the output of a command as it comes, until the end of the block: in the suite's folder, shown with
        `--verbose`; a tail of it is in the event. With a `file` of its own there is no event."""

    def secret(self, value: str) -> None:
        """Mask this text in all output from now on."""

    def masked(self, text: str) -> str:
        """The text with every secret masked. Mask before you truncate, and before you write anywhere but to events."""

    def mask_file(self, file: Path) -> None:
        """Mask every secret in a file that you keep."""

    # Nodes

    async def nodes(self) -> Sequence[Node]:
        """The system's nodes."""

    async def select(self, selector: str) -> Sequence[Node]:
        """Nodes by `n12`, `n12,n13`, `*`, `any` (a running one, if any runs), `random:2`, or a role of the system
        (`leader`)."""

    def link(self, node: Node) -> Link:
        """The link to a node: one connection per node and trial."""

    async def state_of(self, node: Node) -> Reading[PowerState]:
        """The provider's reading of the power; `unreachable`, measured by Seatrial, for a running node with a silent
        link."""

    async def create_node(self, spec: NodeSpec) -> Node:
        """Have the provider make a node; the ledger gets the intent first."""

    async def destroy_node(self, node: Node) -> None:
        """Have the provider remove a node."""

    # Other resources to remove at the end

    async def make(
        self, kind: str, name: str, create: Callable[[], Awaitable[T]], *, owner: str = "",
        detail: Mapping[str, object] | None = None, outlives_host: bool = False,
    ) -> T:  # fmt: skip
        """Write the intent to the ledger, call `create`, then write `made`. The owner removes the resource by `detail`
        alone."""

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        """Whether this trial has intended or made it, and not removed it."""

    async def give_back(self, kind: str, name: str) -> None:
        """Have its owner remove it now, and write that to the ledger."""

    def labels(self) -> Mapping[str, str]:
        """Labels for everything you make: `seatrial.run`, `seatrial.trial`, `seatrial.project` (its folder),
        `seatrial.expires` (RFC 3339, UTC), and the project's own `labels`."""

    async def keep(self, name: Hashable, open: Callable[[], Awaitable[K]], *, whole_run: bool = False) -> K:
        """A connection of the whole trial: opened at the first use of this name, closed at the trial's end.
        `whole_run`: all trials of the run share it, and it is closed at the run's end."""

    def audit(self, name: Hashable, auditor: Callable[[], A]) -> A:
        """Have a shared server compared with the ledger at the end of this trial, unless its suite says
        `contamination: off`: by the auditor of the first call with this name, which is returned. If it
        `CollectsDiagnostics`, it is asked after a failure, too."""

    async def lease(self, kind: str, names: Iterable[str]) -> str:
        """The first free one of these names (subnets, bridges) on this machine, leased to this trial until its end.
        LeaseTaken when none is free."""

    async def lease_address(self) -> str:
        """A loopback address (127.x.y.z) for this trial until its end."""

    async def lease_port(self, address: str = "127.0.0.1") -> int:
        """A free port for this trial until its end."""

    # Waiting, and steps with children

    async def poll(
        self, look: Callable[[], Awaitable[T | None]], *, deadline: float, what: str, retry: Retry | None = None
    ) -> T:
        """Look adaptively often until the answer is not None; Overrun (naming `what`) after `deadline` seconds."""

    def look_again_when(self, changed: Callable[[], Awaitable[object]]) -> None:
        """A check has its next look as soon as this is done: an API reports its own changes. Call it in each look.
        Without attempts and a delay in the document, no other looks follow."""

    def resting(self) -> AbstractContextManager[None]:
        """Until the end of the block the trial only waits for what ends by itself, such as a namespace in deletion:
        another suite may begin meanwhile, as if this one had ended."""

    async def run(self, children: Sequence[StepPlan], *, label: str = "", tidies: bool = False, **more: object) -> None:
        """Run child steps in order; StepStopped at the first without the verdict passed. `label` becomes part of the
        path; expressions in the children see `more`. Steps that tidy up measure nothing by their own end: a suite
        cannot pass by them alone, only by checks in them."""

    async def attempt(self, child: StepPlan, *, label: str = "") -> Outcome:
        """Run one child step and return its outcome, without raising for failed or unknown."""

    def skip(self, children: Sequence[StepPlan], reason: str, *, label: str = "") -> None:
        """Report child steps as skipped."""

    async def observe(
        self, checks: Sequence[CheckPlan], retry: Retry | None = None, *, most: int = CHECKS_AT_ONCE
    ) -> Sequence[CheckResult]:
        """Observe checks concurrently, each with its own retry (else this one; else once), at most `most` looks at a
        time. The time of a check begins with its first look."""

    # Clusters for several suites, one after another (`reuse: snapshot`)

    async def reuse_cluster(self) -> str:
        """Bring back a free, deployed cluster of this suite's shape: its nodes are as in its snapshot, and the system
        has them. Returns the id of the trial that deployed it; empty: none is free, so deploy."""

    async def drop_cluster(self, why: str) -> None:
        """Remove the cluster just brought back; the system is as it was before."""

    async def offer_cluster(self) -> bool:
        """Keep a snapshot of the deployed cluster if later suites can start from it; from then on the run owns it.
        Returns whether the nodes were paused for it: then measure again."""

    async def release_cluster(self) -> bool:
        """Leave a cluster to the run, its owner: its nodes stay. False: it is not the run's."""


async def is_true(ctx: Context, expression: str, **names: object) -> bool:
    """The value of an expression; CannotTell if it is neither true nor false."""
    value = await ctx.evaluate(expression, **names)
    if not isinstance(value, bool):
        raise CannotTell(f"`{expression}` returned {value!r}, expected true or false")
    return value
