"""A deployed cluster for plain functions: the run and its loop are in one thread, and each call waits for its end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from os import PathLike
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from seatrial.app.cluster import Check, Cluster, ClusterNode, not_of_a_cluster, not_of_a_node
from seatrial.app.python_session import GONE
from seatrial.errors import SeatrialError, UsageError
from seatrial.model.scenario import Outputs
from seatrial.spi import Finished

T = TypeVar("T")


class Blocking:
    """The thread of one deployment."""

    def __init__(self, deployed: AbstractAsyncContextManager[Cluster]) -> None:
        self._deployed = deployed
        self._begun: Future[Cluster] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="seatrial", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._over: asyncio.Future[BaseException | None] | None = None
        self._signals = _Signals()

    # The caller's side

    def enter(self) -> BlockingCluster:
        """Deploy; on Ctrl-C clean up first."""
        __tracebackhide__ = True
        self._signals.take()
        self._thread.start()
        try:
            cluster = self._wait(self._begun)
        except BaseException:
            self._end(cancel=True)
            raise
        return BlockingCluster(self, cluster)

    def leave(self, error: BaseException | None) -> None:
        """End the block with its error and wait for the clean-up; raises what came out of it."""
        __tracebackhide__ = True
        self._end(cancel=isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit), error=error)
        raised = self._ended.exception()
        if raised is not None and raised is not error and not isinstance(raised, asyncio.CancelledError):
            raise _without_our_frames(raised) from error

    def call(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a call, which runs in the thread; on Ctrl-C it is cancelled and waited for."""
        __tracebackhide__ = True
        if self._ended.done() or self._loop is None:
            raise self._ended.exception() or UsageError(GONE)
        future = asyncio.run_coroutine_threadsafe(begin(), self._loop)
        try:
            return self._wait(future)
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _wait(self, future: Future[T]) -> T:
        __tracebackhide__ = True
        try:
            return future.result()
        except SeatrialError as error:
            raise _without_our_frames(error) from None

    def _end(self, *, cancel: bool, error: BaseException | None = None) -> None:
        """Wait for the thread's end through any number of interruptions: its own waits are bounded."""
        interrupted: KeyboardInterrupt | None = None
        while True:
            try:
                if self._loop is not None and not self._ended.done():
                    with suppress(RuntimeError):  # it has just ended
                        self._loop.call_soon_threadsafe(self._finish, cancel or interrupted is not None, error)
                self._thread.join()
                break
            except KeyboardInterrupt as another:
                interrupted = another
        self._signals.give_back()
        if interrupted is not None and not isinstance(error, KeyboardInterrupt):
            raise interrupted

    # The thread's side

    def _work(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._hold())
        except BaseException as error:  # noqa: BLE001  whatever it was, the caller gets it
            if not self._begun.done():
                self._begun.set_exception(error)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _hold(self) -> None:
        self._task = asyncio.current_task()
        self._over = asyncio.get_running_loop().create_future()
        async with self._deployed as cluster:
            self._begun.set_result(cluster)
            error = await self._over
            if error is not None:
                raise error

    def _finish(self, cancel: bool, error: BaseException | None) -> None:
        if cancel and self._task is not None:
            self._task.cancel()
        elif self._over is not None and not self._over.done():
            self._over.set_result(error)


