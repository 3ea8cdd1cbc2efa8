"""One connection to a libvirt daemon, and a quick check for one: it asks the daemon and boots no guest.

libvirt's calls block, so each runs in its own thread with a deadline: a hanging daemon costs an abandoned thread, never
the event loop. Events come from libvirt's own loop in one thread of this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from seatrial.errors import CannotTell, ExtraMissing, SeatrialError, ToolMissing

T = TypeVar("T")

EXTRA = (
    "libvirt-python is not installed; pip builds it on this machine: "
    "apt-get install libvirt-dev pkg-config gcc python3-dev && pip install 'seatrial[libvirt]'"
)
DAEMON = "apt-get install libvirt-daemon-system qemu-system-x86 qemu-utils dnsmasq-base && systemctl start libvirtd"
GROUP = "sudo usermod -aG libvirt $USER, and log in again"

PATIENCE = 10.0
"""Seconds to wait for a call after cancellation, because it cannot be recalled: no object may appear after the cleanup
has looked."""

ACCEPTED = 5.0
"""Seconds for the daemon to accept a connection."""

SYSTEM = "qemu:///system"
SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")

LIFECYCLE = (
    "defined", "undefined", "started", "suspended", "resumed", "stopped", "shutdown", "pmsuspended", "crashed"
)  # fmt: skip
"""libvirt's lifecycle events in the order of their numbers."""

Listener = Callable[[str, str], None]
"""Called on the event loop with a domain's name and the event: a word of LIFECYCLE, `rebooted`, `no space` or `io
error`."""


class Forbidden(CannotTell):
    """The daemon answers, but refuses this user."""


class Gone(CannotTell):
    """The requested object does not exist."""


def library() -> Any:
    """The module `libvirt`; ExtraMissing when it is not installed."""
    try:
        import libvirt
    except ImportError as error:
        raise ExtraMissing(EXTRA) from error
    return libvirt


class Ignoring(contextlib.AbstractContextManager[None]):
    """Suppresses libvirt's errors of these codes: `NO_DOMAIN` stands for VIR_ERR_NO_DOMAIN."""

    def __init__(self, *codes: str) -> None:
        self._codes = codes

    def __exit__(self, _kind: object, error: object, _trace: object) -> bool:
        lib = library()
        return isinstance(error, lib.libvirtError) and error.get_error_code() in _codes(lib, " ".join(self._codes))


_events: list[threading.Thread] = []
_beginning = threading.Lock()


def _begin_events(lib: Any) -> None:
    """libvirt has one event loop per process; it must exist before the first connection."""
    with _beginning:
        if _events:
            return
        lib.registerErrorHandler(lambda _context, _error: None, None)  # it also prints raised errors to stderr
        lib.virEventRegisterDefaultImpl()

        def turn() -> None:
            while True:
                lib.virEventRunDefaultImpl()

        _events.append(threading.Thread(target=turn, name="libvirt events", daemon=True))
        _events[0].start()


