"""The context of a step or check: a small copy per step over the shared state of the trial."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from seatrial import expressions
from seatrial.engine import cluster_reuse, temporary
from seatrial.engine import poll as polling
from seatrial.engine.deadlines import deadline_of
from seatrial.engine.masked_files import mask_file
from seatrial.engine.node_selection import matching
from seatrial.engine.output_log import KeptOutput
from seatrial.engine.resources import TrialResources
from seatrial.engine.trial import Trial
from seatrial.engine.written_at import written_at
from seatrial.errors import (
    CannotTell,
    LimitReached,
    LinkDown,
    LinkLost,
    SeatrialError,
    nearest,
)
from seatrial.links import connection
from seatrial.links.output import beginning
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Reading, Trust, absent, measured
from seatrial.model.resource import Node, NodeSpec
from seatrial.model.result import CheckResult, Outcome
from seatrial.model.scenario import CheckPlan, Location, Retry, StepPlan
from seatrial.spi import (
    Link,
    PreparesTrial,
    Provider,
    ProviderTraits,
    System,
    health_of,
    power_reading,
    traits,
)
from seatrial.spi.context import CHECKS_AT_ONCE
from seatrial.spi.measuring import provider_knows

T = TypeVar("T")

READING, OPEN = 300, 8
"""Characters of a reading, and checks named, in the message about a step that was interrupted."""


class StepRunner(Protocol):
    """The trial's loop as a context sees it: runs child steps and observes checks."""

    async def steps(self, parent: TrialContext, plans: Sequence[StepPlan]) -> None: ...

    async def child(self, parent: TrialContext, plan: StepPlan) -> Outcome: ...

    def skipped(self, parent: TrialContext, plan: StepPlan, reason: str) -> None: ...

    async def observe(
        self, ctx: TrialContext, plans: Sequence[CheckPlan], retry: Retry | None, most: int
    ) -> Sequence[CheckResult]: ...


