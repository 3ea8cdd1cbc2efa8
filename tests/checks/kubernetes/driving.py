"""Rows of the readiness table: all in one run, each told apart by what the API server knew and when Seatrial noticed.

Each row is a suite. A phase of it that must pass waits for that. In a phase that must fail, one check waits all the
time, and as soon as the API server knows what is wrong, the same check is asked once, for its verdict and its reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Project
from tests.checks.kubernetes.independent import Independent, Knows, Object
from tests.checks.kubernetes.proxy import Proxy, proxy

from seatrial.links.kubernetes import ApiAway, Cluster

LIMIT = 120
"""Seconds for whatever must come."""
NOTICED = 0.2
"""Seconds between the API server's knowledge and Seatrial's."""
BUSY = 10.0
"""How much longer it may take on a busy machine, for one row, at most."""
LOOKS = Path(__file__).with_name("looks.py")


Act = Callable[["Stage"], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One check, and what happens while it waits."""

    check: Mapping[str, object]
    act: Act | None = None
    """What happens once the check waits."""
    before: Act | None = None
    """What happens before the check begins, where it would hold at once."""
    knows: Knows | None = None
    """Whether the API server knows what the check is to notice; None: at once, and no delay is measured."""
    enough: Knows | None = None
    """Where the reason comes later than the state: whether the API server knows that too."""
    fails: tuple[str, ...] = ()
    """Words of the reason; empty: the check passes."""
    category: str = "product"
    """Where to look first, for one that fails."""
    look: str = ""
    """Words in the look of the waiting check that has noticed, where they are others than the first of the reason."""
    seen: object = None
    """What it must have seen."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of a phase."""

    result: Mapping[str, Any]
    delay: float | None
    """Seconds between the API server's knowledge and Seatrial's; None: not measured."""


@dataclass
class Stage:
    """What an act of a row can do."""

    cluster: Cluster
    namespace: str
    independent: Independent
    proxy: Proxy | None = None
    """Between Seatrial and the API server, where the row has one."""

    async def put(self, *things: Object) -> None:
        """Apply objects, as soon as the API server is there."""
        for thing in things:
            while True:
                try:
                    await self.cluster.apply(thing, namespace=self.namespace)
                    break
                except ApiAway:  # another row has killed it
                    await asyncio.sleep(0.05)

    async def until(self, knows: Knows) -> float:
        """Wait until the API server knows it."""
        return await asyncio.wait_for(self.independent.until(self.namespace, knows), LIMIT)