class Hypervisor:
    """A connection opened on first use, and again after a restart of the daemon."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._connection: Any = None
        self._opening = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._happened: Counter[str] = Counter()
        self._bell = asyncio.Event()

    async def call(self, what: str, work: Callable[[Any], T], *, timeout: float = 60.0) -> T:
        """Run `work(connection)` in a thread. Raises Gone, Forbidden, ToolMissing, CannotTell (also after `timeout`
        seconds), each with `what`."""
        connection = await self._open()
        try:
            return await threaded(lambda: self._judged(what, lambda: work(connection)), what, timeout)
        except CannotTell:
            if not connection.isAlive():
                self._connection = None
            raise

    def listen(self, listener: Listener) -> None:
        """Send events to this function from now on."""
        self._listeners.append(listener)

    def seen(self, domain: str) -> int:
        """The number of events of this domain so far: read it before looking, for `changed`."""
        return self._happened[domain]

    async def changed(self, domain: str, seen: int, timeout: float) -> None:
        """Return after an event of this domain since `seen` was read, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._happened[domain] == seen:
                    await self._bell.wait()

    async def until(self, domain: str, look: Callable[[Any], T | None], what: str, timeout: float) -> T:
        """Look (in a thread, with the connection) after every event of a domain, and once a second, until there is an
        answer; TimeoutError with `what` after `timeout` seconds."""
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while True:
                    seen = self.seen(domain)
                    if (answer := await self.call(what, look)) is not None:
                        return answer
                    await self.changed(domain, seen, 1.0)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"timed out after {timeout:.4g} s waiting for {what}") from None

    async def close(self) -> None:
        """Close the connection; it is opened again on use."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await threaded(connection.close, "closing the connection to libvirt", PATIENCE)

    async def _open(self) -> Any:
        async with self._opening:
            if self._connection is None:
                lib, loop = library(), asyncio.get_running_loop()
                what = f"connecting to libvirt at {self.uri}"
                connect = functools.partial(self._judged, what, lambda: self._connect(lib, loop))
                self._connection = await threaded(connect, what, 30.0)
            return self._connection

    def _connect(self, lib: Any, loop: asyncio.AbstractEventLoop) -> Any:
        _begin_events(lib)
        connection = lib.open(self.uri)
        with contextlib.suppress(lib.libvirtError):  # the test driver has no connection to keep alive
            connection.setKeepAlive(5, 3)

        def tell(domain: Any, event: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and so have its listeners
                loop.call_soon_threadsafe(self._tell, domain.name(), event)

        def lifecycle(_connection: Any, domain: Any, event: int, _detail: int, _opaque: Any) -> None:
            tell(domain, LIFECYCLE[event] if event < len(LIFECYCLE) else f"event {event}")

        def rebooted(_connection: Any, domain: Any, _opaque: Any) -> None:
            tell(domain, "rebooted")

        def io_error(_connection: Any, domain: Any, *more: Any) -> None:
            tell(domain, "no space" if "enospc" in more else "io error")

        for kind, callback in (("LIFECYCLE", lifecycle), ("REBOOT", rebooted), ("IO_ERROR_REASON", io_error)):
            connection.domainEventRegisterAny(None, getattr(lib, f"VIR_DOMAIN_EVENT_ID_{kind}"), callback, None)
        return connection

    def _tell(self, domain: str, event: str) -> None:
        self._happened[domain] += 1
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()
        for listener in self._listeners:
            listener(domain, event)

    def _judged(self, what: str, work: Callable[[], T]) -> T:
        lib = library()
        try:
            return work()
        except lib.libvirtError as error:
            raise judged(lib, error, what, self.uri) from error


def judged(lib: Any, error: Any, what: str, uri: str) -> CannotTell:
    """The error for an exception of libvirt, with a remedy."""
    code, text = error.get_error_code(), str(error.get_error_message() or error)
    low = text.lower()
    if code in _codes(lib, "NO_DOMAIN NO_NETWORK NO_STORAGE_POOL NO_STORAGE_VOL NO_DOMAIN_SNAPSHOT NO_DOMAIN_METADATA"):
        return Gone(f"{what}: {text}")
    if code in _codes(lib, "AUTH_FAILED AUTH_CANCELLED AUTH_UNAVAILABLE AUTH_DENIED ACCESS_DENIED") or (
        "socket" in low and "permission denied" in low
    ):
        return Forbidden(f"libvirt at {uri} refuses this user ({text}): {GROUP}")
    if "failed to connect socket" in low or code in _codes(lib, "NO_CONNECT"):
        return ToolMissing(f"no libvirt daemon answers at {uri} ({text}): {DAEMON}")
    if "dnsmasq" in low and ("find" in low or "no such file" in low):
        return ToolMissing(f"{what}: {text}: apt-get install dnsmasq-base")
    if "no space left" in low:
        return CannotTell(f"{what}: the disk is full: {text}; free some, or set providers.libvirt.folder elsewhere")
    if "permission denied" in low:
        return CannotTell(f"{what}: {text}; QEMU runs as its own user, and this user needs permission to read the file")
    return CannotTell(f"{what}: libvirt says: {text}")


def _codes(lib: Any, names: str) -> set[int]:
    return {getattr(lib, f"VIR_ERR_{name}", -1) for name in names.split()}


async def threaded(work: Callable[[], T], what: str, timeout: float) -> T:
    """Run it in a daemon thread; CannotTell when it does not end within `timeout` seconds."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # retrieved, even if nobody waits

    def run() -> None:
        try:
            settle = functools.partial(future.set_result, work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            settle = functools.partial(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name=f"libvirt: {what}"[:60], daemon=True).start()
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await asyncio.shield(future)
    except TimeoutError:
        if not limit.expired():
            raise
        raise CannotTell(f"{what}: libvirt did not answer within {timeout:.4g} s") from None
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(future)
        raise


@functools.cache
def why_absent(uri: str = "", *, ours: bool = True) -> str:
    """Why libvirt is unavailable at an address (empty: the usual one); empty: it is available.

    `ours`: Seatrial itself uses it, so the library is needed; otherwise a deployer does, and `virsh` is enough.
    """
    where = uri or SYSTEM
    try:
        library()
    except SeatrialError as error:
        return str(error) if ours else _by_its_socket(where)
    reasons: list[str] = []
    # A hanging daemon costs an abandoned thread.
    thread = threading.Thread(target=lambda: reasons.append(_refused(where)), daemon=True)
    thread.start()
    thread.join(ACCEPTED)
    return reasons[0] if reasons else f"libvirt at {where} did not answer within {ACCEPTED:g} s"


def _by_its_socket(uri: str) -> str:
    if shutil.which("virsh") is None:
        return "neither libvirt-python nor virsh is installed"
    parts = urlsplit(uri)
    sockets = parse_qs(parts.query).get("socket") or (SOCKETS if parts.path == "/system" and not parts.netloc else ())
    if not sockets:
        return ""  # clients start a session's daemon on demand; another host's is not checked from here
    tried = [_refusal(path) for path in sockets]
    return "" if "" in tried else f"no libvirt daemon answers at {uri} ({'; '.join(tried)})"


def _refusal(path: str) -> str:
    if not Path(path).exists():
        return f"no {path}"
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ACCEPTED)
            client.connect(path)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return ""


def _refused(uri: str) -> str:
    """Open and close a connection; returns the reason of a failure, or an empty text. Blocks as long as the daemon
    does."""
    lib = library()
    _begin_events(lib)
    try:
        lib.open(uri).close()  # a read-only connection works even for users without the right to create machines
    except lib.libvirtError as error:
        return str(judged(lib, error, f"connecting to libvirt at {uri}", uri))
    return ""
