"""Programs of this host: no shell, their own process group, ended as a group, bounded output.

`subprocess.Popen` with a pidfd and two pipes on the event loop. Measured: as fast as `posix_spawn` to within a few per
cent, but it can change the folder; faster than asyncio's subprocesses (no thread, no protocol objects). A program that
ends within PATIENCE costs one wake-up of the loop: its output is read after its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links.output import BoundedOutput, Lines
from seatrial.links.process.supervision import Command, Supervisor
from seatrial.links.process.table import members, process_start
from seatrial.spi import Finished

__all__ = ["TimedOut", "members", "process_start", "run"]

KEEP = 1024 * 1024
"""Bytes kept of each stream: its first and its last half."""

PATIENCE = 0.005
"""Seconds before the output of a running program is read continuously (a pipe holds 64 KiB)."""

LINGER = 0.25
"""Seconds to wait for output after the program ended, while a child holds the pipe open."""


class TimedOut(TimeoutError):
    """A program exceeded its timeout and was ended; its output is kept."""

    def __init__(self, message: str, stdout: str, stderr: str) -> None:
        super().__init__(message)
        self.stdout, self.stderr = stdout, stderr


async def run(
    argv: Sequence[str],
    *,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    input: str = "",
    started: Callable[[int], Awaitable[None] | None] | None = None,
    whole: Path | None = None,
    output: Callable[[bytes], None] | None = None,
    grace: float = 2.0,
    keep: int = KEEP,
    under: Supervisor | None = None,
) -> Finished:
    """Run a program to its end and return its result; after death by a signal the exit code is 128 + its number.

    `started` is called with the process id, also the id of the process group, before any waiting; the program gets its
    input only when an awaitable result is done. `whole` is a file for the complete output, line by line, both streams
    in approximate order; `output` is called with the same lines as they come; `keep` bytes of each stream are in the
    result. After `timeout` seconds, or when cancelled, the whole group gets SIGTERM, and SIGKILL `grace` seconds later;
    `under` a supervisor, every descendant gets both.
    Raises TimedOut (a TimeoutError), ToolMissing, CannotTell when the folder does not exist.
    """
    child = _Child(argv, cwd, env, input.encode(), whole, output, keep, under.command() if under else None)
    try:
        known = started(child.pid) if started is not None else None
        async with asyncio.timeout(timeout):
            if known is not None:
                await known
            child.feed()
            await child.ended
        code = child.reap()
    except TimeoutError:
        await child.end_group(grace)
        message = f"{argv[0]} timed out" if timeout is None else f"{argv[0]} did not end within {timeout:g} s"
        raise TimedOut(message, child.out.text(), child.err.text()) from None
    except BaseException:
        await child.end_group(grace)
        raise
    finally:
        child.close()
    out, err = child.out, child.err
    dropped = out.dropped + err.dropped
    return Finished(exit_code=code, stdout=out.text(), stderr=err.text(), dropped=dropped, left=child.left)


class _Stream(BoundedOutput):
    """One pipe and its output."""

    def __init__(self, fd: int, keep: int, lines: Lines | None) -> None:
        super().__init__(keep)
        self.fd, self.open, self.watched = fd, True, False
        self.lines = lines
        """Its lines on their way to a file that both streams share."""


class _Child:
    """One running program, its pipes on the event loop; `ended` is done when it has exited and its output is in."""

    def __init__(
        self, argv: Sequence[str], cwd: Path | str | None, env: Mapping[str, str] | None, input: bytes,
        whole: Path | None, output: Callable[[bytes], None] | None, keep: int, command: Command | None,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._command = command
        self.left = False
        """Whether processes remained after its end; known under a supervisor."""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._exited = self._reaped = False
        self._timer: asyncio.TimerHandle | None = None
        self._input = memoryview(input)
        self._stdin = self._pidfd = -1
        self._streams: tuple[_Stream, ...] = ()
        self._keep = keep
        self._output = output
        self._whole: BinaryIO | None = None
        try:
            self._whole = whole.open("ab") if whole is not None else None
            self._spawn(argv, cwd, env)
            self._listen()
        except BaseException:
            self.close()
            raise

    def _spawn(self, argv: Sequence[str], cwd: Path | str | None, env: Mapping[str, str] | None) -> None:
        (out, out_w), (err, err_w) = os.pipe(), os.pipe()
        theirs = [out_w, err_w]
        shared = self._whole is not None or self._output is not None
        self.out, self.err = (_Stream(fd, self._keep, Lines(self._put) if shared else None) for fd in (out, err))
        self._streams = self.out, self.err
        stdin = subprocess.DEVNULL
        if self._input:
            stdin, self._stdin = os.pipe()
            theirs.append(stdin)
        try:
            if self._command is not None:
                if stdin < 0:
                    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                    theirs.append(stdin)
                self.pid = self._command.start(argv, cwd, env, (stdin, out_w, err_w))
            else:
                self.pid = _started(argv, cwd, env, (stdin, out_w, err_w))
        except OSError as error:
            raise _not_started(argv, cwd, error) from error
        finally:
            for fd in theirs:
                os.close(fd)

    def _listen(self) -> None:
        for stream in self._streams:
            os.set_blocking(stream.fd, False)
        self._timer = self._loop.call_later(PATIENCE, self._read_as_it_comes)
        if self._command is not None:
            self._loop.add_reader(self._command.fileno(), self._on_exit)
        elif hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(self.pid)
            self._loop.add_reader(self._pidfd, self._on_exit)
        else:
            self._loop.run_in_executor(None, _wait, self.pid).add_done_callback(lambda _: self._on_exit())

    def feed(self) -> None:
        """Send the input."""
        if self._stdin >= 0:
            os.set_blocking(self._stdin, False)
            self._loop.add_writer(self._stdin, self._on_input)

    def _read_as_it_comes(self) -> None:
        for stream in self._streams:
            if stream.open:
                self._loop.add_reader(stream.fd, self._on_output, stream)
                stream.watched = True

    def _on_output(self, stream: _Stream) -> None:
        self._take(stream)
        self._finish()

    def _take(self, stream: _Stream) -> bool:
        """Read once; True when there may be more data."""
        try:
            data = os.read(stream.fd, 65536)
            if stream.lines is not None:
                stream.lines.add(data) if data else stream.lines.end()
        except BlockingIOError:
            return False
        except OSError as error:  # The disk is full: report it.
            if not self.ended.done():
                self.ended.set_exception(error)
            return False
        if not data:
            self._shut(stream)
            return False
        stream.add(data)
        return True

    def _put(self, lines: bytes) -> None:
        if self._whole is not None:
            self._whole.write(lines)
        if self._output is not None:
            self._output(lines)

    def _on_input(self) -> None:
        try:
            self._input = self._input[os.write(self._stdin, self._input[:65536]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # The program may close its input early.
            self._input = self._input[:0]
        if not self._input:
            self._close_input()

    def _close_input(self) -> None:
        if self._stdin >= 0:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def _on_exit(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
        if self._command is not None:
            self._loop.remove_reader(self._command.fileno())
        self._exited = True
        if self.ended.done():
            return
        self._drain()
        if self._timer is not None:
            self._timer.cancel()
        if self.out.open or self.err.open:
            self._read_as_it_comes()
            self._timer = self._loop.call_later(LINGER, self._finish, True)
        self._finish()

    def _drain(self) -> None:
        """Read the pipes' current content."""
        for stream in self._streams:
            # Bounded by the pipe's content: a child that prints forever must not block this.
            for _ in range(64):
                if not stream.open or not self._take(stream):
                    break

    def _finish(self, now: bool = False) -> None:
        if self._exited and (now or not (self.out.open or self.err.open)) and not self.ended.done():
            self.ended.set_result(None)

    def _shut(self, stream: _Stream) -> None:
        if stream.open:
            stream.open = False
            if stream.watched:
                self._loop.remove_reader(stream.fd)
            os.close(stream.fd)

    def reap(self) -> int:
        """Reap the process; until then its zombie keeps the group's number from being reused."""
        try:
            if self._command is not None:
                status = self._command.status()
                self.left = self._command.left
            else:
                _, status = os.waitpid(self.pid, 0)
        except ChildProcessError as error:
            taken = f"the exit code of process {self.pid} was taken by another part of this program"
            raise CannotTell(taken) from error
        finally:
            self._reaped = True
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    async def end_group(self, grace: float) -> None:
        """SIGTERM to the group, SIGKILL to its rest after `grace` seconds; if cancelled meanwhile: at once."""
        if self._reaped:
            return
        self._signal(signal.SIGTERM)
        if self._command is not None:
            self._command.terminate()
        deadline, pause = self._loop.time() + grace, 0.002
        try:
            while self._loop.time() < deadline and not self._all_ended():
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.05)
        finally:
            self._signal(signal.SIGKILL)
            self._reap_killed()
            self._drain()  # its last output, often the reason of the hang

    def _all_ended(self) -> bool:
        return self._exited and not members(self.pid) and (self._command is None or not self._command.busy)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _reap_killed(self) -> None:
        """Not async, so a second cancellation cannot come between SIGKILL and this; it takes milliseconds."""
        if self._command is not None:
            self._command.end()
            self._reaped = True
            return
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            try:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    break
            except ChildProcessError:
                break
            time.sleep(0.001)
        self._reaped = True

    def close(self) -> None:
        """Close every file; later writes to the pipes get SIGPIPE."""
        if self._timer is not None:
            self._timer.cancel()
        for stream in self._streams:
            self._shut(stream)
        self._close_input()
        if self._command is not None:
            self._loop.remove_reader(self._command.fileno())
            self._command.close()
            self._command = None
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        for stream in self._streams:
            if stream.lines is not None:
                stream.lines.end()
        if self._whole is not None:
            self._whole.close()


