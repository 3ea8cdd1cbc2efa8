"""Programs of a job: their output line by line, cancelled as GitHub cancels them, and none left at its end."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from seatrial_stand_ins.github.runner.calls import ActionFailed
from seatrial_stand_ins.github.runner.settings import Grace

TAG = "RUNNER_TRACKING_ID"
"""The variable marking a job's processes, for GitHub's runner and this one."""

LINGER = 0.25
"""Seconds to wait for output after the program ended, while a child holds the pipe open."""

DYING = 5.0
"""Seconds for the kernel to remove a killed process."""


class Programs:
    """All programs of one job; each has a session of its own."""

    def __init__(self, tag: str, grace: Grace) -> None:
        self.tag = tag
        self.grace = grace
        self._drains: list[_Lines] = []

    async def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        """Run a program to its end; its exit code. On cancel: SIGINT, SIGTERM, then SIGKILL to all its processes."""
        if not cwd.is_dir():
            raise ActionFailed(f"the working folder {cwd} does not exist")
        reading, writing = os.pipe()
        lines = _Lines(reading, line)
        self._drains.append(lines)
        try:
            program = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env={**env, TAG: self.tag},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise ActionFailed(f"{argv[0]}: command not found") from None
        except PermissionError:
            raise ActionFailed(f"{argv[0]}: permission denied; is it executable in the repository?") from None
        except OSError as error:
            raise ActionFailed(f"{argv[0]} cannot be run: {error.strerror}") from None
        finally:
            os.close(writing)
        try:
            code = await program.wait()
        except asyncio.CancelledError:
            try:
                await self._end(program)
            finally:
                kill(self._rest(program))
                lines.finish()
            raise
        await lines.ended()
        return code if code >= 0 else 128 - code

    async def _end(self, program: asyncio.subprocess.Process) -> None:
        # To the program alone, as on GitHub: a shell forwards a signal only after its child has ended.
        for number, patience in ((signal.SIGINT, self.grace.interrupt), (signal.SIGTERM, self.grace.terminate)):
            with contextlib.suppress(ProcessLookupError):
                program.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await program.wait()
                    return

    def _rest(self, program: asyncio.subprocess.Process) -> list[int]:
        """The remaining processes of a cancelled program."""
        if program.returncode is None:
            return tree(program.pid)
        # Another process may have its number by now; the rest of its session carries the job's tag.
        with contextlib.suppress(OSError):
            return [pid for pid in tagged(self.tag) if int(_stat(pid)[3]) == program.pid]
        return []

    def close(self) -> None:
        """Kill all remaining processes of the job, and close its pipes. Not async: nothing can come between."""
        until = time.monotonic() + DYING
        while found := list(tagged(self.tag)):
            kill(found)
            if time.monotonic() > until:
                raise RuntimeError(f"processes {found} of a job do not die")
            time.sleep(0.002)
        for one in self._drains:
            one.close()


def tagged(tag: str) -> Iterator[int]:
    """The processes with this tag, without zombies."""
    mark = f"{TAG}={tag}\0".encode()
    for pid in _processes():
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes() and _stat(pid)[0] not in "ZX":
                yield pid


def tree(root: int) -> list[int]:
    """A process, its session and its descendants, as far as their parents live."""
    parents: dict[int, list[int]] = {}
    found = {root}
    for pid in _processes():
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            parents.setdefault(int(fields[1]), []).append(pid)
            if int(fields[3]) == root:
                found.add(pid)
    queue = list(found)
    while queue:
        for child in parents.get(queue.pop(), ()):
            if child not in found:
                found.add(child)
                queue.append(child)
    return sorted(found)


def kill(pids: Sequence[int]) -> None:
    """SIGKILL to each."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    own = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]


def _stat(pid: int) -> list[str]:
    """State, parent, group, session, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class _Lines:
    """The output of a pipe, line by line; after the end of its program, later output is read and discarded."""

    def __init__(self, fd: int, line: Callable[[str], None]) -> None:
        self._fd = fd
        self._line: Callable[[str], None] | None = line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def _read(self) -> bool:
        """Read the available output; whether there may be more."""
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        if self._line is not None:
            *lines, self._begun = (self._begun + self._decoder.decode(data)).split("\n")
            for one in lines:
                self._line(one.removesuffix("\r"))
        return True

    async def ended(self) -> None:
        """Wait for the end of the output, not for a daemon holding the pipe."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._end.wait()
        self.finish()

    def finish(self) -> None:
        """The program has ended: the last line is whole."""
        for _ in range(64):
            if self._fd < 0 or not self._read():
                break
        if self._line is not None and (rest := self._begun + self._decoder.decode(b"", True)):
            self._line(rest)
        self._line = None

    def close(self) -> None:
        """Close the pipe."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._end.set()
