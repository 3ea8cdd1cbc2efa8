"""The node's first process: it runs services, answers SSH and the host, reaps, and obeys the node's power commands."""

import asyncio
import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from seatrial.links.paths import write_whole
from seatrial.providers.local import shims
from seatrial.providers.local.services import Children, Services
from seatrial.providers.local.sshd import SshListener, serve

# How the guest ends, as exit codes for the box.
SHUTDOWN, POWEROFF, REBOOT, CRASH, CUT = 0, 10, 11, 12, 13
BROKEN = 20

# Variables a node inherits from its maker's environment; the rest is in machine.json.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL")

# An answer to the power command must reach its client before the node goes down.
_GOODBYE = 0.02
_ANSWERS_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to `seatrial-init`."""

    code: int = 0
    out: str = ""
    error: str = ""


class Guest:
    """One boot of one node."""

    def __init__(self, folder: Path, machine: Mapping[str, Any], boot_id: str, *, confined: bool) -> None:
        self._folder = folder
        self._machine = machine
        self._boot_id = boot_id
        self._confined = confined
        self._booted = time.monotonic()
        self.environment = self._make_environment()
        self._children = Children()
        self._services = Services(folder, self._children, self.environment)
        self._going: asyncio.Future[int] | None = None

    async def run(self, block: set[signal.Signals]) -> int:
        """Boot, live, go down in order; the result as an exit code for the box."""
        loop = asyncio.get_running_loop()
        self._going = loop.create_future()
        os.chdir(self._folder / "home")
        self._obey_signals(loop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, block)
        trigger = self._watch_sysrq(loop)
        door = await serve(self._door())
        asker = await self._answer_programs()
        self._services.start_all()
        # Tell the provider that this very boot listens: the port could belong to another process.
        write_whole(self._folder / "run/ready", self._boot_id)
        ending = await self._going
        asker.close()
        await self._services.stop_all()
        door.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE * 10):
                await door.wait_closed()
        loop.remove_reader(trigger)
        return ending

    def end(self, how: int) -> None:
        """Begin to go down in order; a second command changes nothing."""
        if self._going is not None and not self._going.done():
            self._going.set_result(how)

    async def command(self, words: Sequence[str]) -> Answer:
        """`seatrial-init VERB`."""
        match list(words):
            case ["boot-id"]:
                return Answer(out=f"{self._boot_id}\n")
            case ["status"]:
                return Answer(out=json.dumps(self._status()) + "\n")
            case ["start" | "stop" as verb, name]:
                return await self._command_service(verb, name)
            case ["reboot"]:
                asyncio.get_running_loop().call_later(_GOODBYE, self.end, REBOOT)
                return Answer(out="rebooting\n")
            case ["poweroff"]:
                asyncio.get_running_loop().call_later(_GOODBYE, self.end, POWEROFF)
                return Answer(out="powering off\n")
            case ["poweroff", "-f"]:
                cut(CUT)
            case ["crash"]:
                cut(CRASH)
        verbs = "boot-id, status, start NAME, stop NAME, reboot, poweroff [-f], crash"
        return Answer(code=2, error=f"seatrial-init: {' '.join(words)!r} is not a command; allowed: {verbs}\n")

    async def _command_service(self, verb: str, name: str) -> Answer:
        try:
            if verb == "start":
                return Answer(out="started\n" if self._services.start(name) else "already running\n")
            return Answer(out="stopped\n" if await self._services.stop(name) else "not running\n")
        except (OSError, ValueError) as error:
            return Answer(code=1, error=f"seatrial-init: {error}\n")

    def _status(self) -> dict[str, Any]:
        return {
            "node": self._machine["name"],
            "boot_id": self._boot_id,
            "uptime": round(time.monotonic() - self._booted, 3),
            "services": self._services.status(),
        }

    def _make_environment(self) -> dict[str, str]:
        env: dict[str, str] = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        env |= self._machine["env"]
        return env | {
            "PATH": f"{self._folder / 'sbin'}:{env.get('PATH', os.defpath)}",
            "HOME": str(self._folder / "home"),
            "SEATRIAL_BOOT_ID": self._boot_id,
            "SEATRIAL_INIT_PID": str(os.getpid()),
            "SEATRIAL_NODE_NAME": str(self._machine["name"]),
            "SEATRIAL_NODE_ADDRESS": str(self._machine["address"]),
            "SEATRIAL_NODE_FOLDER": str(self._folder),
        }

    def _door(self) -> SshListener:
        return SshListener(
            folder=self._folder, machine=self._machine, environment=self.environment, confined=self._confined,
            children=self._children,
        )  # fmt: skip

    def _obey_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(signal.SIGCHLD, self._children.reap)
        for word, how in {"shutdown": SHUTDOWN, "poweroff": POWEROFF, "reboot": REBOOT}.items():
            loop.add_signal_handler(signal.Signals[f"SIG{shims.SIGNALS[word]}"], self.end, how)
        # A crash asks nobody: neither the event loop nor buffers.
        for word, how in {"crash": CRASH, "cut": CUT}.items():
            signal.signal(signal.Signals[f"SIG{shims.SIGNALS[word]}"], lambda *_, how=how: cut(how))

    def _watch_sysrq(self, loop: asyncio.AbstractEventLoop) -> int:
        """Obey the node's SysRq file; both ends are held open, so that writers never block."""
        path = self._folder / "run/sysrq"
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a FIFO")

        def obey() -> None:
            keys = os.read(descriptor, 64)
            if keys[:1] in (b"b", b"c"):
                cut(CRASH)
            if keys[:1] == b"o":
                cut(CUT)

        loop.add_reader(descriptor, obey)
        return descriptor

    async def _answer_programs(self) -> asyncio.Server:
        """Answer the program `seatrial-init` of scripts, and the provider."""
        path = self._folder / "run/init.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        with short_name(path) as name:
            listener.bind(name)
        path.chmod(0o600)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, ValueError):  # a client that disconnects or sends nonsense
                reply = await self.command(json.loads(await reader.readline()))
                writer.write(json.dumps(asdict(reply)).encode() + b"\n")
                await writer.drain()
            writer.close()

        return await asyncio.start_unix_server(answer, sock=listener)


def cut(how: int) -> NoReturn:
    """End at once, flushing nothing; the kernel or the box ends every other process of the node."""
    os._exit(how)


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A socket file name within the kernel's 108 bytes, however deep its folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def ask(folder: Path, *words: str) -> dict[str, Any]:
    """The init's answer to `seatrial-init WORDS`: code, out, error. Raises OSError if it does not answer."""
    link = socket.socket(socket.AF_UNIX)
    link.setblocking(False)
    try:
        with short_name(folder / "run/init.sock") as name:
            link.connect(name)
        reader, writer = await asyncio.open_unix_connection(sock=link)
    except BaseException:
        link.close()
        raise
    try:
        writer.write(json.dumps(words).encode() + b"\n")
        async with asyncio.timeout(_ANSWERS_WITHIN):
            line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError("the node went down before its init answered")
    answer: dict[str, Any] = json.loads(line)
    return answer
