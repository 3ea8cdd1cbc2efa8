"""Seatrial's side of a trial's supervisor: start it, have it start programs, end what is left."""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from seatrial.errors import CannotTell, LeftBehind
from seatrial.links.process import cgroups
from seatrial.links.process.supervisor import FILES, LENGTH, REAP, RUNS
from seatrial.links.process.table import children, descendants, process_start, program_name

ANSWERS = 20.0
"""Seconds for an answer of a supervisor."""

IDLE = 4
"""Supervisors without a command to keep for the next ones of a trial."""

ENDS = 5.0
"""Seconds for the end of all programs of a trial after SIGKILL."""

PROGRAM = Path(__file__).with_name("supervisor.py")


class Supervisor:
    """The supervisor of one trial."""

    def __init__(self, name: str, tags: Mapping[str, str]) -> None:
        """Start it, in a cgroup of its own if possible; CannotTell when it cannot be started."""
        self.cgroup = cgroups.make(name)
        self._idle: list[Command] = []
        self._door, theirs = socket.socketpair()
        argv = [sys.executable, "-I", "-S", str(PROGRAM), str(theirs.fileno()), self.cgroup]
        nothing = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                argv, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/", env=dict(tags),
                start_new_session=True, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        except OSError as error:
            self._door.close()
            raise CannotTell(f"the supervisor of the trial's programs could not be started: {error}") from error
        finally:
            theirs.close()
        self.pid, self.started = self._process.pid, process_start(self._process.pid)
        if self.cgroup and not cgroups.enter(self.cgroup, self.pid):
            self.cgroup = ""

    @property
    def alive(self) -> bool:
        """Whether it still runs; something may have killed it."""
        return self._process.poll() is None

    def command(self) -> Command:
        """A supervisor for one command: one whose last command left nothing behind, or a new one."""
        while self._idle:
            if (kept := self._idle.pop()).alive:
                return kept
            kept.let_go()
        return self._forked()

    def keep(self, command: Command) -> bool:
        """Keep a supervisor without a child for the next command; False: enough are kept."""
        if len(self._idle) == IDLE:
            return False
        self._idle.append(command)
        return True

    def _forked(self) -> Command:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                data = b"fork"
                socket.send_fds(self._door, [len(data).to_bytes(LENGTH, "big") + data], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise CannotTell("the supervisor of the trial's programs has ended: something killed it") from error
        return Command(ours, self)

    def close(self) -> None:
        """Let it go: it ends after its last child."""
        while self._idle:
            self._idle.pop().let_go()
        self._door.close()
        if self._process.poll() is None:
            self._process.returncode = 0  # it is nobody's to wait for


class Command:
    """The supervisor of one command, and then of the next one."""

    def __init__(self, door: socket.socket, trial: Supervisor) -> None:
        self._door, self._trial = door, trial
        limit = struct.pack("@ll", int(ANSWERS), 0)  # the kernel's own limit: settimeout would poll before each call
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.pid = self.program = 0
        self.left = False
        """Whether processes of the command remained after its end."""
        self._free = False
        """Whether it can serve another command."""

    @property
    def alive(self) -> bool:
        """Whether it still runs, while it has no command: then it says nothing."""
        poll = select.poll()
        poll.register(self._door, select.POLLIN)
        return not poll.poll(0)

    def fileno(self) -> int:
        """Can be read once the program has ended."""
        return self._door.fileno()

    def start(
        self, argv: Sequence[str], cwd: Path | str | None, env: Mapping[str, str] | None, files: Sequence[int]
    ) -> int:
        """Start the program with its three files; returns its process id. OSError when it cannot be started."""
        environment = dict(os.environ if env is None else env)
        self._free = self.left = False
        message = marshal.dumps(([str(word) for word in argv], environment, str(Path(cwd or ".").absolute())))
        try:
            frame = memoryview(len(message).to_bytes(LENGTH, "big") + message)
            sent = socket.send_fds(self._door, [frame], list(files[:FILES]))
            if rest := frame[sent:]:  # after the whole message it may have answered and ended, and nothing can be sent
                self._door.sendall(rest)
            self.pid, self.program, number = self._receive()
        except (OSError, EOFError) as error:
            raise CannotTell(f"the supervisor of the trial's programs started no program: {error}") from error
        if number:
            self._free = True
            raise OSError(number, os.strerror(number), argv[0])
        return self.program

    def status(self) -> int:
        """Reap the ended program and return its status, as of `waitpid`."""
        try:
            status, alone = self._receive()
            self._door.sendall(REAP)
            left = 0
            if not alone:
                status, left = self._receive()
            self.left = bool(left)
            self._free = not left
        except (OSError, EOFError) as error:
            raise CannotTell("the exit code is unknown: something killed the supervisor of the program") from error
        return int(status)

    @property
    def busy(self) -> bool:
        """Whether any process of the command lives."""
        return any(True for _ in descendants(self.pid))

    def terminate(self) -> None:
        """SIGTERM to the groups that the command made besides its own, as `timeout` does: to the leader, who passes it
        on, and without a leader to all."""
        living = list(descendants(self.pid))
        groups = set()
        for pid in living:
            with suppress(ProcessLookupError):
                groups.add(os.getpgid(pid))
        for group in groups - {self.program, os.getpgrp()}:
            _signal(group if group in living else -group, signal.SIGTERM)

    def end(self) -> None:
        """Kill every process of the command and wait for their end. Not async, so that no cancellation comes between;
        it takes milliseconds."""
        with cgroups.frozen(self._trial.cgroup):
            for pid in descendants(self.pid):
                _signal(pid, signal.SIGKILL)
        kill_descendants(self.pid, 1.0)

    def close(self) -> None:
        """The command has ended, or nobody waits for it."""
        if not (self._free and self._trial.keep(self)):
            self.let_go()

    def let_go(self) -> None:
        """It ends after its last child."""
        self._door.close()

    def _receive(self) -> tuple[int, ...]:
        length = int.from_bytes(self._read(LENGTH), "big")
        message: tuple[int, ...] = marshal.loads(self._read(length))
        return message

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._door.recv(length - len(data))
            if not part:
                raise EOFError("it has ended")
            data += part
        return data


def end_trial(pid: int, started: str, cgroup: str) -> None:
    """Kill all programs of a trial: everything in its cgroup, and every descendant of its supervisor.

    LeftBehind with the processes that remain, such as those of another user.
    """
    left = cgroups.end(cgroup) if cgroup else []
    if pid and process_start(pid) == started:
        left += kill_descendants(pid, ENDS)
        if not left:
            _signal(pid, signal.SIGKILL)
            deadline = time.monotonic() + ENDS
            while process_start(pid) == started and time.monotonic() < deadline:
                time.sleep(0.001)
    require_ended(left)


def require_ended(left: Sequence[int]) -> None:
    """LeftBehind with the processes that remain."""
    if left:
        named = ", ".join(f"{pid} ({program_name(pid)})" for pid in left[:5])
        raise LeftBehind(f"{len(left)} processes did not end after SIGKILL: {named}")


def kill_descendants(pid: int, seconds: float) -> list[int]:
    """Kill every descendant of a supervisor, which hands each orphan to it; returns those alive after so many
    seconds."""
    deadline = time.monotonic() + seconds
    while True:
        for process in _stopped(lambda: descendants(pid), deadline):
            _signal(process, signal.SIGKILL)
        left = list(descendants(pid))
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.001)


