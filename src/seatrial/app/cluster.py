"""A deployed cluster in Python: its nodes, powers, steps and checks, as coroutines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Generic, TypeVar

from seatrial.app.python_session import Session, result_of
from seatrial.errors import UsageError, nearest
from seatrial.links.output import beginning
from seatrial.model.resource import Node
from seatrial.model.scenario import Location, Outputs
from seatrial.spi import Context, Finished, Link

T = TypeVar("T")

Check = str | Mapping[str, Any]
"""A check as in a document: `"cluster_status"`, or `{"check": "http", "url": …}`."""


class Steps(dict[str, Any]):
    """Something of each step of the document, by its id."""

    def __missing__(self, name: str) -> Any:
        raise UsageError(f"the document has no step {name!r} that ended; {nearest(name, self, what='steps')}")


class Ports(dict[str, int]):
    """The ports of a node, by name."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.ports)
        self._node = node.name

    def __missing__(self, name: str) -> int:
        raise UsageError(f"the node {self._node} has no port {name!r}; {nearest(str(name), self, what='ports')}")


class Call(Coroutine[Any, Any, T], Generic[T]):
    """A call to `await`. The cluster remembers the ones that were not: a check that nobody awaits has not looked."""

    def __init__(self, session: Session, words: str, begin: Callable[[Location], Awaitable[T]]) -> None:
        self._session, self._begin = session, begin
        self._call, self._number = session.called()
        session.forgotten[self._number] = f"{self._call.file}:{self._call.path[1]}: {words}"
        self._inner: Generator[Any, Any, T] | None = None

    def _generator(self) -> Generator[Any, Any, T]:
        if self._inner is None:
            self._session.forgotten.pop(self._number, None)
            self._inner = self._begin(self._call).__await__()
        assert self._inner is not None
        return self._inner

    def __await__(self) -> Generator[Any, Any, T]:
        return (yield from self._generator())

    def send(self, value: Any) -> Any:
        return self._generator().send(value)

    def throw(self, *error: Any) -> Any:
        return self._generator().throw(*error)

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()


class Cluster:
    """A deployed cluster. `cluster["n11"]` is a node, `for node in cluster` goes through all of them.

    Verdicts are exceptions: `failed` is ProductFailed, an AssertionError; `unknown` is CannotTell, no AssertionError; a
    power missing from both provider and system is NotSupported.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<cluster {', '.join(self.names)}>"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(not_of_a_cluster(name, self._session))

    def __getitem__(self, name: str) -> ClusterNode:
        __tracebackhide__ = True
        return ClusterNode(self._session, node_of(self._session, name))

    def __iter__(self) -> Iterator[ClusterNode]:
        return (ClusterNode(self._session, node) for node in self._session.nodes)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self._session.nodes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its nodes."""
        return tuple(node.name for node in self._session.nodes)

    @property
    def run_id(self) -> str:
        """The id for `seatrial inspect`, `seatrial shell` and `seatrial clean`."""
        return self._session.ctx.run_id

    @property
    def folder(self) -> Path:
        """The folder of its logs and artifacts."""
        return self._session.ctx.folder

    @property
    def deploy_dir(self) -> Path:
        """The working folder of the deployer."""
        return self._session.ctx.deploy_dir

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its suite."""
        return self._session.ctx.suite.parameters

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs of the document's steps, by their ids: `cluster.outputs["deploy"]["nodes"]`."""
        steps = self._session.ctx.names()["steps"]
        assert isinstance(steps, Mapping)
        return Steps({name: step["outputs"] for name, step in steps.items()})

    def step(self, kind: str, /, **keys: Any) -> Call[Outputs]:
        """Run any step of a document, with its keys; returns its outputs. For a key that is a word of Python add an
        underscore: `for_`, `if_`."""
        written = {"step": kind, **{key.removesuffix("_"): value for key, value in keys.items()}}
        return Call(self._session, f"step({kind!r}, …)", lambda call: self._session.step(written, call))

    def check(
        self, *checks: Check, within: float | str | None = None, retry: Mapping[str, Any] | None = None
    ) -> Call[Mapping[str, Any]]:  # fmt: skip
        """Observe checks at the same time; returns what each saw, by the check's name. `within`: look until they pass,
        for that long (`30`, `"5m"`); `retry`: as in a document. Without either: look once."""
        __tracebackhide__ = True
        if within is not None and retry is not None:
            raise UsageError("check() takes `within` or `retry`, not both: `within` is `retry={'timeout': …}`")
        again = {"timeout": within} if within is not None else retry
        keys = {"step": "validate", "checks": list(checks), **({"retry": dict(again)} if again is not None else {})}

        async def look(call: Location) -> Mapping[str, Any]:
            seen = (await self._session.step(keys, call))["seen"]
            assert isinstance(seen, Mapping)
            return seen

        return Call(self._session, f"check({', '.join(map(repr, checks))})", look)

    def stop(self) -> Call[Outputs]:
        """Power all nodes off gracefully: the step `stop_cluster`."""
        return self.step("stop_cluster")

    def start(self) -> Call[Outputs]:
        """Power all nodes on, until the state is `running`: the step `start_cluster`."""
        return self.step("start_cluster")