class BlockingCluster:
    """A deployed cluster: as `Cluster`, and each call returns when it is done."""

    def __init__(self, thread: Blocking, cluster: Cluster) -> None:
        self._thread, self._cluster = thread, cluster

    def __repr__(self) -> str:
        return repr(self._cluster)

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        raise AttributeError(not_of_a_cluster(name, self._cluster._session))

    def __getitem__(self, name: str) -> BlockingNode:
        __tracebackhide__ = True
        return BlockingNode(self._thread, self._cluster[name])

    def __iter__(self) -> Iterator[BlockingNode]:
        return (BlockingNode(self._thread, node) for node in self._cluster)

    def __contains__(self, name: object) -> bool:
        return name in self._cluster

    def __len__(self) -> int:
        return len(self._cluster)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its nodes."""
        return self._cluster.names

    @property
    def run_id(self) -> str:
        """The id for `seatrial inspect`, `seatrial shell` and `seatrial clean`."""
        return self._cluster.run_id

    @property
    def folder(self) -> Path:
        """The folder of its logs and artifacts."""
        return self._cluster.folder

    @property
    def deploy_dir(self) -> Path:
        """The working folder of the deployer."""
        return self._cluster.deploy_dir

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its suite."""
        return self._cluster.parameters

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs of the document's steps, by their ids."""
        return self._cluster.outputs

    def step(self, kind: str, /, **keys: Any) -> Outputs:
        """Run any step of a document, with its keys; returns its outputs."""
        __tracebackhide__ = True
        call = self._cluster.step(kind, **keys)
        return self._thread.call(lambda: call)

    def check(
        self, *checks: Check, within: float | str | None = None, retry: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:  # fmt: skip
        """Observe checks at the same time, for at most `within`; returns what each saw, by the check's name."""
        __tracebackhide__ = True
        call = self._cluster.check(*checks, within=within, retry=retry)
        return self._thread.call(lambda: call)

    def stop(self) -> Outputs:
        """Power all nodes off gracefully."""
        __tracebackhide__ = True
        call = self._cluster.stop()
        return self._thread.call(lambda: call)

    def start(self) -> Outputs:
        """Power all nodes on, until the state is `running`."""
        __tracebackhide__ = True
        call = self._cluster.start()
        return self._thread.call(lambda: call)


class BlockingNode:
    """One node of a deployed cluster: as `ClusterNode`, and each call returns when it is done."""

    def __init__(self, thread: Blocking, node: ClusterNode) -> None:
        self._thread, self._node = thread, node

    def __repr__(self) -> str:
        return repr(self._node)

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
        return self._node.ports

    def run(
        self, *command: str, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:  # fmt: skip
        """Run a program on the node: its words, or one text for the node's shell."""
        __tracebackhide__ = True
        call = self._node.run(*command, timeout=timeout, input=input, env=env)
        return self._thread.call(lambda: call)

    def put(self, local: str | PathLike[str], remote: str) -> None:
        """Copy a file to the node."""
        __tracebackhide__ = True
        call = self._node.put(local, remote)
        return self._thread.call(lambda: call)

    def get(self, remote: str, local: str | PathLike[str]) -> None:
        """Copy a file from the node; FileNotFoundError when it does not exist."""
        __tracebackhide__ = True
        call = self._node.get(remote, local)
        return self._thread.call(lambda: call)

    def stop(self) -> Outputs:
        """Power it off gracefully, until it is off."""
        __tracebackhide__ = True
        call = self._node.stop()
        return self._thread.call(lambda: call)

    def start(self) -> Outputs:
        """Power it on, until its link and its service answer."""
        __tracebackhide__ = True
        call = self._node.start()
        return self._thread.call(lambda: call)

    def crash(self, method: str = "ssh") -> Outputs:
        """Crash it without warning, `ssh` in the guest or `destroy` by the provider."""
        __tracebackhide__ = True
        call = self._node.crash(method)
        return self._thread.call(lambda: call)

    def restart(self, method: str = "ssh") -> Outputs:
        """Restart it, until it has a new boot id and answers."""
        __tracebackhide__ = True
        call = self._node.restart(method)
        return self._thread.call(lambda: call)


class _Signals:
    """SIGTERM and SIGHUP interrupt the caller as Ctrl-C does, while anything is deployed: their default is to end the
    process at once, with everything left. Handlers of the caller's own stay."""

    _held: dict[int, int] = {}  # noqa: RUF012  a process has one handler for each signal
    _mine: tuple[int, ...] = ()

    def take(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _interrupt)
            if signal.getsignal(number) is _interrupt:
                self._held[number] = self._held.get(number, 0) + 1
                self._mine += (number,)

    def give_back(self) -> None:
        for number in self._mine:
            self._held[number] -= 1
            if not self._held[number] and signal.getsignal(number) is _interrupt:
                signal.signal(number, signal.SIG_DFL)
        self._mine = ()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _without_our_frames(error: BaseException) -> BaseException:
    """The traceback in the thread says nothing about the caller's code."""
    return error.with_traceback(None)
