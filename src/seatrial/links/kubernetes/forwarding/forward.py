"""A port of this machine that leads to a port of a pod, whichever pod is right at the moment of the connection.

Each connection has a WebSocket of its own (`v4.channel.k8s.io`), so nothing is left of an earlier pod. The protocol has
no word for "I have no more to say": when a client has closed its side, the pod may still answer for a short time.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from seatrial.errors import CannotTell, LeaseTaken, LinkLost
from seatrial.links.kubernetes.answers import MissingRight, Object
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.kubernetes.forwarding.targets import (
    WATCHED,
    NoTarget,
    Target,
    chosen,
    is_able,
    pods_of,
    port_of,
)
from seatrial.links.kubernetes.watch import Watch
from seatrial.links.output import end
from seatrial.links.process.listeners import listeners

DATA, ERROR = 0, 1
"""Channels of a forwarded port; each begins with the port's number in two bytes."""
HEAD = 2
CLEAN = 1000
"""The code of a WebSocket that was closed in the orderly way."""
PROTOCOL = "v4.channel.k8s.io"

HOLD = 15.0
"""Seconds for which a new connection waits for a target, such as over the restart of an API server."""
AGAIN = 0.2
"""Seconds between two tries for it."""
FRESH = 1.0
"""Seconds between two lists of the objects while a connection waits."""
AFTER_END = 5.0
"""Seconds of silence from the pod after which a connection ends whose client has no more to say."""
HEARTBEAT = 20.0
PIECE = 2**16

State = Mapping[str, object]
"""`why` there is no target now (empty: there is one), its `pod`, `namespace` and `port`."""