class ClusterNode:
    """One node of a deployed cluster."""

    def __init__(self, session: Session, node: Node) -> None:
        self._session, self._node = session, node

    def __repr__(self) -> str:
        return f"<node {self.name}>"

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        raise AttributeError(not_of_a_node(name))

    @property
    def name(self) -> str:
        """Its name."""
        return self._node.name

    @property
    def address(self) -> str:
        """Its address; empty: unknown."""
        return self._node.address

    @property
    def ports(self) -> Mapping[str, int]:
        """Its ports, by name."""
        return Ports(self._node)

    def run(
        self, *command: str, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Call[Finished]:  # fmt: skip
        """Run a program on the node: its words, or one text for the node's shell. Returns exit code, stdout and stderr,
        whatever the exit code; TimeoutError, LinkDown, LinkRefused, LinkLost."""
        __tracebackhide__ = True
        if not command or not all(isinstance(word, str) for word in command):
            raise UsageError('run() takes words: run("cat", "/etc/hostname"), or a text for a shell: run("ls | wc -l")')
        line = command[0] if len(command) == 1 else list(command)
        finished: list[Finished] = []

        async def act(link: Link, ctx: Context) -> Outputs:
            finished.append(await link.run(line, timeout=timeout, input=input, env=env))
            return result_of(finished[0])

        async def begin(call: Location) -> Finished:
            await self._session.over_link(
                self._node, f"run {beginning(' '.join(command), 200)} on {self.name}", call, act
            )
            return finished[0]

        return Call(self._session, f"run({', '.join(map(repr, command))})", begin)

    def put(self, local: str | PathLike[str], remote: str) -> Call[None]:
        """Copy a file to the node."""

        async def act(link: Link, ctx: Context) -> Outputs:
            await link.put(Path(local), remote)
            return {}

        return self._copy(f"put {remote} on {self.name}", act)

    def get(self, remote: str, local: str | PathLike[str]) -> Call[None]:
        """Copy a file from the node; FileNotFoundError when it does not exist."""

        async def act(link: Link, ctx: Context) -> Outputs:
            await link.get(remote, Path(local))
            return {}

        return self._copy(f"get {remote} from {self.name}", act)

    def _copy(self, what: str, act: Callable[[Link, Context], Awaitable[Outputs]]) -> Call[None]:
        return Call(self._session, what, lambda call: self._session.over_link(self._node, what, call, act))

    def stop(self) -> Call[Outputs]:
        """Power it off gracefully, until it is off: the step `stop_node`."""
        return self._step("stop_node")

    def start(self) -> Call[Outputs]:
        """Power it on, until its link and its service answer: the step `start_node`."""
        return self._step("start_node")

    def crash(self, method: str = "ssh") -> Call[Outputs]:
        """Crash it without warning: the step `crash_node`, `ssh` in the guest or `destroy` by the provider."""
        return self._step("crash_node", method=method)

    def restart(self, method: str = "ssh") -> Call[Outputs]:
        """Restart it, until it has a new boot id and answers: the step `restart_node`, `ssh` or `graceful`."""
        return self._step("restart_node", method=method)

    def _step(self, kind: str, **keys: Any) -> Call[Outputs]:
        written = {"step": kind, "target_node": self.name, **keys}
        words = f"[{self.name!r}].{kind.removesuffix('_node')}()"
        return Call(self._session, words, lambda call: self._session.step(written, call))


def node_of(session: Session, name: str) -> Node:
    """A node by its name; UsageError with the nearest names."""
    __tracebackhide__ = True
    _ = session.ctx
    known = {node.name: node for node in session.nodes}
    if name not in known:
        raise UsageError(f"the cluster has no node {name!r}; {nearest(str(name), known, what='nodes')}")
    return known[name]


def not_of_a_cluster(name: str, session: Session) -> str:
    """Why a cluster lacks a method, and what has it."""
    if hasattr(ClusterNode, name):
        node = session.nodes[0].name if session.nodes else "n11"
        return f"a cluster has no {name!r}, its nodes have it: cluster[{node!r}].{name}"
    return f"a cluster has no {name!r}; {nearest(name, _public(Cluster), what='it has')}"


def not_of_a_node(name: str) -> str:
    """Why a node lacks a method, and what has it."""
    if hasattr(Cluster, name):
        return f"a node has no {name!r}, its cluster has it: cluster.{name}"
    return f"a node has no {name!r}; {nearest(name, _public(ClusterNode), what='it has')}"


def _public(kind: type[object]) -> list[str]:
    return [word for word in vars(kind) if not word.startswith("_")]
