"""A context and a system whose state a test sets; the links of its nodes run on this host, or raise."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.steps.fakes import STARTED, TRIAL

from seatrial import expressions
from seatrial.engine.poll import poll
from seatrial.errors import CannotTell, LinkDown, UsageError
from seatrial.links.process import run
from seatrial.model.cluster import NOT_ASKED, ClusterStatus, NodeHealth, PowerState, cluster_status
from seatrial.model.reading import Health, Reading, Source, absent, measured
from seatrial.model.resource import Node
from seatrial.model.result import Observation
from seatrial.spi import Finished, RecordsReport

OK = measured(Health.OK)
NOT_OK = measured(Health.NOT_OK, "measured and found wanting")
UNKNOWN = absent(Health.UNKNOWN, "the measuring tool broke")


def well(**parts: Reading[Health]) -> NodeHealth:
    """A node that runs and is well, but for the parts that are given."""
    return NodeHealth(power=measured(PowerState.RUNNING), parts={"ssh": OK, "service": OK, **parts})


def off() -> NodeHealth:
    """A node that is powered off."""
    return NodeHealth(power=measured(PowerState.STOPPED, "powered off"))


class FakeLink:
    """Commands of the node run on this host, with `folder` as its root for `put` and `get`."""

    def __init__(self, trouble: Exception | None, programs: Path | None) -> None:
        self.trouble = trouble
        self.programs = programs
        self.ran: list[object] = []

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        self.ran.append(command)
        if self.trouble is not None:
            raise self.trouble
        line = command if isinstance(command, str) else shlex.join(command)
        path = {"PATH": str(self.programs)} if self.programs else {}
        return await run(
            ["/bin/sh", "-c", line], timeout=timeout, input=input, env={**os.environ, **path, **(env or {})}
        )

    async def put(self, local: Path, remote: str) -> None:
        await asyncio.to_thread(shutil.copyfile, local, remote)

    async def get(self, remote: str, local: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, remote, local)

    async def close(self) -> None: ...


class FakeSystem:
    """Says what a test told it."""

    places_nodes = True

    def __init__(self, health: Mapping[str, NodeHealth], state: str | None, why: str, declared: Sequence[str]) -> None:
        self.health_of = health
        self.state = state
        self.source = Source.MEASURED
        self.why = why
        self.declared = tuple(declared)
        self.service: Reading[Health] | None = None
        self.report: RecordsReport | Exception = RecordsReport(acknowledged=0, read_from=())
        self.measured: list[str] = []

    def node_names(self, settings: object, parameters: object) -> tuple[str, ...]:
        return self.declared

    async def status(self, ctx: object) -> ClusterStatus:
        if self.state is None:
            return cluster_status(self.health_of, service=self.service)
        state = Reading(self.state, self.source, why=self.why)
        return ClusterStatus(state=state, nodes=self.health_of, service=self.service or NOT_ASKED)

    async def health(self, ctx: object, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        self.measured += [node.name for node in nodes]
        return {node.name: self.health_of[node.name] for node in nodes if node.name in self.health_of}

    async def before_outage(self, ctx: object) -> None: ...

    async def records(self, ctx: object) -> RecordsReport:
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


class FakeContext:
    """As much of a context as checks ask for."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        state: str | None = None,
        why: str = "",
        declared: Sequence[str] = (),
        trouble: Mapping[str, Exception] | None = None,
        power: Mapping[str, Reading[PowerState]] | None = None,
        programs: Path | None = None,
        **health: NodeHealth,
    ) -> None:
        self.system: Any = FakeSystem(health, state, why, declared)
        self.suite = SimpleNamespace(system=SimpleNamespace(settings=None), parameters={})
        self.document_folder = folder or Path("/")
        self.state = folder or Path("/")
        self.trial_id, self.step = TRIAL, "1"
        self.trust, self.was_up = "measured", True
        self.hidden: list[str] = []
        trouble = trouble or {}
        self.links = {name: FakeLink(trouble.get(name), programs) for name in health}
        self._power = {name: one.power for name, one in health.items()} | dict(power or {})
        self._nodes = {name: Node(name=name) for name in health}

    def saw_up(self) -> None:
        self.was_up = True

    def seen(self, text: str, *, measured: bool) -> None: ...

    @property
    def unmeasured(self) -> str:
        return ""

    def environment(self) -> dict[str, str]:
        return {**os.environ, "E2E_RUN_ID": "trial"}

    def log(self, text: str, level: str = "info") -> None: ...

    def secret(self, value: str) -> None:
        self.hidden.append(value)

    def mask_file(self, file: Path) -> None: ...

    def masked(self, text: str) -> str:
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return text

    def audit(self, name: object, auditor: Any) -> Any:
        """Nobody asks it."""
        return auditor()

    async def poll(self, look: Any, *, deadline: float, what: str, retry: Any = None) -> Any:
        return await poll(look, deadline=deadline, what=what, chance=random.Random(1), retry=retry)

    async def make(self, kind: str, name: str, create: Any, **_: object) -> Any:
        STARTED.add(self.trial_id)
        return await create()

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        return True

    async def give_back(self, kind: str, name: str) -> None: ...

    async def evaluate(self, expression: str, **names: Any) -> object:
        return await expressions.evaluate_apart(expression, names)

    async def search(self, pattern: str, texts: Sequence[str]) -> Any:
        return await expressions.search(pattern, texts)

    async def nodes(self) -> Sequence[Node]:
        return list(self._nodes.values())

    async def select(self, selector: str) -> Sequence[Node]:
        if selector in ("*", "all"):
            return list(self._nodes.values())
        names = selector.split(",")
        for name in names:
            if name not in self._nodes:
                raise UsageError(f"no node {name!r}")
        return [node for name, node in self._nodes.items() if name in names]

    def link(self, node: Node) -> FakeLink:
        return self.links[node.name]

    async def state_of(self, node: Node) -> Reading[PowerState]:
        trouble = self.links[node.name].trouble
        if self._power[node.name].value is PowerState.RUNNING and trouble is not None:
            if isinstance(trouble, LinkDown):
                return measured(PowerState.UNREACHABLE, str(trouble))
            raise trouble
        return self._power[node.name]


def look(check: Any, ctx: FakeContext) -> Observation:
    """Observe once."""
    observation: Observation = asyncio.run(check.observe(ctx))
    return observation


def verdict(check: Any, ctx: FakeContext) -> str:
    """Observe once as the engine does it: an exception that is no StepFailed means unknown."""
    try:
        return str(look(check, ctx).verdict)
    except CannotTell:
        return "unknown"
