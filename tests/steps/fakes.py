"""A small context to run steps in: children run for real, nodes are made of variables, deadlines are short."""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.errors import CannotTell, LinkDown, LinkLost, Overrun, StepFailed, StepStopped
from seatrial.links.process.spawned import let_go, supervisor_of
from seatrial.links.process.supervision import end_trial
from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState, cluster_status
from seatrial.model.reading import Health, Reading, measured
from seatrial.model.resource import Node
from seatrial.model.result import CheckResult, Observation, Outcome, Verdict
from seatrial.model.scenario import CheckPlan, Location, Retry, StepPlan
from seatrial.registry import step
from seatrial.spi import Finished, Powers, RecordsReport

SOON = 0.25
"""Seconds of every deadline in these tests: what comes at all comes at once."""


def plan(thing: Any, id: str = "", *, at: int = 0, block: str = "steps", needs: tuple[str, ...] = ()) -> StepPlan:
    """A step of a document."""
    kind = type(thing).__seatrial__[0].name if hasattr(type(thing), "__seatrial__") else type(thing).__name__
    source = Location(file="t.yaml", path=(block, at))
    return StepPlan(kind=kind, factory=type(thing), fields={}, step=thing, source=source, id=id, needs=needs)


def check(text: str, verdict: Verdict = Verdict.PASSED, *, why: str = "", category: str = "") -> CheckPlan:
    """A check of a document that always sees the same."""
    seen = Observation(verdict=verdict, seen=f"seen by {text}", expected="good", why=why, category=category)
    thing = SimpleNamespace(observation=seen)
    return CheckPlan(
        text=text, kind=text.split(":")[0], factory=object, fields={}, check=thing, source=Location(file="t.yaml")
    )


@step("say")
@dataclass(frozen=True, kw_only=True)
class Say:
    """Write down that it ran, and end as it is told."""

    said: list[str]
    word: str
    raises: Exception | None = None
    after: float = 0.0
    until: asyncio.Event | None = None

    async def run(self, ctx: Any) -> Mapping[str, object]:
        self.said.append(f"{self.word} begins" if self.until else self.word)
        if self.after:
            await asyncio.sleep(self.after)
        if self.until is not None:
            await self.until.wait()
            self.said.append(f"{self.word} ends")
        if self.raises is not None:
            raise self.raises
        return {"word": self.word}


@dataclass
class FakeLink:
    """Answers while its node is up."""

    provider: FakeProvider
    node: Node
    commands: dict[str, Finished] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    closed: int = 0
    broken_off: int = 0
    held: list[asyncio.Future[None]] = field(default_factory=list)
    """Commands that run for as long as nobody breaks the link off: the node's end says nothing any more."""
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, command: Any, *, timeout: float = 60.0, input: str = "", env: Any = None) -> Finished:
        state = self.provider.machines[self.node.name]
        if not state.link:
            raise LinkDown(f"{self.node.name} does not answer")
        self.seen.append({"command": command, "timeout": timeout, "input": input, "env": env})
        if command == ["hold"]:
            self.held.append(asyncio.get_running_loop().create_future())
            await self.held[-1]
        if list(command)[:2] == ["sh", "-c"]:
            pattern = command[4]
            found = [name for name in self.files if name == pattern or name.startswith(pattern.rstrip("*"))]
            names = "".join(f"{name}\0" for name in [*found, ""])
            return Finished(exit_code=0, stdout=names.encode().hex(), stderr="")
        if tuple(command)[:3] == ("/bin/sh", "-e", "-c"):
            command = command[3]
        key = command if isinstance(command, str) else " ".join(command)
        return self.commands.get(key, Finished(exit_code=0, stdout="", stderr=""))

    async def put(self, local: Path, remote: str) -> None:
        self.files[remote] = local.read_text()

    async def get(self, remote: str, local: Path) -> None:
        local.write_text(self.files[remote])

    async def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.broken_off += 1
        while self.held:
            self.held.pop().set_exception(LinkLost(f"the connection to {self.node.name} was broken off"))


