"""The node's SSH server: real commands, SFTP and scp in the node's own process tree."""

import asyncio
import os
import shlex
import signal
import subprocess
from asyncio.streams import FlowControlMixin
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from seatrial.links.paths import name_user
from seatrial.links.ssh.wire import rewritten
from seatrial.providers.local import shims
from seatrial.providers.local.services import Child, Children

# How long output may still come once a command has ended and left a background process holding its pipes.
_DRAIN = 1.0
_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SshListener:
    """The machine's server, and how it runs commands."""

    folder: Path
    machine: Mapping[str, Any]
    """Its machine.json, with `address`, `ssh_port`, `host_key` and `authorized_keys`."""
    environment: Mapping[str, str]
    confined: bool
    children: Children


async def serve(door: SshListener) -> Any:
    """Listen; the asyncssh acceptor, to be closed. Raises OSError when the address is taken."""
    import asyncssh

    class Files(asyncssh.SFTPServer):
        """SFTP for regular files, with an exit status, as sshd sends it: OpenSSH's scp takes a session without a status
        for a failure."""

        def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            self._require_regular(path)
            return super().open(path, pflags, attrs)

        def open56(self, path: bytes, desired_access: int, flags: int, attrs: Any) -> Any:
            self._require_regular(path)
            return super().open56(path, desired_access, flags, attrs)

        def _require_regular(self, path: bytes) -> None:
            # To open a FIFO is to wait for its other end, here for the whole node.
            local = Path(os.fsdecode(self.map_path(path)))
            if local.exists() and not (local.is_file() or local.is_dir()):
                raise asyncssh.SFTPFailure(f"{os.fsdecode(path)} is not a regular file")

        def exit(self) -> None:
            if self.channel.get_subsystem() == "sftp":
                with suppress(OSError):  # the client may be gone
                    self.channel.exit(0)

    name_user()
    return await asyncssh.listen(
        door.machine["address"], door.machine["ssh_port"], server_version="Seatrial", login_timeout=30, encoding=None,
        server_host_keys=[door.machine["host_key"]], authorized_client_keys=door.machine["authorized_keys"],
        password_auth=False, kbdint_auth=False, host_based_auth=False, gss_kex=False, gss_auth=False,
        agent_forwarding=False, x11_forwarding=False, allow_pty=False,
        process_factory=partial(_handle, door), sftp_factory=Files, allow_scp=True,
    )  # fmt: skip


async def _handle(door: SshListener, process: Any) -> None:
    """One session: a command for the node's shell."""
    command: str | None = process.command
    argv = ["/bin/sh"] if command is None else ["/bin/sh", "-c", rewritten(command, partial(_inside, door))]
    env = {**{str(k): str(v) for k, v in process.env.items()}, **door.environment}
    pipe = subprocess.PIPE
    try:
        child = door.children.spawn(argv, cwd=str(door.folder / "home"), env=env, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        with suppress(OSError):  # the client may be gone
            process.stderr.write(f"seatrial: {error}\n".encode())
            process.exit(126)
        return
    await _attend(process, child)


def _inside(door: SshListener, command: str) -> str:
    """The command, kept from reaching past the node."""
    try:
        return shims.reroute(command, door.folder, confined=door.confined)
    except shims.Refused as error:
        return f"echo {shlex.quote(f'seatrial: {error}')} >&2; exit 126"


async def _attend(process: Any, child: Child) -> None:
    """Carry the streams until the command ends or its client leaves; then no process of its group stays."""
    stdin, stdout, stderr = child.process.stdin, child.process.stdout, child.process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None
    feed = asyncio.create_task(_feed(process, child, stdin))
    gone = asyncio.create_task(process.wait_closed())
    pumps = [asyncio.create_task(_pump(*ends)) for ends in ((stdout, process.stdout), (stderr, process.stderr))]
    try:
        await asyncio.wait({gone, child.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not child.ended.done():
            child.signal_group(signal.SIGKILL)
        code = await child.ended
        await asyncio.wait(pumps, timeout=_DRAIN)
        with suppress(OSError):
            if code < 0:
                process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            else:
                process.exit(code)
    finally:
        for task in (feed, gone, *pumps):
            task.cancel()
        await asyncio.gather(feed, gone, *pumps, return_exceptions=True)


async def _pump(source: IO[bytes], sink: Any) -> None:
    """Copy a pipe of the command to the client."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, source)
    try:
        while data := await reader.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass  # the client is gone; `_attend` notices it
    finally:
        transport.close()


async def _feed(process: Any, child: Child, sink: IO[bytes]) -> None:
    """Copy the client's input to the command's standard input, and pass its signals on."""
    import asyncssh

    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(FlowControlMixin, sink)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        while True:
            try:
                data = await process.stdin.read(_CHUNK)
            except asyncssh.SignalReceived as received:
                with suppress(KeyError):  # a signal this system does not know
                    child.signal_group(signal.Signals[f"SIG{received.signal}"].value)
                continue
            except asyncssh.BreakReceived:
                child.signal_group(signal.SIGINT)
                continue
            except asyncssh.TerminalSizeChanged:
                continue
            if not data:
                return
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # the command closed its input, or the client is gone
    finally:
        transport.close()