@dataclass
class Run:
    """One run of `seatrial` with all rows."""

    kubeconfig: Path
    rows: Mapping[str, Sequence[Phase]]
    proxied: Collection[str] = ()
    """Rows that reach the API server through a proxy."""
    address: tuple[str, int] = ("", 0)
    """The API server's."""
    told: dict[str, list[Told]] = field(default_factory=dict)
    pressure: float = 1.0
    """Processes that wanted to run for each processor, at most."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _looks: list[dict[str, Any]] = field(default_factory=list)

    async def drive(self, cluster: Cluster, independent: Independent, folder: Path) -> None:
        """Run them all to their ends."""
        project = Project(Path(tempfile.mkdtemp(dir=folder)))
        async with AsyncExitStack() as stack:
            proxies = {name: await stack.enter_async_context(proxy(*self.address)) for name in self.proxied}
            for name, one in proxies.items():
                one.kubeconfig(self.kubeconfig, project.folder / f"{name}.kubeconfig")
            stages = {name: Stage(cluster, name, independent, proxies.get(name)) for name in self.rows}
            await self._drive(project, stages)

    async def _drive(self, project: Project, stages: Mapping[str, Stage]) -> None:
        document = project.write("rows.json", self._document(project.folder))
        looks = project.folder / "looks.jsonl"
        looks.touch()
        await asyncio.gather(*(prepare(stage.cluster, name) for name, stage in stages.items()))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "seatrial", "run", str(document), "--parallel", str(len(self.rows)),
            "--plugin", str(LOOKS), "--report-dir", str(project.folder / "report"), "--format", "none",
            cwd=project.folder, env={**project.environment, "SEATRIAL_TEST_LOOKS": str(looks)},
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        reading = [asyncio.create_task(self._read(looks)), asyncio.create_task(self._watch_pressure())]
        known: dict[tuple[str, int], tuple[float, float]] = {}
        driving = [asyncio.create_task(self._act(name, stage, known)) for name, stage in stages.items()]
        ending = asyncio.create_task(process.communicate())
        try:
            # An act that goes wrong ends all; a check that never notices fails its own row.
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * LIMIT):
                    while not ending.done() and not _gone_wrong(driving):
                        going = [task for task in driving if not task.done()]
                        await asyncio.wait([ending, *going], return_when=asyncio.FIRST_COMPLETED)
        finally:
            if process.returncode is None:
                process.terminate()
            _, said = await ending
            for task in (*reading, *driving):
                task.cancel()
            ended = await asyncio.gather(*driving, return_exceptions=True)
        self._read_rest(looks)
        self._tell(project.folder / "report" / "events.jsonl", known, said.decode())
        errors = {name: error for name, error in zip(self.rows, ended, strict=True) if isinstance(error, Exception)}
        wrong = {name: repr(error) for name, error in errors.items() if not isinstance(error, TimeoutError)}
        assert not wrong, wrong

    def _document(self, folder: Path) -> dict[str, object]:
        suites = {}
        for name, phases in self.rows.items():
            kubeconfig = folder / f"{name}.kubeconfig" if name in self.proxied else self.kubeconfig
            where = {"kubeconfig": str(kubeconfig), "namespace": name}
            gate = {"check": "resource", "kind": "configmap", "namespace": name, "kubeconfig": str(self.kubeconfig)}
            steps: list[object] = []
            for phase in phases:
                check = {**where, **phase.check}
                retry = {"retry": {"timeout": LIMIT}}
                waits = {"step": "validate", "checks": [check], **retry}
                if phase.before is not None:
                    steps.append({"step": "validate", "checks": [{**gate, "name": f"begin-{len(steps) + 2}"}], **retry})
                known = {"step": "validate", "checks": [{**gate, "name": f"known-{len(steps) + 1}"}], **retry}
                once = {"step": "group", "steps": [known, {"step": "validate", "checks": [check]}]}
                both = {"step": "parallel", "fail_fast": True, "allow_failure": True, "steps": [waits, once]}
                steps.append(both if phase.fails else waits)
            suites[name] = {"workflow": steps}
        return {"test_suites": suites}

    def _numbered(self, name: str) -> list[tuple[int, Phase]]:
        """The phases of a row by the numbers of their steps."""
        numbered: list[tuple[int, Phase]] = []
        number = 0
        for phase in self.rows[name]:
            number += 1 + (phase.before is not None)
            numbered.append((number, phase))
        return numbered

    async def _act(self, name: str, stage: Stage, known: dict[tuple[str, int], tuple[float, float]]) -> None:
        for number, phase in self._numbered(name):
            waiting = f"{number}.1" if phase.fails else str(number)
            if phase.before is not None:
                await self._until_looked(name, str(number - 1))
                await phase.before(stage)
                await stage.put(_gate(f"begin-{number}"))
            await self._until_looked(name, waiting)
            acted = time.time()
            if phase.act is not None:
                await phase.act(stage)
            at = await stage.until(phase.knows) if phase.knows is not None else time.time()
            known[name, number] = acted, at
            if phase.enough is not None:
                await stage.until(phase.enough)
            if phase.fails and phase.knows is not None:
                await self._until_looked(name, waiting, phase.look or phase.fails[0])
            if phase.fails:
                await stage.put(_gate(f"known-{number}"))

    async def _until_looked(self, suite: str, step: str, words: str = "") -> None:
        """Wait until a check has measured something, or this."""
        while not self._looked(suite, step, words):
            await self._news.wait()

    def _looked(self, suite: str, step: str, words: str = "", since: float = 0.0) -> float | None:
        for look in self._looks:
            is_of = (look["suite"], look["step"]) == (suite, step) and look["measured"]
            if is_of and look["at"] >= since and words in look["text"]:
                return float(look["at"])
        return None

    async def _read(self, looks: Path) -> None:
        while True:
            self._read_rest(looks)
            await asyncio.sleep(0.02)

    def _read_rest(self, looks: Path) -> None:
        lines = looks.read_text().split("\n")[:-1]
        if fresh := lines[len(self._looks) :]:
            self._looks += map(json.loads, fresh)
            news, self._news = self._news, asyncio.Event()
            news.set()

    async def _watch_pressure(self) -> None:
        processors = len(os.sched_getaffinity(0))
        while True:
            running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
            self.pressure = max(self.pressure, running / processors)
            await asyncio.sleep(0.05)

    def _tell(self, journal: Path, known: Mapping[tuple[str, int], tuple[float, float]], said: str) -> None:
        assert journal.exists(), said
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        suites = {event["trial"]: event["data"]["name"] for event in events if event["kind"] == "suite_planned"}
        results: dict[tuple[str, str], dict[str, Any]] = {}
        for event in events:
            if event["kind"] == "check_observed":
                results[suites[event["trial"]], event["data"]["step"]] = {**event["data"], "at": event["at"]}
        for name in self.rows:
            self.told[name] = []
            for number, phase in self._numbered(name):
                result = results.get((name, f"{number}.2.2" if phase.fails else str(number)), {"verdict": "none"})
                delay = None
                if phase.knows is not None and (name, number) in known:
                    acted, at = known[name, number]
                    words = phase.look or phase.fails[0] if phase.fails else ""
                    noticed = self._looked(name, f"{number}.1", words, acted) if phase.fails else result.get("at")
                    delay = max(0.0, noticed - at) if noticed is not None else None
                self.told[name].append(Told(result=result, delay=delay))

    def require(self, row: str) -> None:
        """The right verdicts of a row, for the right reasons, in one line each."""
        for phase, told in zip(self.rows[row], self.told[row], strict=True):
            result = told.result
            assert result["verdict"] == ("failed" if phase.fails else "passed"), result
            for word in phase.fails:
                assert word in result["why"], result
            assert "\n" not in result["why"], result
            assert result["category"] == (phase.category if phase.fails else ""), result
            if phase.seen is not None:
                assert result["seen"] == phase.seen, result
            assert phase.knows is None or told.delay is not None, f"never noticed: {phase.check}"

    def require_notices(self) -> None:
        """Each in time. A busy processor gives a process its share only."""
        delays = self.delays()
        lines = [f"{1000 * delay:6.0f} ms  {row}" for row, delay in sorted(delays.items(), key=lambda one: -one[1])]
        print(f"\n{self.pressure:.1f} processes wanted to run on each processor, at most", *lines, sep="\n")
        assert statistics.median(delays.values()) < NOTICED, lines
        assert max(delays.values()) < NOTICED * min(self.pressure, BUSY), lines

    def delays(self) -> dict[str, float]:
        """The measured delays by row and phase."""
        return {
            f"{name}, {number}. {phase.check['check']}": told.delay
            for name, phases in self.rows.items()
            for number, (phase, told) in enumerate(zip(phases, self.told[name], strict=True), 1)
            if told.delay is not None
        }


def _gone_wrong(tasks: Sequence[asyncio.Task[None]]) -> bool:
    done = [task for task in tasks if task.done() and not task.cancelled()]
    return any(not isinstance(task.exception(), TimeoutError | None) for task in done)


def _gate(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def prepare(cluster: Cluster, namespace: str) -> None:
    """Make a namespace in which pods can be made at once."""
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await cluster.apply(account, namespace=namespace)
