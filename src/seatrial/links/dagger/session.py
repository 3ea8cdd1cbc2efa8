"""One session with a Dagger engine: opened once in a run, shared by its checks, and ended with it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process
from seatrial.links.dagger import CLI, HOST, PORT, STARTERS, release, sdk_version
from seatrial.links.dagger.telemetry import Telemetry
from seatrial.links.output import end
from seatrial.links.process.supervision import Supervisor
from seatrial.spi import Finished

OPENS = 120.0
"""Seconds for a session to open: an engine may have to be downloaded and started."""

CLOSES = 20.0
"""Seconds for the command line to end after its input was closed; then it is killed."""

GONE = 1.0
"""The same when a request was interrupted, or nobody answers at the engine's address: its command line would wait for
it in vain."""

ANSWERS = 30.0
"""Seconds for an engine's address to take a connection."""

ENDS = 3.0
"""Seconds for the end of the command line to be known after a request was interrupted."""


class Session:
    """A connection to an engine. The engine ends everything of a session when its command line ends, also when
    Seatrial is killed: then its input closes."""

    def __init__(self, folder: Path, environment: Mapping[str, str], under: Supervisor | None = None) -> None:
        self._folder, self._environment, self._under = folder, environment, under
        self._closing = asyncio.Event()
        self._running: asyncio.Task[Finished] | None = None
        self._connection: Any = None
        self._said = bytearray()
        self._interrupted = False
        self.telemetry = Telemetry()
        self.client: Any = None
        """The SDK's client."""
        self.version = ""
        """The version of the engine."""
        self.loading = asyncio.Lock()
        self.modules: dict[str, Any] = {}
        """The loaded modules, by folder and digest; `loading` guards them."""

    async def open(self) -> None:
        """Connect; ExtraMissing, ToolMissing with all that was tried, CannotTell when versions do not fit."""
        sdk = sdk_version()
        if why := await _nothing_listens(os.environ.get(HOST, "")):
            raise self._absent(why)
        try:
            async with asyncio.timeout(OPENS):
                port, token = await self._parameters()
                await self._connect(port, token)
        except TimeoutError:
            raise self._absent(f"no answer within {OPENS:g} s") from None
        if release(self.version) != release(sdk):
            both = f"Dagger's SDK {sdk} and its engine {self.version}"
            raise CannotTell(f"{both} do not fit: they must be of the same release. {_remedy(sdk)}")

    async def close(self) -> None:
        """End it, and with it everything that the engine holds for it; never raises."""
        if self._connection is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._connection.close(), 5)
        self._closing.set()
        if self._running is not None:
            gone = self._interrupted or await _nothing_listens(os.environ.get(HOST, ""), ENDS)
            await asyncio.wait([self._running], timeout=GONE if gone else CLOSES)
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.telemetry.close()

    async def schema(self) -> Any:
        """The engine's types, with those of the modules loaded so far."""
        connected = await self._connection.session.get_session()
        await connected.fetch_schema()
        schema, connected.client.schema = connected.client.schema, None  # with it, each query would be checked here
        return schema

    async def lost(self, error: Exception) -> str:
        """Whether a request failed because the session is over, in words; empty: it is not."""
        import dagger

        if isinstance(error, dagger.TransportError):
            self._interrupted = True
            if why := await _nothing_listens(os.environ.get(HOST, ""), ENDS):
                return why
            if self._running is not None:  # the request may fail before the program's end is known
                await asyncio.wait([self._running], timeout=ENDS)
        if self._running is None or not self._running.done():
            return ""
        last = self._last()
        return "Dagger's session ended" + (f": {last}" if last else "")

    async def _parameters(self) -> tuple[int, str]:
        """The address of the session: of the `dagger run` around this process, or of a new one."""
        if os.environ.get(PORT):
            return int(os.environ[PORT]), os.environ.get("DAGGER_SESSION_TOKEN", "")
        argv = [await self._program(), "session", "--label", "dagger.io/sdk.name:python",
                "--label", f"dagger.io/sdk.version:{sdk_version()}"]  # fmt: skip
        told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def output(lines: bytes) -> None:
            for line in lines.splitlines(keepends=True):
                if not told.done() and line.startswith(b'{"port"'):
                    told.set_result(json.loads(line))
                else:
                    self._said += line
            del self._said[:-4096]

        environment = {**os.environ, **self._environment, **await self.telemetry.open(), "DAGGER_NO_NAG": "1"}
        self._running = asyncio.create_task(
            process.run(argv, cwd=self._folder, env=environment, input="\n", started=self._until_closed,
                        output=output, under=self._under)
        )  # fmt: skip
        futures: set[asyncio.Future[Any]] = {told, self._running}
        # The SDK takes a second to import: meanwhile its command line connects to the engine.
        await asyncio.to_thread(import_module, "dagger")
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            done = self._running.result()  # raises why it did not start
            raise self._absent(self._last() or done.ended)
        return int(told.result()["port"]), str(told.result()["session_token"])

    async def _until_closed(self, pid: int) -> None:
        """Until `close`, or the end of the program: only then it gets its input, and the end of it."""
        pidfd = os.pidfd_open(pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, self._closing.set)
        try:
            await self._closing.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)

    async def _connect(self, port: int, token: str) -> None:
        import dagger
        from dagger.client._config import ConnectConfig
        from dagger.client._session import ConnectParams, SingleConnection

        from seatrial.links.dagger.queries import Query

        # Without the SDK's retries: a command must not run twice because an engine died.
        config = ConnectConfig(timeout=dagger.Timeout.default(), retry=None)
        try:
            connection = SingleConnection(ConnectParams(port=port, session_token=token), config)
            transport: Any = connection.session.client
            transport.fetch_schema_from_transport = False
            self._connection = await connection.connect()
            self.client = dagger.Client(Query(conn=self._connection))
            self.version = str(await self.client.version()).removeprefix("v")
        except dagger.DaggerError as error:
            raise self._absent(str(error)) from error

    async def _program(self) -> str:
        """Dagger's command line: named, on the PATH, or downloaded by the SDK."""
        named = os.environ.get(CLI, "")
        if program := shutil.which(named or "dagger"):
            return program
        if named:
            raise ToolMissing(f"{CLI} names {named!r}, which is not a program")
        import dagger
        from dagger.provisioning._download import Downloader

        try:
            return str(await Downloader())
        except dagger.DaggerError as error:
            raise self._absent(f"`dagger` is not on the PATH; {error}") from error

    def _last(self) -> str:
        """The last line with text of the command line."""
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines()]
        return end(next((line for line in reversed(lines) if line and not line.startswith("[traceparent:")), ""), 300)

    def _absent(self, why: str) -> CannotTell:
        sdk = sdk_version()
        if "incompatible" in why:
            return CannotTell(f"Dagger's SDK {sdk} and its engine do not fit: {end(why, 200)}; {_remedy(sdk)}")
        text = f"no Dagger engine: {end(why, 160)}; tried {', '.join(tried(os.environ))}. {_remedy(sdk)}"
        return ToolMissing(text, evidence=self._said.decode(errors="replace") or why)


async def _nothing_listens(address: str, patience: float = ANSWERS) -> str:
    """Why nobody listens at an engine's address, at once: Dagger's command line would try for minutes. Empty: somebody
    listens, or the address is of another kind."""
    kind, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    try:
        async with asyncio.timeout(patience):
            if kind == "unix":
                _, writer = await asyncio.open_unix_connection(place)
            elif kind == "tcp":
                _, writer = await asyncio.open_connection(host.strip("[]"), port)
            else:
                return ""
    except (OSError, ValueError, TimeoutError) as error:
        return f"nothing answers at {address}: {getattr(error, 'strerror', '') or error or 'timeout'}"
    writer.close()
    return ""


def tried(environment: Mapping[str, str]) -> list[str]:
    """The places where an engine is looked for, each with its content."""
    found = [f"{name}={environment[name]}" if environment.get(name) else f"{name} (not set)" for name in (PORT, HOST)]
    if environment.get(HOST):
        return found
    starters = [name for name in STARTERS if shutil.which(name)]
    return [*found, " and ".join(starters) or f"a program to start one ({', '.join(STARTERS)}: none)"]


def _remedy(sdk: str) -> str:
    return f"Start Docker or Podman and Dagger starts its engine itself, or name an engine {sdk} in {HOST}"
