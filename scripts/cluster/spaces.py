"""Namespaces of one's own for processes, mounts and network: all that is in them ends with their first process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8"}


class Broken(Exception):
    """A part of the cluster does not work; the text says which and shows its last words."""


class Space:
    """Namespaces that begin with this object; they end with `stop`, and with the process that made them."""

    def __init__(self) -> None:
        first = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "catatonit", "-P"]
        # Whoever kills this process ends the space too.
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *first],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.processes: list[subprocess.Popen[bytes]] = []
        """The ways in, to wait for at the end."""
        self.pid = self._first_process()
        """The number of the first process, as the host counts."""

    def run(self, *argv: str) -> None:
        """Run a program in it to its end; Broken when it fails."""
        run("nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--", *argv)

    def network(self, *words: str) -> None:
        """Call `ip` in its network, with the host's process numbers."""
        run("nsenter", f"--target={self.pid}", "--net", "--", "ip", *words)

    def stop(self) -> None:
        """End all that is in it."""
        self._keeper.kill()
        self._keeper.wait()
        # The kernel kills the first process with its parent, and the rest with the first.
        wait_until(lambda: ended(self.pid), 20, "the end of a namespace")
        for process in self.processes:
            process.wait(20)
        if self._keeper.stderr is not None:
            self._keeper.stderr.close()

    def _first_process(self) -> int:
        def ready() -> bool:
            if self._keeper.poll() is not None:
                assert self._keeper.stderr is not None
                raise Broken(f"no namespaces of one's own: {self._keeper.stderr.read().decode().strip()}")
            pid = child_of(self._keeper.pid)
            return pid is not None and Path(f"/proc/{pid}/comm").read_text().strip() == "catatonit"

        wait_until(ready, 10, "namespaces")
        pid = child_of(self._keeper.pid)
        assert pid is not None
        return pid


class Program:
    """A program in a space that can be killed, paused and started again."""

    def __init__(self, space: Space, folder: Path, argv: Sequence[str]) -> None:
        self.name = Path(argv[0]).name
        self._space, self._argv, self._folder = space, argv, folder
        self.log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            enter = [
                "nsenter",
                f"--target={self._space.pid}",
                "--mount",
                "--net",
                "--pid",
                f"--wd={self._folder}",
                "--",
            ]
            self._process = subprocess.Popen(
                [*enter, *self._argv], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._space.processes.append(self._process)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP pauses it, SIGCONT lets it go on."""
        assert self._process is not None
        if pid := child_of(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number != signal.SIGSTOP:  # nsenter stops itself with its child, and would never see its end
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        assert self._process is not None
        self.signal(signal.SIGKILL)
        self._process.wait(20)

    def require(self) -> None:
        """Broken with its last words unless it runs."""
        if not self.running:
            raise Broken(f"{self.name} ended: {last_words(self.log)}")


def run(*argv: str) -> None:
    """Run a program to its end; Broken when it fails."""
    done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Broken(f"`{' '.join(argv)}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")


def child_of(pid: int) -> int | None:
    """The first child of a process, or None."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def last_words(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace").strip()[-1500:] if log.exists() else "it wrote nothing"


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Look until it is true; Broken after this time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Broken(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
