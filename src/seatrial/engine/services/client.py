"""The side of a run: it asks the keeper of a service for a lease, and starts a keeper where none lives."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.engine.services import door, health
from seatrial.engine.services.definition import Seen, filled, order
from seatrial.engine.services.home import Home, home_of
from seatrial.engine.services.remains import end_remains
from seatrial.engine.services.running import environment
from seatrial.errors import CannotTell
from seatrial.model.scenario import ServicePlan

BEGINS = 60.0
"""Seconds for a keeper to open its door, and for the end of one beyond the time that it names itself."""

ASKS_AGAIN = 0.02
"""Seconds between two looks at a door that is about to open."""

COMES_BACK, LOOKS_AGAIN = 15.0, 0.1
"""Seconds at the end of a suite for a durable service to be healthy again, and between two looks at it."""

PREPARES = 300.0
"""Seconds for a start beside the service's own limit: images, programs to prepare."""

ANSWERS = 30.0
"""Seconds for the answer to one question."""

TURNS = 20
"""Keepers that may end while a run asks them for a lease."""


class ServiceLease:
    """A run's right to a service: it lives until `close`, or the end of this process."""

    def __init__(self, home: Home, connection: socket.socket, seen: Seen, *, durable: bool, rest: bytes) -> None:
        """`rest`: what the keeper has said already."""
        self.name, self.seen, self.durable = home.name, seen, durable
        self.losses: list[str] = []
        """How the service was lost meanwhile."""
        self.warn: Callable[[str], None] = lambda text: None
        self._home, self._connection = home, connection
        self._rest = rest
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection, self._on_message)

    def _on_message(self) -> None:
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for message in map(json.loads, lines):
            if message["event"] in ("lost", "refused"):
                self._lost(str(message["why"]))
            elif message["event"] == "back":
                self.warn(f"the service {self.name} is healthy again")
        if not data:
            self._loop.remove_reader(self._connection)
            if not self.losses:
                self._lost(f"the keeper of the service {self.name} ended: something killed it")

    def _lost(self, why: str) -> None:
        self.losses.append(why)
        self.warn(why)

    async def doubt(self, *, passed: bool) -> str:
        """Why the service spoils a verdict; empty: it was healthy all the time."""
        answer = await ask(self._home, ask="look")
        end = time.monotonic() + COMES_BACK
        while passed and self.durable and answer is not None and answer["why"] and time.monotonic() < end:
            await asyncio.sleep(LOOKS_AGAIN)  # it is being started again, and nothing that the suite used was in it
            answer = await ask(self._home, ask="look")
        if answer is None and not self.losses:
            self._lost(f"the service {self.name} and its keeper have ended")
        if answer is not None and answer["why"]:
            return f"the service {self.name} is not healthy: {answer['why']}"
        return "" if passed and self.durable and answer is not None else next(iter(self.losses), "")

    async def close(self) -> None:
        """Release it. What a dead keeper left is removed."""
        self._loop.remove_reader(self._connection)
        self._connection.close()
        if self.losses and (lock := self._home.lock("keeper")) >= 0:
            try:
                await end_remains(self._home)
            finally:
                os.close(lock)


class EndpointLease:
    """The use of a server that exists already: there is nobody to ask, so it is looked at."""

    durable = True

    def __init__(self, name: str, look: Callable[[], Any], seen: Seen) -> None:
        self.name, self.seen = name, seen
        self.warn: Callable[[str], None] = lambda text: None
        self._look = look

    async def doubt(self, *, passed: bool) -> str:
        """Why it spoils a verdict: it does not answer now."""
        if passed or not (why := await self._look()):
            return ""
        return f"the service {self.name} is not healthy: {why}"

    async def close(self) -> None:
        """Nothing is left to do."""


Lease = ServiceLease | EndpointLease


async def lease(
    plan: ServicePlan, holder: Mapping[str, object], *, environment: Mapping[str, str], secrets: Mapping[str, str],
    needs: Mapping[str, Seen], hold: bool = False,
) -> Lease:  # fmt: skip
    """A healthy service, started if necessary. CannotTell says why there is none, with the end of its log; `hold`: it
    lives on without any lease."""
    own = {name: seen for name, seen in needs.items() if name in plan.service.needs}
    wanted = order(plan, environment, secrets, own)
    if plan.service.kind == "endpoint":
        return await _endpoint(plan, wanted)
    home = home_of(plan.name)
    home.make()
    hello = {"ask": "lease", "digest": wanted["digest"], "holder": dict(holder), "hold": hold}
    for _ in range(TURNS):
        connection = await _reached(home, wanted)
        try:
            async with asyncio.timeout(plan.service.health.timeout * 2 + PREPARES):
                answer, rest = await _asked(connection, hello, last=("ready", "refused", "replaced"))
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise CannotTell(f"the keeper of the service {plan.name} did not answer") from error
            raise
        if answer is not None and answer["event"] == "ready":
            return ServiceLease(home, connection, answer["service"], durable=plan.service.is_durable, rest=rest)
        connection.close()
        if answer is not None and answer["event"] == "refused":
            raise CannotTell(str(answer["why"]), evidence=str(answer.get("evidence") or ""))
        await asyncio.sleep(ASKS_AGAIN)
    raise CannotTell(f"the keeper of the service {plan.name} ended {TURNS} times; see {home.keeper_log}")


async def _endpoint(plan: ServicePlan, wanted: Mapping[str, Any]) -> EndpointLease:
    service, seen = filled(wanted, port=None, folder="")

    async def look() -> str:
        return await health.unhealthy(
            service.health, seen, foreign=lambda port: None, env={**environment(), **service.env}, cwd=plan.folder,
            folder=plan.folder,
        )  # fmt: skip

    clock = asyncio.get_running_loop().time
    until = clock() + service.health.timeout
    while why := await look():
        if clock() > until:
            limit = f"{service.health.timeout:g} s"
            raise CannotTell(
                f"the service {plan.name} was not healthy within {limit}: {why}; Seatrial does not start it"
            )
        await asyncio.sleep(min(1.0, ASKS_AGAIN * 10))
    return EndpointLease(plan.name, look, seen)