class TrialContext(TrialResources):
    """See spi.Context; `runner` runs children and observes checks for it."""

    def __init__(
        self, trial: Trial, runner: StepRunner, step: str = "", more: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(trial)
        self._runner = runner
        self._more: Mapping[str, object] = more or {}
        self.step = step
        self.run_id = trial.run.id
        self.deployment_id = trial.deployment_id
        self.trust: Trust = trial.suite.trust
        self.may_fail = False
        """Whether the step, or one around it, may fail: it decides nothing."""
        self.tidies = False
        """Whether the step, or one around it, only tidies up: its checks decide, and its own end does not."""
        self.last_seen, self.last_seen_measured = "", True
        self._around: TrialContext | None = None
        self.open_checks: dict[TrialContext, CheckPlan] = {}
        """The checks that look now, by their contexts; after an interruption those that it ended."""
        self.changes: list[Callable[[], Awaitable[object]]] = []
        """What a check waits for before its next look."""
        self.may_pause = True
        """Whether a step here that does not pass decides at once: no step around it tries again or expects it."""
        self.limits: tuple[asyncio.Timeout, ...] = ()
        """The time limits of the steps around and of the suite."""
        self.document_folder = trial.suite.document_folder

    def at(
        self, step: str, more: Mapping[str, object] | None = None, *, may_fail: bool = False
    ) -> TrialContext:  # fmt: skip
        """The context of another step."""
        ctx = TrialContext(self._trial, self._runner, step, {**self._more, **more} if more else self._more)
        ctx.trust, ctx.may_fail, ctx.tidies = self.trust, self.may_fail or may_fail, self.tidies
        ctx.may_pause, ctx.limits = self.may_pause, self.limits
        return ctx

    def of_check(self, trust: Trust | None) -> TrialContext:
        """The context of a check, which may have a `trust` of its own. What it saw last, its step saw too."""
        ctx = self.at(self.step)
        ctx.trust = trust or self.trust
        ctx._around = self
        return ctx

    # The trial

    @property
    def pace(self) -> polling.Pace:
        """The pauses between looks at this system."""
        return self._trial.pace

    @property
    def was_up(self) -> bool:
        return self._trial.was_up

    def saw_up(self) -> None:
        self._trial.was_up = True

    def seen(self, text: str, *, measured: bool) -> None:
        self.last_seen, self.last_seen_measured = text, measured
        if self._around is not None:
            self._around.seen(text, measured=measured)

    def last_look_of(self, plan: CheckPlan) -> str:
        """What the check of this context saw last."""
        if not self.last_seen:
            return "no look ended"
        return f"last seen: {self.last_seen.removeprefix(f'{plan.text}: ')}"

    def last_look(self) -> tuple[str, bool]:
        """What this step saw last, of each check that did not end, and whether it was measured; empty: nothing."""
        if not self.open_checks:
            return f"last seen: {self.last_seen}" if self.last_seen else "", self.last_seen_measured
        open_ones = self.open_checks.items()
        deciding = [own for own, plan in open_ones if not plan.allow_failure] or list(self.open_checks)
        told = [f"{plan.text}: {beginning(own.last_look_of(plan), READING)}" for own, plan in open_ones]
        more = f"; and {len(told) - OPEN} more" if len(told) > OPEN else ""
        # As for results: a failure outweighs what could not be measured.
        measured = any(own.last_seen_measured for own in deciding)
        return f"still open: {'; '.join(told[:OPEN])}{more}", measured

    def fall_back(self, why: str) -> bool:
        suite = self._trial.suite
        for name, (value, *rest) in ((name, values) for name, values in suite.fallbacks.items() if values):
            before = suite.parameters[name]
            self.log(f"{name} {before} was refused, now {value} is tried: {why}", "warning")
            self.emit("parameter", name=name, value=value, why=why)
            self._trial.suite = replace(
                suite,
                parameters={**suite.parameters, name: value},
                fallbacks={**suite.fallbacks, name: tuple(rest)},
            )
            return True
        return False

    @property
    def unmeasured(self) -> str:
        return "" if self.last_seen_measured else self.last_seen

    @property
    def provider(self) -> Provider:
        return self._trial.provider

    @property
    def system(self) -> System:
        return self._trial.system

    @property
    def folder(self) -> Path:
        return _made(self._trial.folder)

    @property
    def artifacts(self) -> Path:
        return _made(self._trial.folder / "artifacts")

    @property
    def deploy_dir(self) -> Path:
        return _made(self._trial.deploy_dir)

    @property
    def state(self) -> Path:
        path = self._trial.state_folder
        if not path.is_dir():
            detail = {"path": str(path), "within": str(self._trial.run.folder)}
            self._intend("path", f"state-{self.trial_id}", "engine:path", detail)
            path.mkdir(parents=True, mode=0o700)
        return path

    def __getitem__(self, name: str) -> object:
        if name not in FOR_FUNCTIONS:
            raise KeyError(f"{name!r}; {nearest(name, FOR_FUNCTIONS)}")
        return FOR_FUNCTIONS[name](self)

    def __contains__(self, name: object) -> bool:
        return name in FOR_FUNCTIONS

    def keys(self) -> Iterable[str]:
        return FOR_FUNCTIONS.keys()

    def get(self, name: str, default: object = None) -> object:
        made = FOR_FUNCTIONS.get(name)
        return default if made is None else made(self)

    # Names and expressions

    def environment(self) -> dict[str, str]:
        self._make_temporary()
        return self._environment()

    def _environment(self) -> dict[str, str]:
        trial = self._trial
        own = {**trial.identity, **trial.service_environment, "SEATRIAL_DEPLOYMENT_DIR": str(self.deploy_dir)}
        if not trial.swept:
            own |= temporary.variables(temporary.folder_of(trial.id))
        return {**trial.run.environment, **own}

    def _make_temporary(self) -> None:
        """The trial's folder for temporary files, before its first command."""
        trial, folder = self._trial, temporary.folder_of(self.trial_id)
        own = trial.run.ledger.holds(temporary.OWNER, "folder", folder.name, trial.id)
        if trial.swept or (own and folder.is_dir()):
            return
        temporary.require_absent(folder)
        self._intend("folder", folder.name, temporary.OWNER, {"path": str(folder)})
        temporary.make(folder, trial.run.environment, run=trial.run.id, project=trial.run.project)

    def names(self) -> Mapping[str, object]:
        trial = self._trial
        return {
            "steps": {id: {"outputs": outputs} for id, outputs in trial.outputs.items()},
            "vars": trial.variables,
            "parameters": trial.suite.parameters,
            "run": {"id": trial.run.id},
            "trial": {"id": trial.id, "start": trial.start},
            "suite": {
                "name": trial.suite.name,
                "provider": trial.suite.named_provider,
                "deployment_id": trial.deployment_id,
            },
            "env": self._environment(),
            "secrets": trial.run.secrets,
            "nodes": trial.node_names,
            "services": trial.service_names,
            "provider": trial.suite.named_provider,
            "deploy_dir": str(trial.deploy_dir),
            "deployment_dir": str(trial.deploy_dir),
            **self._more,
        }

    def bind(self, value: T, /, **roots: object) -> T:
        with self._limited():
            bound: T = expressions.bind(value, {**self.names(), **roots})
        return bound

    async def fill(self, given: object, fill: Callable[[], T]) -> T:
        """`fill()`, which binds `given`, while everything else goes on."""
        with self._limited(next(iter(expressions.slow_expressions(given)), "")):
            return await expressions.fill_apart(given, fill)

    async def evaluate(self, expression: str, **more: object) -> object:
        with self._limited(expression):
            try:
                return await expressions.evaluate_apart(expression, {**self.names(), **more})
            except SeatrialError:
                raise
            except Exception as error:
                raise CannotTell(f"the expression {expression!r} cannot be evaluated: {error}") from error

    async def search(self, pattern: str, texts: Sequence[str]) -> Sequence[tuple[int, int] | None]:
        with self._limited(pattern):
            return await expressions.search(pattern, texts)

    @contextmanager
    def _limited(self, written: str = "") -> Iterator[None]:
        """A pattern or an expression at a limit has its place in the message, and is not the product's fault."""
        try:
            yield
        except LimitReached as error:
            if not error.placed:
                error.place(self._place(error.written))
            raise
        except asyncio.CancelledError:
            if written:
                what = written if len(written) <= 120 else f"{written[:120]}…"
                self.seen(f"{self._place(written)}: `{what}` was still at work", measured=False)
            raise

    def place_in_system(self, *keys: str) -> str:
        written = self.suite.system.source
        return self._shown(replace(written, path=(*written.path, *keys)))

    def _place(self, written: str) -> str:
        return self._shown(written_at(self.suite, written))

    def _shown(self, source: Location) -> str:
        return f"{source.file}:{self._trial.run.locate(source)}"

    def secret(self, value: str) -> None:
        self._trial.run.journal.mask(value)

    # Messages

    def log(self, text: str, level: str = "info") -> None:
        self._trial.emit("log", level=level, text=text, step=self.step)

    def masked(self, text: str) -> str:
        return self._trial.run.journal.masked(text)

    def mask_file(self, file: Path) -> None:
        mask_file(file, self._trial.run.journal.masks)

    def output(self, source: str, text: str) -> None:
        self._trial.output_log.keep(self.step, source, text)

    @contextmanager
    def keeping(self, source: str, file: Path | None = None) -> Iterator[KeptOutput]:
        output = KeptOutput(self._trial.output_log, self.step, source, file)
        try:
            yield output
        finally:
            output.close()

    # Children, checks, waits

    async def run(self, children: Sequence[StepPlan], *, label: str = "", tidies: bool = False, **more: object) -> None:
        ctx = self.at(self.step + label, more)
        ctx.tidies |= tidies
        await self._runner.steps(ctx, children)

    async def attempt(self, child: StepPlan, *, label: str = "") -> Outcome:
        return await self._runner.child(self.at(self.step + label), child)

    def skip(self, children: Sequence[StepPlan], reason: str, *, label: str = "") -> None:
        for child in children:
            self._runner.skipped(self.at(self.step + label), child, reason)

    async def observe(
        self, checks: Sequence[CheckPlan], retry: Retry | None = None, *, most: int = CHECKS_AT_ONCE
    ) -> Sequence[CheckResult]:
        return await self._runner.observe(self, checks, retry, most)

    def resting(self) -> AbstractContextManager[None]:
        return self._trial.resting()

    def look_again_when(self, changed: Callable[[], Awaitable[object]]) -> None:
        self.changes.append(changed)

    async def poll(
        self, look: Callable[[], Awaitable[T | None]], *, deadline: float, what: str, retry: Retry | None = None
    ) -> T:
        return await polling.poll(look, deadline=deadline, what=what, chance=self.random, retry=retry, pace=self.pace)

    # Nodes

    async def create_node(self, spec: NodeSpec) -> Node:
        self.emit("node", node=spec.name, state="creating")
        name = f"{self.trial_id}-{spec.name}"
        owner = f"provider:{self.suite.provider}"
        provider = self.provider
        if isinstance(provider, PreparesTrial):
            await provider.prepare(self)
        detail = {"node": spec.name, **provider.foresee(spec, self)}
        outlives = traits(provider, ProviderTraits).outlives_host
        node = await self.make(
            "node", name, lambda: provider.create(spec, self), owner=owner, detail=detail, outlives_host=outlives
        )
        self._trial.knows(node)
        self.emit("node", node=spec.name, state="running", why="created")
        return node

    async def destroy_node(self, node: Node) -> None:
        await self._trial.forget_link(node)
        if trial := cluster_reuse.whose(self._trial, node):
            await self._give_back("node", f"{trial}-{node.name}", trial)
        self.emit("node", node=node.name, state="destroyed" if trial else "parked")

    async def reuse_cluster(self) -> str:
        return await cluster_reuse.bring_back(self, self._trial)

    async def drop_cluster(self, why: str) -> None:
        await cluster_reuse.drop(self, self._trial, why)

    async def offer_cluster(self) -> bool:
        return await cluster_reuse.offer(self, self._trial)

    async def release_cluster(self) -> bool:
        return await cluster_reuse.release(self, self._trial)

    async def nodes(self) -> Sequence[Node]:
        nodes = await self.system.nodes(self)
        for node in nodes:
            if node.name not in self._trial.node_names:
                self._trial.knows(node)
        return nodes

    async def select(self, selector: str) -> Sequence[Node]:
        nodes = list(await self.nodes())
        if not nodes:
            raise CannotTell(f"the selector {selector!r} has no nodes to choose from: the system has none now")
        chosen: dict[str, Node] = {}
        for word in (part.strip() for part in selector.split(",")):
            for node in await matching(self, word, nodes):
                chosen[node.name] = node
        return [node for node in nodes if chosen.pop(node.name, None)] + list(chosen.values())

    def link(self, node: Node) -> Link:
        key = (node.name, tuple(sorted((k, str(v)) for k, v in node.ssh.items())), str(node.connection))
        if key not in self._trial.links:
            other = connection.link(node, self)
            self._trial.links[key] = self.provider.link(node) if other is None else other
        return self._trial.links[key]

    async def state_of(self, node: Node) -> Reading[PowerState]:
        if not provider_knows(self, node):
            health = (await health_of(self, [node])).get(node.name)
            return health.power if health else absent(PowerState.UNKNOWN, "the system does not report its state")
        power = await power_reading(self.provider, node, self.suite.provider)
        if power.value is not PowerState.RUNNING or (node.adopted and not node.has_link):
            return power  # a deployer's node may have no link
        try:
            await self.link(node).run(["true"], timeout=10)
        except (LinkDown, LinkLost, TimeoutError) as error:
            return measured(PowerState.UNREACHABLE, str(error), by=f"the link of {node.name}")
        return power

    def deadline(self, what: str) -> float:
        return deadline_of(self._trial, what)


def _made(folder: Path) -> Path:
    if not folder.is_dir():  # it nearly always exists: a look costs less than a refused mkdir
        folder.mkdir(parents=True, exist_ok=True)
    return folder


FOR_FUNCTIONS: Mapping[str, Callable[[TrialContext], object]] = {
    "deploy_dir": lambda ctx: str(ctx.deploy_dir),
    "deployment_dir": lambda ctx: str(ctx.deploy_dir),
    "deployment_id": lambda ctx: ctx.deployment_id,
    "provider": lambda ctx: ctx.suite.named_provider,
    "parameters": lambda ctx: ctx.suite.parameters,
    "run_id": lambda ctx: ctx.run_id,
    "trial_id": lambda ctx: ctx.trial_id,
    "suite": lambda ctx: ctx.suite.name,
    "artifacts": lambda ctx: str(ctx.artifacts),
}
"""The context as a dict, for checks that are plain functions."""
