"""One running suite: the shared, changing state of its steps."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seatrial.engine import poll as polling
from seatrial.engine.cleanup import Owners, Sweep
from seatrial.engine.cluster_pool import Pool
from seatrial.engine.ids import fitted
from seatrial.engine.journal import Journal
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Ledger
from seatrial.engine.output_log import OutputLog
from seatrial.model.record import record
from seatrial.model.resource import Node
from seatrial.model.result import Outcome
from seatrial.model.scenario import Location, Suite
from seatrial.registry import Registry
from seatrial.spi import Auditor, Link, Provider, SetsPace, System
from seatrial.spi.context import Closes

if TYPE_CHECKING:
    from seatrial.engine.services.client import Lease

LONGEST = 24 * 3600.0
"""Assumed maximum duration of a suite without a timeout, in seconds, for the expiry of its resources."""


ADDRESSES = ("url", "address", "port")
"""Of a shared service, in the environment of every command."""

Construct = Callable[[type[Any], Mapping[str, Any], Callable[[Any], Any]], Any]
"""Creates a step or check from its fields: fills in expressions and validates types. Given by the application, since
the engine does not read documents."""


Answer = Literal["again", "continue", "end"]
"""After a pause: run the step once more, go on behind it, or clean up."""


class Pause(Protocol):
    """A person looks at a system with a step that did not pass."""

    async def __call__(self, suite: str, step: str, error: str, nodes: Mapping[str, str]) -> Answer:
        """`step` in words; `nodes`: the commands of a shell on each."""


@record(kw_only=True)
class Run:
    """The shared state of all trials of one invocation."""

    id: str
    folder: Path
    project: Path
    journal: Journal
    ledger: Ledger
    leases: Leases
    owners: Owners
    registry: Registry
    construct: Construct
    names: Mapping[str, str] = field(default_factory=dict)
    """Name patterns of the project."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Label patterns of the project, by the label's name."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    trials: Sequence[Trial] = ()
    """All trials of the run."""
    connections: dict[Hashable, asyncio.Future[Closes]] = field(default_factory=dict)
    """Connections of all trials."""
    pool: Pool = field(default_factory=Pool)
    """The clusters shared by several suites."""
    keep: str = "never"
    """never, failed or always."""
    keep_seconds: float = 4 * 3600.0
    pause: Pause | None = None
    """Asks a person after a step that did not pass; None: nobody is asked."""
    hurried: bool = False
    """A second Ctrl-C came: clean up quickly."""
    locate: Callable[[Location], int] = lambda source: 0
    """The line of a step in its document, for failures."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def holder(self, trial: str) -> dict[str, object]:
        """The holder of a lease, as text."""
        host = os.uname().nodename
        return {"run": self.id, "trial": trial, "pid": os.getpid(), "host": host, "project": str(self.project)}

    async def close(self) -> None:
        """Close the connections of the whole run."""
        opening = list(self.connections.values())
        self.connections.clear()
        await asyncio.gather(*map(closed, opening), return_exceptions=True)

    def sweep(self, say: Callable[..., None]) -> Sweep:
        """A sweep with its events to `say`; a second Ctrl-C makes it quick."""
        return Sweep(say, lambda: self.hurried)


@record
class Command:
    """A step with a program of the document's author."""

    step: str
    """Its path."""
    kind: str
    start: float
    """Seconds since 1970."""
    end: float = math.inf


