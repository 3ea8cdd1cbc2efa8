"""A provider that runs services as plain processes of this host, and a context over it: all that a system needs."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.steps.fakes import STARTED, Kept

from seatrial import expressions
from seatrial.errors import LinkDown, Overrun
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource, Service
from seatrial.spi import Finished, Powers, Readiness


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Shell:
    """A link: the node's commands run on this host, as long as the node is powered on."""

    def __init__(self, provider: Bare, node: Node) -> None:
        self._provider, self._node = provider, node
        self.refuse: Exception | None = None

    async def run(self, command, *, timeout=60.0, input="", env=None) -> Finished:
        if self.refuse is not None:
            raise self.refuse
        if self._provider.powers_of[self._node.name] is not PowerState.RUNNING:
            raise LinkDown(f"{self._node.name} does not answer")
        text = command if isinstance(command, str) else shlex.join(command)
        process = await asyncio.create_subprocess_shell(
            text, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(timeout):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        code = process.returncode or 0
        return Finished(exit_code=code if code >= 0 else 128 - code, stdout=out.decode(), stderr=err.decode())

    async def put(self, local: Path, remote: str) -> None:
        await asyncio.to_thread(shutil.copyfile, local, remote)

    async def close(self) -> None: ...


class Bare:
    """Nodes that are folders; their services are processes that someone else starts."""

    shares_files = True
    powers: frozenset[Powers] = frozenset()
    deadlines: Mapping[str, float] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.powers_of: dict[str, PowerState] = {}
        self.links: dict[str, Shell] = {}
        self.created: list[str] = []

    async def create(self, spec: NodeSpec, ctx: Any) -> Node:
        folder = self.folder / spec.name
        folder.mkdir(parents=True)
        self.created.append(spec.name)
        self.powers_of[spec.name] = PowerState.RUNNING
        ports = {name: port or free_port() for name, port in spec.ports.items()}
        return Node(name=spec.name, address="127.0.0.1", ports=ports, folder=str(folder))

    def link(self, node: Node) -> Shell:
        return self.links.setdefault(node.name, Shell(self, node))

    async def state(self, node: Node) -> PowerState:
        return self.powers_of[node.name]

    def foresee(self, spec: NodeSpec, ctx: Any) -> Mapping[str, object]:
        return {}

    async def destroy(self, resource: Resource) -> None: ...

    async def find(self, run: str) -> Sequence[Resource]:
        return []

    async def boot_id(self, node: Node) -> str:
        return "1"

    @classmethod
    async def readiness(cls, settings: Mapping[str, Any]) -> Readiness:
        return Readiness(True, "nothing")


class Plain(Bare):
    """The same, with a service per node that it runs itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.services: dict[str, Service] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    async def install_service(self, node: Node, service: Service) -> None:
        self.services[node.name] = service

    async def start_service(self, node: Node, name: str) -> None:
        service = self.services[node.name]
        with (Path(node.folder) / "log").open("ab") as log:
            self.running[node.name] = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                service.argv,
                cwd=service.folder,
                env={**os.environ, **service.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def stop_service(self, node: Node, name: str) -> None:
        self.end(node, signal.SIGTERM)

    async def service_log(self, node: Node, name: str) -> str:
        return (Path(node.folder) / "log").read_text()

    async def stop(self, node: Node) -> None:
        self.end(node, signal.SIGTERM)

    async def crash(self, node: Node) -> None:
        self.end(node, signal.SIGKILL)

    async def start(self, node: Node) -> None:
        self.powers_of[node.name] = PowerState.RUNNING
        await self.start_service(node, "service")

    def end(self, node: Node, number: int) -> None:
        self.powers_of[node.name] = PowerState.STOPPED
        process = self.running.pop(node.name)
        process.send_signal(number)
        process.wait(60)

    def end_all(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait(60)


class FakeContext:
    """As much of a context as a system uses."""

    run_id = "r0123456789abcdef"

    def __init__(self, folder: Path, system: Any, provider: Any, **parameters: object) -> None:
        self.trial_id = f"t{uuid.uuid4().hex[:16]}"
        self.deployment_id = f"local-workflow-fake-{self.trial_id}"
        self.folder = folder
        self.deploy_dir = folder / "deployment"
        self.deploy_dir.mkdir(parents=True)
        self.system, self.provider = system, provider
        self.random = random.Random(1)
        self.suite = SimpleNamespace(
            name="fake",
            provider="plain",
            parameters=parameters,
            fallbacks={},
            unflagged=frozenset(),
            older_form=True,
            steps=(),
        )
        self.trust, self.was_up = "measured", False
        self.resources: dict[tuple[str, str], Resource] = {}
        self.intended: list[Resource] = []
        self.said: list[tuple[str, str]] = []
        self.printed: list[tuple[str, str]] = []

    def saw_up(self) -> None:
        self.was_up = True

    def seen(self, text: str, *, measured: bool) -> None: ...

    @property
    def unmeasured(self) -> str:
        return ""

    def place_in_system(self, *keys: str) -> str:
        return "a.yaml:7"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "E2E_RUN_ID": self.trial_id, "SEATRIAL_RUN_ID": self.run_id}

    def names(self) -> dict[str, object]:
        host = dict(os.environ)
        ids = {"run": {"id": self.run_id}, "trial": {"id": self.trial_id}, "provider": "plain"}
        where = {"deploy_dir": str(self.deploy_dir)}
        return {"parameters": self.suite.parameters, "env": host, "secrets": host, **ids, **where}

    def bind(self, value, /, **roots):
        return expressions.bind(value, {**self.names(), **roots})

    async def evaluate(self, expression: str, **more: object) -> object:
        return expressions.evaluate(expression, {**self.names(), **more})

    def log(self, text: str, level: str = "info") -> None:
        self.said.append((level, text))

    def masked(self, text: str) -> str:
        return text

    def mask_file(self, file: Path) -> None: ...

    def output(self, source: str, text: str) -> None:
        self.printed.append((source, text))

    @contextmanager
    def keeping(self, source: str, file: Path | None = None) -> Iterator[Kept]:
        kept = Kept(self.folder / "test.log")
        try:
            yield kept
        finally:
            if kept.text:
                self.output(source, kept.text.decode())

    async def poll(self, look, *, deadline, what, retry=None):
        try:
            async with asyncio.timeout(deadline):
                while (answer := await look()) is None:
                    await asyncio.sleep(0.02)
                return answer
        except TimeoutError:
            raise Overrun(f"{what} did not come within {deadline} s") from None

    async def make(self, kind, name, create, *, owner="", detail=None, outlives_host=False):
        trial, detail = self.trial_id, detail or {}
        resource = Resource(kind=kind, name=name, owner=owner, run=self.run_id, trial=trial, detail=detail)
        self.resources[(kind, name)] = resource
        self.intended.append(resource)
        STARTED.add(trial)
        return await create()

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        return (kind, name) in self.resources

    async def give_back(self, kind: str, name: str) -> None:
        resource = self.resources.pop((kind, name), None)
        if resource is not None and resource.owner.startswith("system:"):
            await object.__new__(type(self.system)).give_back(resource)

    async def create_node(self, spec: NodeSpec) -> Node:
        return await self.provider.create(spec, self)

    async def nodes(self) -> Sequence[Node]:
        nodes: Sequence[Node] = await self.system.nodes(self)
        return nodes

    def link(self, node: Node) -> Shell:
        return self.provider.link(node)

    def deadline(self, what: str) -> float:
        return 20.0


async def until(look, what: str, within: float = 30.0):
    """Ask until the answer is true; fails with the last answer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while not (answer := await look()):
        assert loop.time() < end, f"not within {within} s: {what}"
        await asyncio.sleep(0.02)
    return answer


def settings(factory: type[Any], mapping: Mapping[str, Any]) -> Any:
    """Settings as the loader makes them from a document's mapping."""
    from seatrial.loading.fields import read_instance
    from seatrial.loading.site import Site, Trial

    trial = Trial(Site())
    given = {key: value for key, value in mapping.items() if key != "kind"}
    made = read_instance(factory, given, (), trial)
    assert not trial.problems, trial.problems
    return made