def _started(
    argv: Sequence[str], cwd: Path | str | None, env: Mapping[str, str] | None, files: tuple[int, int, int]
) -> int:
    """Start it in its own session with these three files; returns its process id."""
    # posix_spawn can neither change the folder nor look a bare name up in the PATH of `env`; without these needs it
    # costs a tenth less than Popen.
    if os.sep in argv[0] and (cwd is None or Path(cwd) == Path.cwd()):
        opened = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files) if fd >= 0]
        nothing = [] if files[0] >= 0 else [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        given = os.environ if env is None else env
        return os.posix_spawn(
            argv[0], list(argv), given, file_actions=[*nothing, *opened], setsid=True, setsigdef=_OURS_ALONE
        )
    stdin, stdout, stderr = files
    popen = subprocess.Popen(
        argv, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env, start_new_session=True, close_fds=False
    )
    popen.returncode = 0  # we reap it: the object must not
    return popen.pid


_OURS_ALONE = [number for name in ("SIGPIPE", "SIGXFSZ") if (number := getattr(signal, name, None))]
"""Signals ignored by Python, but not by the programs it starts."""


def _not_started(argv: Sequence[str], cwd: Path | str | None, error: OSError) -> CannotTell:
    if cwd is not None and not Path(cwd).is_dir():
        return CannotTell(f"{argv[0]} was not started: its working folder {cwd} does not exist")
    if isinstance(error, FileNotFoundError):
        return ToolMissing(
            f"the program {argv[0]!r} does not exist (or the interpreter in its first line does not): "
            "install it, put its folder on PATH, or write its absolute path"
        )
    if isinstance(error, PermissionError):
        return ToolMissing(f"the program {argv[0]!r} may not be executed: chmod +x it, or name its interpreter first")
    return CannotTell(f"the program {argv[0]!r} could not be started: {error.strerror or error}")


def _wait(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