async def ask(home: Home, **message: object) -> Mapping[str, Any] | None:
    """One question to the keeper of a service; None when there is no keeper."""
    connection = door.connect(home.folder) if home.folder.is_dir() else None
    if connection is None:
        return None
    with connection:
        try:
            async with asyncio.timeout(ANSWERS):
                return (await _asked(connection, message, last=("status", "look", "log")))[0]
        except TimeoutError as error:
            raise CannotTell(f"the keeper of the service {home.name} did not answer within {ANSWERS:g} s") from error


async def stop(home: Home, *, force: bool = False) -> str:
    """Stop a service and wait for its end; returns why it was not stopped. CannotTell when it does not end."""
    connection = door.connect(home.folder) if home.folder.is_dir() else None
    if connection is None:
        return "it does not run"
    with connection:
        patience = _Patience(home)
        try:
            async with asyncio.timeout(BEGINS):
                answer, _ = await _asked(connection, {"ask": "stop", "force": force}, last=("refused", "stopping"))
        except TimeoutError as error:
            raise CannotTell(f"the keeper of the service {home.name} did not answer within {BEGINS:g} s") from error
        if answer is not None and answer["event"] == "refused":
            return str(answer["why"])
        while home.kept:
            if patience.over:
                raise CannotTell(f"the service {home.name} did not end within {patience}")
            await asyncio.sleep(ASKS_AGAIN)
    return str(home.read().get("why") or "")


async def hold(name: str, *, by: str) -> socket.socket:
    """A lease of a service that runs, for another service; it ends with the connection. CannotTell when it is gone."""
    connection = door.connect(home_of(name).folder) if home_of(name).folder.is_dir() else None
    if connection is None:
        raise CannotTell(f"the service {name}, which it needs, has ended")
    try:
        hello = {"ask": "lease", "holder": {"service": by, "pid": os.getpid()}}
        async with asyncio.timeout(BEGINS):
            answer, _ = await _asked(connection, hello, last=("ready", "refused", "replaced"))
    except BaseException as error:
        connection.close()
        if isinstance(error, TimeoutError):
            raise CannotTell(f"the keeper of the service {name}, which it needs, did not answer") from error
        raise
    if answer is None or answer["event"] != "ready":
        connection.close()
        why = answer["why"] if answer is not None and answer["event"] == "refused" else "it is ending"
        raise CannotTell(f"the service {name}, which it needs, cannot be used: {why}")
    return connection


class _Patience:
    """The time that a keeper has to begin or to end: an earlier one names how long its end may take."""

    def __init__(self, home: Home) -> None:
        self._home, self._begun = home, time.monotonic()

    @property
    def over(self) -> bool:
        return time.monotonic() > self._begun + BEGINS and time.time() > self._named + BEGINS

    @property
    def _named(self) -> float:
        return float(self._home.read().get("ends_by") or 0.0)

    def __str__(self) -> str:
        return f"{time.monotonic() - self._begun:.0f} s"


async def _asked(
    connection: socket.socket, message: Mapping[str, object], *, last: tuple[str, ...]
) -> tuple[Mapping[str, Any] | None, bytes]:
    """Send a message and wait for one of these answers, with the bytes after it; None when the keeper ends before."""
    loop = asyncio.get_running_loop()
    data = b""
    try:
        await loop.sock_sendall(connection, json.dumps(message).encode() + b"\n")
        while True:
            while b"\n" in data:
                line, _, data = data.partition(b"\n")
                if (answer := json.loads(line))["event"] in last:
                    return answer, data
            part = await loop.sock_recv(connection, 65536)
            if not part:
                return None, b""
            data += part
    except OSError:
        return None, b""


async def _reached(home: Home, wanted: Mapping[str, Any]) -> socket.socket:
    """A connection to the keeper; the first to ask starts one, all others wait for it."""
    patience = _Patience(home)
    while not patience.over:
        if (connection := door.connect(home.folder)) is not None:
            return connection
        starting = home.lock("start")
        if starting < 0:
            await asyncio.sleep(ASKS_AGAIN)
            continue
        try:
            if (connection := door.connect(home.folder)) is not None:
                return connection
            return await _started(home, wanted, patience)
        finally:
            os.close(starting)
    raise CannotTell(f"another run did not start the service {home.name} within {patience}")


async def _started(home: Home, wanted: Mapping[str, Any], patience: _Patience) -> socket.socket:
    """Start a keeper, and wait for its door."""
    log = os.open(home.keeper_log, os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_CLOEXEC, 0o600)
    argv = [sys.executable, "-P", "-m", "seatrial.engine.services.keeper", home.name]
    try:
        keeper = subprocess.Popen(  # noqa: ASYNC220  it outlives this loop: none of its processes
            argv, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=environment()
        )
    finally:
        os.close(log)
    assert keeper.stdin is not None
    with keeper.stdin:
        keeper.stdin.write(json.dumps(wanted).encode())
    while not patience.over:
        if (connection := door.connect(home.folder)) is not None:
            keeper.returncode = 0  # it is nobody's to wait for
            return connection
        if (code := keeper.poll()) is not None:
            said = home.keeper_log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise CannotTell(f"the keeper of the service {home.name} ended with exit code {code}: {said}")
        await asyncio.sleep(ASKS_AGAIN)
    raise CannotTell(f"the keeper of the service {home.name} did not begin within {patience}")