@dataclass
class Machine:
    """One node's state."""

    power: PowerState = PowerState.RUNNING
    boot: int = 1
    link: bool = True
    service: Reading[Health] = field(default_factory=lambda: measured(Health.OK))


class FakeProvider:
    """Has every power; `stuck` names those that do nothing, `broken` those that raise."""

    powers = frozenset(Powers)
    deadlines: Mapping[str, float] = {}

    def __init__(self, names: Sequence[str]) -> None:
        self.machines = {name: Machine() for name in names}
        self.calls: list[str] = []
        self.stuck: set[str] = set()
        self.broken: dict[str, Exception] = {}
        self.crash_leads_to = "rebooting"
        self.failures: dict[str, str] = {}

    def _called(self, what: str, node: Node) -> bool:
        self.calls.append(f"{what} {node.name}")
        if f"{what} {node.name}" in self.broken:
            raise self.broken[f"{what} {node.name}"]
        return what not in self.stuck

    def _off(self, node: Node) -> None:
        self.machines[node.name] = replace(self.machines[node.name], power=PowerState.STOPPED, link=False)

    def _on(self, node: Node) -> None:
        boot = self.machines[node.name].boot + 1
        self.machines[node.name] = Machine(boot=boot, service=self.machines[node.name].service)

    async def stop(self, node: Node) -> None:
        if self._called("stop", node):
            self._off(node)

    async def start(self, node: Node) -> None:
        if self._called("start", node):
            self._on(node)

    async def crash(self, node: Node) -> None:
        if self._called("crash", node):
            self._off(node)

    async def guest_stop(self, node: Node) -> None:
        if self._called("guest_stop", node):
            self._off(node)

    async def guest_reboot(self, node: Node) -> None:
        if self._called("guest_reboot", node):
            self._off(node)
            self.machines[node.name].power = PowerState.RUNNING
            asyncio.get_running_loop().call_later(0.02, self._on, node)

    async def guest_crash(self, node: Node) -> str:
        if self._called("guest_crash", node):
            self._off(node)
            if self.crash_leads_to == "rebooting":
                self.machines[node.name].power = PowerState.RUNNING
        return self.crash_leads_to

    async def state(self, node: Node) -> PowerState:
        if "state" in self.broken:
            raise self.broken["state"]
        return self.machines[node.name].power

    async def failure(self, node: Node) -> str:
        return self.failures.get(node.name, "")

    async def boot_id(self, node: Node) -> str:
        if not self.machines[node.name].link:
            raise LinkDown(f"{node.name} does not answer")
        return f"boot-{self.machines[node.name].boot}"