class Trial:
    """A suite, its provider and system, and the results of its steps so far."""

    def __init__(self, run: Run, suite: Suite, id: str, *, deployment_id: str = "", home: Path | None = None) -> None:
        """`deployment_id` and `home`, the folder with its deployment and its state: those of a kept cluster."""
        self.run = run
        self.suite = suite
        self.id = id
        self.deployment_id = deployment_id or f"{suite.test_id}-{id}"
        self.folder = run.folder / _folder_name(self.deployment_id)
        self.deploy_dir = (home or self.folder) / "deployment"
        self.state_folder = (home or self.folder) / "state"
        self.random = random.Random(id)
        self.start = time.time()
        """Seconds since 1970."""
        self.outputs: dict[str, dict[str, object]] = {}
        """Outputs of steps by id."""
        self.variables: dict[str, object] = dict(suite.vars)
        self.services: dict[str, Lease] = {}
        """The leases of its shared services, by name."""
        self.links: dict[tuple[object, ...], Link] = {}
        self.rests: Callable[[int], None] = lambda change: None
        """Tells the scheduler that it begins (1) or stops (-1) to wait for what ends by itself."""
        self.kept: dict[Hashable, asyncio.Future[Closes]] = {}
        """Other connections."""
        self.auditors: dict[Hashable, Auditor] = {}
        """What looks for contamination at its end."""
        self.commands: list[Command] = []
        """The commands of its document, as they ran."""
        self.node_names: dict[str, object] = {}
        """The nodes as seen by expressions."""
        self.was_up = False
        """Whether the service was seen to answer."""
        self.made_something = False
        self.swept = False
        """Its sweep has begun: nothing is made for it any more."""
        self.decided = False
        """Whether a measurement passed that decides."""
        self.missed: Outcome | None = None
        """The first outcome that a person went past in a pause: the verdict, whatever comes after it."""
        self.ended = False
        """A person ended it in a pause: nobody is asked again."""
        self.did_something = False
        """Whether any step has begun, other than groups of steps."""

    @cached_property
    def provider(self) -> Provider:
        """Created at the start of the trial: a failure ends this trial, not the run."""
        made: Provider = self.run.registry.get("provider", self.suite.provider)(self.suite.provider_settings)
        return made

    @cached_property
    def system(self) -> System:
        """Created at the start of the trial, like the provider."""
        made: System = self.suite.system.factory(self.suite.system.settings, self.suite.system.folder)
        return made

    @contextmanager
    def resting(self) -> Iterator[None]:
        """See spi.Context."""
        self.rests(1)
        try:
            yield
        finally:
            self.rests(-1)

    @cached_property
    def pace(self) -> polling.Pace:
        """The pauses between looks at the system."""
        return self.system.pace if isinstance(self.system, SetsPace) else polling.ADAPTIVE

    def make(self) -> None:
        """Create provider and system, or raise the reason."""
        _ = self.provider, self.system

    def emit(self, kind: str, /, **data: object) -> None:
        """An event of this trial."""
        self.run.journal.emit(kind, self.id, data)

    @cached_property
    def output_log(self) -> OutputLog:
        """The output of the trial's commands."""
        return OutputLog(self.folder, self.id, self.run.journal)

    def knows(self, node: Node, trial: str = "") -> None:
        """Show this node to expressions from now on; `trial`: its deployer, if another trial."""
        seen = {"name": node.name, "address": node.address, "ports": dict(node.ports), "trial": trial or self.id}
        self.node_names[node.name] = seen

    async def forget_link(self, node: Node) -> None:
        """Close the connections to a node before its removal or replacement."""
        for key in [key for key in self.links if key[0] == node.name]:
            await self.links.pop(key).close()

    async def close_links(self) -> None:
        """Close every connection of the trial."""
        links = list(self.links.values())
        self.links.clear()
        kept = list(self.kept.values())
        self.kept.clear()
        await asyncio.gather(*(link.close() for link in links), *map(closed, kept), return_exceptions=True)

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """Environment variables of every process of the trial."""
        flow, patterns = self.suite.name, self.run.names
        namespace = fitted(patterns.get("flow", "run-e2e-{flow}-{id}"), flow=flow, id=self.id)
        controller = fitted(patterns.get("controller", "run-e2e-controller-{id}"), flow=flow, id=self.id)
        given = self.run.environment
        return {
            "E2E_RUN_ID": self.id,
            "E2E_TEST_NAMESPACE": namespace,
            "E2E_CONTROLLER_NAMESPACE": controller,
            "E2E_GITEA_API_URL": given.get("E2E_GITEA_API_URL", "http://localhost:13000/api/v1"),
            "SEATRIAL_RUN_ID": self.run.id,
            "SEATRIAL_PROJECT": str(self.run.project),
            "SEATRIAL_TRIAL_ID": self.id,
            "SEATRIAL_SUITE": self.suite.name,
            "SEATRIAL_PROVIDER": self.suite.named_provider,
            "SEATRIAL_DEPLOYMENT_ID": self.deployment_id,
        }

    @property
    def service_names(self) -> dict[str, object]:
        """The shared services as seen by expressions."""
        return {name: lease.seen for name, lease in self.services.items()}

    @property
    def service_environment(self) -> dict[str, str]:
        """Environment variables with the addresses of the shared services."""
        made: dict[str, str] = {}
        for name, lease in self.services.items():
            prefix = f"SEATRIAL_SERVICE_{name.upper().replace('-', '_')}"
            made |= {f"{prefix}_{key.upper()}": str(lease.seen[key] or "") for key in ADDRESSES}
            if lease.seen["namespace"]:
                made[f"{prefix}_NAMESPACE"] = str(lease.seen["namespace"])
        if "gitea" in self.services:
            made["E2E_GITEA_API_URL"] = f"{str(self.services['gitea'].seen['url']).rstrip('/')}/api/v1"
        return made

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Labels for all resources of the trial, where labels are possible."""
        # A label cannot be changed: a kept resource, or a cluster reused by other suites, must not expire too early.
        alone = self.suite.reuse == "none"
        until = time.time() + ((self.suite.timeout if alone else None) or LONGEST) + self.run.keep_seconds
        patterns = self.run.labels
        return {
            "seatrial.run": self.run.id,
            "seatrial.trial": self.id,
            "seatrial.project": str(self.run.project),
            "seatrial.expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)),
            **{name: fitted(pattern, flow=self.suite.name, id=self.id) for name, pattern in patterns.items()},
        }


async def closed(opening: asyncio.Future[Closes]) -> None:
    """Close a connection, also one that is being opened."""
    await (await opening).close()


def _folder_name(text: str) -> str:
    plain = "".join(c if c.isalnum() or c in "-_.=" else "_" for c in text)
    return plain if len(plain) <= 200 else plain[:120] + plain[-80:]