def running(pid: int, started: str) -> list[int]:
    """The programs of a trial that still run, by its supervisor: not the daemons of those that ended."""
    found = []
    for command in children(pid) if process_start(pid) == started else ():
        name = program_name(command)
        number = name.removeprefix(RUNS)
        if name != number and number.isdigit() and int(number) in children(command):
            found.append(int(number))
    return found


def kill_tree(root: int, seconds: float = ENDS) -> list[int]:
    """Kill a program with its group and its descendants, also those in a session of their own, such as the workers of a
    deployer; a daemon without its parent is left. Returns those alive after so many seconds."""
    deadline = time.monotonic() + seconds
    _signal_group(root, signal.SIGSTOP)
    stopped = _stopped(lambda: (root, *descendants(root)), deadline)
    _signal_group(root, signal.SIGKILL)
    for pid in stopped:
        _signal(pid, signal.SIGKILL)
    while left := [pid for pid, began in stopped.items() if began and process_start(pid) == began]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return left


def _stopped(find: Callable[[], Iterable[int]], deadline: float) -> dict[int, str]:
    """Stop processes until no other one is found, and return them with their start times: a stopped process starts no
    children, and its children keep it as their parent."""
    stopped: dict[int, str] = {}
    while (fresh := {pid: process_start(pid) for pid in {*find()} - {*stopped}}) and time.monotonic() < deadline:
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped |= fresh
    return stopped


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