class FakeSystem:
    """One service per node; `own` are the powers that it has itself."""

    places_nodes = True

    def __init__(self, provider: FakeProvider, nodes: Sequence[Node]) -> None:
        self.provider = provider
        self.all = list(nodes)
        self.calls: list[str] = []
        self.own: set[Powers] = set()
        self.word: ClusterStatus | Exception | None = None
        self.raises: dict[str, Exception] = {}
        self.hangs: set[str] = set()

    @classmethod
    def powers(cls, settings: Any) -> frozenset[Powers]:
        return frozenset()

    async def _call(self, what: str) -> None:
        self.calls.append(what)
        if what in self.hangs:
            await asyncio.Event().wait()
        if what in self.raises:
            raise self.raises[what]

    async def init(self, ctx: Any) -> None:
        await self._call("init")

    async def deploy(self, ctx: Any) -> None:
        await self._call("deploy")

    async def destroy(self, ctx: Any) -> None:
        await self._call("destroy")

    async def before_outage(self, ctx: Any) -> None:
        await self._call("before_outage")

    async def records(self, ctx: Any) -> RecordsReport:
        return RecordsReport(acknowledged=0, read_from=())

    async def evidence(self, ctx: Any) -> Mapping[str, str]:
        return {node.name: f"last words of {node.name}" for node in self.all}

    async def nodes(self, ctx: Any) -> Sequence[Node]:
        return self.all

    async def power(self, ctx: Any, node: Node, what: Powers) -> bool:
        if what not in self.own:
            return False
        self.calls.append(f"{what} {node.name}")
        self.provider._off(node) if what in (Powers.STOP, Powers.CRASH, Powers.GUEST_STOP) else self.provider._on(node)
        return True

    async def health(self, ctx: Any, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        machines = self.provider.machines
        return {
            node.name: NodeHealth(
                power=measured(machines[node.name].power),
                parts={
                    "ssh": measured(Health.OK) if machines[node.name].link else measured(Health.NOT_OK, "no answer"),
                    "service": machines[node.name].service,
                },
            )
            for node in nodes
        }

    async def status(self, ctx: Any) -> ClusterStatus:
        if isinstance(self.word, Exception):
            raise self.word
        return self.word or cluster_status(await self.health(ctx, self.all))


@dataclass
class Kept:
    """The output of a command, for `keeping`."""

    file: Path
    text: bytes = b""

    def add(self, data: bytes) -> None:
        self.text += data

    def masked(self, text: str) -> str:
        return text


TRIAL = f"t{uuid.uuid4().hex[:16]}"
"""The id of the fake trials of this process. A cgroup of this host bears it, which `end_programs` empties."""


class Fake:
    """What spi.Context promises, as far as the built-in steps need it."""

    run_id = "run"
    trial_id = TRIAL
    deployment_id = "deployment"

    def __init__(self, folder: Path, names: Sequence[str] = ("n11", "n12", "n13")) -> None:
        nodes = [Node(name=name) for name in names]
        self.provider = FakeProvider(names)
        self.system = FakeSystem(self.provider, nodes)
        self.suite = SimpleNamespace(
            power="api",
            provider="fake",
            named_provider="fake",
            deadlines={},
            system=SimpleNamespace(settings=None),
            parameters={},
            fallbacks={},
        )
        self.random = random.Random(1)
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.deploy_dir = folder / "deployment"
        self.document_folder = folder
        self.step = "1"
        self.trust, self.was_up = "measured", False
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.said: list[str] = []
        self.skipped: list[tuple[str, str]] = []
        self.outputs: list[tuple[str, str]] = []
        self.ledger: list[str] = []
        self.labels: list[str] = []
        self.deadlines: dict[str, float] = {}
        self.values: Callable[[str], object] = lambda expression: expression == "true"
        self.links: dict[str, FakeLink] = {}
        self.cluster, self.offers, self.parks = "", False, False
        self.unmeasured = ""
        self.looked: list[tuple[Sequence[CheckPlan], Retry | None, int]] = []

    def saw_up(self) -> None:
        self.was_up = True

    def seen(self, text: str, *, measured: bool) -> None:
        self.unmeasured = "" if measured else text

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "E2E_RUN_ID": self.trial_id, "SEATRIAL_RUN_ID": self.run_id}

    def emit(self, kind: str, /, **data: Any) -> None:
        self.events.append((kind, data))

    def log(self, text: str, level: str = "info") -> None:
        self.said.append(f"{level}: {text}")

    def masked(self, text: str) -> str:
        return text

    def mask_file(self, file: Path) -> None: ...

    def output(self, source: str, text: str) -> None:
        self.outputs.append((source, text))

    @contextmanager
    def keeping(self, source: str, file: Path | None = None) -> Iterator[Kept]:
        kept = Kept(self.folder / "test.log")
        try:
            yield kept
        finally:
            if kept.text:
                self.output(source, kept.text.decode())

    async def evaluate(self, expression: str, **more: object) -> object:
        value = self.values(expression)
        if isinstance(value, Exception):
            raise value
        return value

    async def run(self, children: Sequence[StepPlan], *, label: str = "", tidies: bool = False, **more: object) -> None:
        self.labels.append(f"{label} {more}" if more else label)
        for at, child in enumerate(children):
            outcome = await self.attempt(child)
            if outcome.verdict is not Verdict.PASSED:
                self.skip(children[at + 1 :], f"{child.kind} stopped it")
                failed = outcome.verdict is Verdict.FAILED
                raise StepStopped(outcome.error, failed=failed, category=outcome.category, evidence=outcome.evidence)

    async def attempt(self, child: StepPlan, *, label: str = "") -> Outcome:
        try:
            return Outcome(verdict=Verdict.PASSED, outputs=await child.step.run(self) or {})
        except StepFailed as error:
            return Outcome(verdict=Verdict.FAILED, error=str(error), category=error.category, evidence=error.evidence)
        except StepStopped as error:
            verdict = Verdict.FAILED if error.failed else Verdict.UNKNOWN
            return Outcome(verdict=verdict, error=str(error), category=error.category)
        except Exception as error:  # noqa: BLE001 - as the engine: anything else is unknown
            return Outcome(verdict=Verdict.UNKNOWN, error=str(error), category="infrastructure")

    def skip(self, children: Sequence[StepPlan], reason: str, *, label: str = "") -> None:
        self.skipped += [(child.id or child.kind, reason) for child in children]

    async def observe(
        self, checks: Sequence[CheckPlan], retry: Retry | None = None, *, most: int = 32
    ) -> Sequence[CheckResult]:
        self.looked.append((checks, retry, most))
        return [
            CheckResult(
                check=one.text,
                observation=one.check.observation,
                attempts=1,
                duration=0.0,
                allowed_failure=one.allow_failure,
            )
            for one in checks
        ]

    async def poll(
        self, look: Callable[[], Awaitable[Any]], *, deadline: float, what: str, retry: Retry | None = None
    ) -> Any:
        limit = asyncio.timeout(deadline)
        try:
            async with limit:
                while True:
                    answer = await look()
                    if answer is not None:
                        return answer
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            assert limit.expired()
            raise Overrun(f"{what} did not come within {deadline:g} s") from error

    async def make(self, kind: str, name: str, create: Any, *, owner: str = "", detail: Any = None) -> Any:
        self.ledger.append(f"made {kind} {owner}")
        STARTED.add(self.trial_id)
        return await create()

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        return True  # as after the first program of a trial

    async def give_back(self, kind: str, name: str) -> None:
        self.ledger.append(f"gave back {kind}")

    async def destroy_node(self, node: Node) -> None:
        self.ledger.append(f"destroyed {node.name}")

    async def reuse_cluster(self) -> str:
        self.said.append("is there a cluster?")
        return self.cluster

    async def drop_cluster(self, why: str) -> None:
        self.said.append(f"dropped: {why}")

    async def offer_cluster(self) -> bool:
        self.said.append("offered")
        return self.offers

    async def release_cluster(self) -> bool:
        return self.parks

    async def nodes(self) -> Sequence[Node]:
        return await self.system.nodes(self)

    async def select(self, selector: str) -> Sequence[Node]:
        nodes = await self.nodes()
        if selector == "*":
            return nodes
        if not nodes:
            raise CannotTell("no nodes")
        return [node for node in nodes if node.name in selector.split(",")]

    def link(self, node: Node) -> FakeLink:
        return self.links.setdefault(node.name, FakeLink(self.provider, node))

    def deadline(self, what: str) -> float:
        return self.deadlines.get(what, SOON)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [data for one, data in self.events if one == kind]


FakeContext: Any = Fake
"""The same, for a type checker that would miss the many parts of spi.Context that no step here asks for."""


STARTED: set[str] = set()
"""Fake trials that may have programs on this host."""


def end_programs() -> None:
    """End the programs of all fake trials, and let their supervisors go, as the sweep at the end of a real one does."""
    while STARTED:
        trial = STARTED.pop()
        if (supervisor := supervisor_of(trial)) is not None:
            end_trial(supervisor.pid, supervisor.started, supervisor.cgroup)
            let_go(trial)


@pytest.fixture(autouse=True)
def programs_end() -> Iterator[None]:
    """The programs of a fake trial, and their supervisor, end with the test. A `conftest.py` imports it."""
    yield
    end_programs()


def within(work: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Run work on a loop of its own; a test that hangs fails."""

    async def limited() -> Any:
        async with asyncio.timeout(seconds):
            return await work()

    return asyncio.run(limited())
