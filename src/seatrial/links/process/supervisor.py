"""The supervisor: a small program, the parent of a trial's programs on this host and of everything they leave behind.

It runs as `python -I -S supervisor.py SOCKET CGROUP`, beside Seatrial and without importing it. The kernel hands it the
orphans of its descendants (PR_SET_CHILD_SUBREAPER), so a daemon without its parent, group and environment remains its
child. For each command there is a second supervisor, so the processes of one command are known as well. A second
supervisor without a child serves the next command: to fork one takes longer than most commands.

Seatrial talks to it over sockets: see `supervision`. Without Seatrial it waits for its last child and ends.
"""

from __future__ import annotations

import _socket  # `socket`, `pathlib` and `contextlib` take longer to import than everything else here
import marshal
import os
import select
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36

LENGTH = 8
"""Bytes of a message's length."""

FILES = 3
"""The files of a program: its standard input, output and error."""

REAP = b"r"
"""Seatrial's word to reap an ended program."""

RUNS = "runs-"
"""The name of a supervisor while its command runs: this and the command's process id."""

OURS_ALONE = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals ignored by Python, but not by the programs it starts."""


def receive(door: _socket.socket) -> tuple[bytes, list[int]]:
    """The next message with its files; empty when Seatrial has gone."""
    data, files = b"", []
    while len(data) < LENGTH or len(data) < LENGTH + int.from_bytes(data[:LENGTH], "big"):
        try:
            part, extra, _, _ = door.recvmsg(65536, _socket.CMSG_SPACE(4 * FILES), _socket.MSG_CMSG_CLOEXEC)
        except OSError:
            part, extra = b"", []
        for _, _, numbers in extra:
            files += memoryview(numbers).cast("i").tolist()
        if not part:
            return b"", files
        data += part
    return data[LENGTH:], files


def send(door: _socket.socket, message: str | tuple[int, ...]) -> None:
    """Send a message; nobody listens when Seatrial has gone."""
    data = marshal.dumps(message)
    try:
        door.sendall(len(data).to_bytes(LENGTH, "big") + data)
    except OSError:
        return


def adopt_orphans() -> int:
    """Become the parent of orphaned descendants; returns a file that can be read when a child has ended."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ready, wake = os.pipe()
    os.set_blocking(ready, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    return ready


def reap(spared: int = 0) -> bool:
    """Reap ended children, without the spared one; returns whether any child remains."""
    while True:
        try:
            child = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if child is None or child.si_pid == spared:
            return True
        os.waitpid(child.si_pid, 0)


class Waiting:
    """The two things that a supervisor waits for."""

    def __init__(self, door: _socket.socket, ready: int) -> None:
        self._door, self._ready = door.fileno(), ready
        self._poll = select.poll()
        self._poll.register(self._door, select.POLLIN)
        self._poll.register(ready, select.POLLIN)

    def wait(self) -> tuple[bool, bool]:
        """Wait; returns whether Seatrial has sent something, and whether a child has ended."""
        found = {number for number, _ in self._poll.poll()}
        if self._ready in found:
            os.read(self._ready, 65536)
        return self._door in found, self._ready in found


def keep_trial(door: _socket.socket) -> None:
    """Fork a supervisor for commands whenever Seatrial asks for one."""
    ready = adopt_orphans()
    waiting = Waiting(door, ready)
    while True:
        asked, ended = waiting.wait()
        if ended:
            reap()
        if not asked:
            continue
        message, files = receive(door)
        if not message:
            return
        try:
            child = os.fork()
        except OSError:
            child = -1  # its socket is closed below, which Seatrial reports
        if child == 0:
            door.close()
            os.close(ready)
            keep_commands(_socket.socket(fileno=files[0]))
            wait_for_children()
            os._exit(0)
        for number in files:
            os.close(number)


def keep_commands(door: _socket.socket) -> None:
    """Serve one command after another, until one leaves something behind or Seatrial wants no more."""
    waiting, me = Waiting(door, adopt_orphans()), os.getpid()
    while True:
        message, files = receive(door)
        if not message:
            return
        argv, env, folder = marshal.loads(message)
        try:
            program = start(argv, env, folder, files)
        except OSError as error:
            program = 0
            send(door, (me, 0, error.errno or 0))
        else:
            send(door, (me, program, 0))
        for number in files:
            os.close(number)
        os.chdir("/")
        if not program:
            continue
        call_myself(f"{RUNS}{program}")
        if not keep_command(door, waiting, program):
            return


def keep_command(door: _socket.socket, waiting: Waiting, program: int) -> bool:
    """Report the end of a program; returns whether no process of it is left. Its zombie remains until Seatrial asks to
    reap it, so the number of its process group is not reused before. Only if others remain then, Seatrial waits for a
    second answer: meanwhile they may have ended."""
    running, alone = True, False
    while True:
        asked, ended = waiting.wait()
        if ended:
            reap(program)
            if running and (end := os.waitid(os.P_PID, program, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
                running, alone = False, only_child(program)
                send(door, (status_of(end), alone))
        if asked:
            if not reap_asked(door):
                return False
            _, status = os.waitpid(program, 0)
            left = False if alone else reap()
            if not alone:
                send(door, (status, left))
            call_myself("idle")
            return not left


def reap_asked(door: _socket.socket) -> bool:
    """Take Seatrial's word, and no byte more: the next program may follow at once; False when Seatrial has gone."""
    try:
        return bool(door.recv(len(REAP)))
    except OSError:
        return False


def status_of(end: os.waitid_result) -> int:
    """The status of an ended program, as of `waitpid`."""
    if end.si_code == os.CLD_EXITED:
        return end.si_status << 8
    return end.si_status | (0x80 if end.si_code == os.CLD_DUMPED else 0)


def only_child(program: int) -> bool:
    """Whether this process has no other child, dead or alive; False where the kernel does not tell."""
    me = os.getpid()
    try:
        file = os.open(f"/proc/self/task/{me}/children", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(file, 4096).split() == [b"%d" % program]
        finally:
            os.close(file)
    except OSError:
        return False


def call_myself(name: str) -> None:
    """Show in the process table what this process does: after the end of Seatrial nothing else tells it."""
    try:
        file = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, name.encode())
        finally:
            os.close(file)
    except OSError:  # `/proc` is read-only here
        return


def start(argv: list[str], env: dict[str, str], folder: str, files: list[int]) -> int:
    """Start a program in a session of its own; returns its process id."""
    os.chdir(folder)
    # A bare name is looked up in the program's own PATH.
    os.environ.pop("PATH", None)
    if "PATH" in env:
        os.environ["PATH"] = env["PATH"]
    opened = [(os.POSIX_SPAWN_DUP2, number, at) for at, number in enumerate(files)]
    return os.posix_spawnp(argv[0], argv, env, file_actions=opened, setsid=True, setsigdef=OURS_ALONE)


def wait_for_children() -> None:
    """Wait for the last child, however long it lives."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def leave(cgroup: str) -> None:
    """Remove the trial's cgroup, if nothing is in it but this process."""
    from pathlib import Path

    folder = Path(cgroup)
    try:
        (folder.parent / "cgroup.procs").write_text("0")
        folder.rmdir()
    except OSError:
        return


if __name__ == "__main__":
    keep_trial(_socket.socket(fileno=int(sys.argv[1])))
    wait_for_children()
    if sys.argv[2]:
        leave(sys.argv[2])