class Forward:
    """One local port and its target."""

    def __init__(
        self, cluster: Cluster, target: Target, port: str | int, *, namespace: str = "",
        say: Callable[[str], None], tell: Callable[[State], None] = lambda state: None,
    ) -> None:  # fmt: skip
        """`say` gets lines for people, `tell` each new state."""
        self._cluster, self._target, self._port = cluster, target, port
        self._namespace = namespace or cluster.namespace
        self._say, self._tell = say, tell
        self._watches: dict[str, Watch] = {}
        self._uid = ""
        """The id of the pod for new connections."""
        self._state: State = {}
        self._listed = 0.0
        """When a waiting connection last had the objects listed, by the loop's clock."""
        self._carried: dict[asyncio.Task[None], str] = {}
        """The open connections, and the ids of their pods; empty: it has none yet."""

    async def serve(self, address: str, local: int) -> None:
        """Carry connections until this is cancelled. LeaseTaken when another program listens on the port."""
        try:
            server = await asyncio.start_server(self._accepted, address, local)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotTell(f"port {local} of {address} cannot be used: {error.strerror}") from None
            who = " and ".join(map(str, listeners(local))) or "another program"
            raise LeaseTaken(f"port {local} of {address} is taken by {who}") from None
        async with server:
            try:
                await self._follow()
            finally:
                server.close()
                for task in self._carried:
                    task.cancel("the forward ends")
                await asyncio.gather(*self._carried, return_exceptions=True)

    async def _follow(self) -> None:
        async with self._watching():
            while True:
                before = {name: watch.revision for name, watch in self._watches.items()}
                self._look()
                await self._changed(before)

    # The target

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name in ("v1/Pod", *WATCHED[self._target.kind]):
                kind = await self._kind(name)
                self._watches[kind.name] = await stack.enter_async_context(
                    self._cluster.watching(kind, self._namespace)
                )
            yield

    async def _kind(self, name: str) -> Any:
        while True:
            try:
                return await self._cluster.kind(name)
            except MissingRight:
                raise
            except CannotTell as error:  # away, or so busy that it refuses
                self._change(why=str(error))
                await asyncio.sleep(AGAIN)

    async def _changed(self, before: Mapping[str, int]) -> None:
        waits = [asyncio.create_task(watch.changed(before[name])) for name, watch in self._watches.items()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _look(self) -> None:
        """Choose the pod for new connections, and cut those whose pod is no longer one of the target's."""
        problem = next((watch.problem for watch in self._watches.values() if watch.problem), None)
        if problem is not None:
            self._change(why=str(problem))
            return
        pods: list[Object] = []
        try:
            pods = self._pods()
            pod, port = self._choice(pods)
        except NoTarget as error:
            self._change(why=str(error))
        else:
            self._uid = str(pod["metadata"]["uid"])
            self._change(why="", pod=pod["metadata"]["name"], namespace=self._namespace, port=port)
        members = {str(pod["metadata"]["uid"]) for pod in pods}
        for task, uid in list(self._carried.items()):
            if uid and uid not in members:
                task.cancel(f"its pod is no longer one of {self._target}")

    def _change(self, **state: object) -> None:
        if state == self._state:
            return
        self._state = state
        self._tell(state)
        way = f"new connections go to port {state.get('port')} of the pod {state.get('pod')}"
        self._say(f"no target: {state['why']}" if state["why"] else way)

    def _objects(self) -> dict[str, list[Object]]:
        return {name: list(watch.objects.values()) for name, watch in self._watches.items()}

    def _pods(self) -> list[Object]:
        return pods_of(self._target, self._objects(), self._namespace)

    def _choice(self, pods: list[Object]) -> tuple[Object, int]:
        pod = chosen(self._target, pods, self._namespace, self._uid)
        return pod, port_of(self._target, self._port, pod, self._objects(), self._namespace)

    async def _proven(self) -> tuple[Object, int]:
        """The pod for a new connection, as the API server has it at this moment; NoTarget, ApiAway."""
        if "Pod" not in self._watches or len(self._watches) < 1 + len(WATCHED[self._target.kind]):
            raise NoTarget(str(self._state.get("why") or "the pods are not known yet"))
        pod, port = self._choice(self._pods())
        name, uid = str(pod["metadata"]["name"]), pod["metadata"]["uid"]
        now = await self._cluster.get(self._watches["Pod"].kind, name, self._namespace)
        others = {**self._objects(), "Pod": [now] if now is not None else []}
        if now is None or now["metadata"]["uid"] != uid or not is_able(now):
            raise NoTarget(f"the pod {name} is not what it was")
        if not pods_of(self._target, others, self._namespace):
            raise NoTarget(f"the pod {name} no longer belongs to {self._target}")
        return now, port

    # Connections

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried[task] = ""
        clean = False
        try:
            pod, port = await self._found()
            self._carried[task] = str(pod["metadata"]["uid"])
            clean = await self._carry(str(pod["metadata"]["name"]), port, reader, writer)
        except (CannotTell, TimeoutError) as error:
            self._say(f"a connection was ended: {error}")
        except asyncio.CancelledError as cut:
            self._say(f"a connection was ended: {cut or 'the forward ends'}")
        finally:
            del self._carried[task]
            if not clean:
                _reset(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _found(self) -> tuple[Object, int]:
        clock = asyncio.get_running_loop().time
        until = clock() + HOLD
        while True:
            try:
                return await self._proven()
            except MissingRight:
                raise
            except CannotTell:
                if clock() > until:
                    raise
            if clock() - self._listed >= FRESH:
                self._listed = clock()
                await self._list(until - clock())
            await asyncio.sleep(AGAIN)

    async def _list(self, seconds: float) -> None:
        """A watch whose connection broke without a sign has old objects as long as its silence is borne, and nothing
        shows that but a list."""
        with suppress(CannotTell, TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(watch.confirm() for watch in self._watches.values()))

    async def _carry(self, pod: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Carry one connection; whether it ended in the orderly way."""
        what = f"port-forward to port {port} of the pod {pod}"
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod}/portforward"
        async with self._cluster.wire.socket(
            path, what, query=[("ports", str(port))], protocols=(PROTOCOL,), heartbeat=HEARTBEAT
        ) as way:
            sending = asyncio.create_task(_send(reader, way))
            try:
                refused, code = await _receive(way, writer, sending)
            except _ClientGone:
                return False
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        if refused:
            raise LinkLost(f"{what}: {end(refused, 300)}")
        if code != CLEAN:
            raise LinkLost(f"{what}: the connection was interrupted")
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that its client cannot take a part for the whole."""
    held = writer.get_extra_info("socket")
    with suppress(OSError):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class _ClientGone(Exception):
    """The client of a connection has gone."""


async def _send(reader: asyncio.StreamReader, way: Any) -> None:
    """What the client says, until it has no more to say."""
    with suppress(OSError):
        while data := await reader.read(PIECE):
            await way.send_bytes(bytes([DATA]) + data)


async def _receive(way: Any, writer: asyncio.StreamWriter, sending: asyncio.Task[None]) -> tuple[str, int]:
    """What the pod says, until it ends; the words of a refusal, and the code with which the WebSocket was closed."""
    heads = {DATA: HEAD, ERROR: HEAD}
    refused = bytearray()
    receiving = asyncio.ensure_future(way.receive())
    try:
        while True:
            over = sending.done()
            waits: set[asyncio.Future[Any]] = {receiving} if over else {receiving, sending}
            done, _ = await asyncio.wait(
                waits, timeout=AFTER_END if over else None, return_when=asyncio.FIRST_COMPLETED
            )
            if receiving not in done:
                if over:
                    return "", CLEAN
                continue
            data = receiving.result().data
            if not isinstance(data, bytes):
                # The peer's own code; that of the client library also tells of a farewell that could not be answered.
                return refused.decode(errors="replace").strip(), data if isinstance(data, int) else 0
            receiving = asyncio.ensure_future(way.receive())
            channel, data = data[0] if data else ERROR, data[1:]
            skipped = min(heads.get(channel, 0), len(data))
            if channel in heads:
                heads[channel] -= skipped
            data = data[skipped:]
            if channel == ERROR:
                refused += data
            elif channel == DATA and data:
                await _write(writer, data)
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    try:
        writer.write(data)
        await writer.drain()
    except OSError:
        raise _ClientGone from None
