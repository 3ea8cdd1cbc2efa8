"""The box of a local node: `python -m seatrial.providers.local.machine FOLDER`.

It is to the node as a hypervisor's process is to a virtual machine: it boots the guest, boots it again after a reboot,
is its power button (SIGTERM), and while it lives no process of the node escapes.
"""

import asyncio
import fcntl
import json
import os
import select
import signal
import sys
import time
import traceback
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seatrial.links.paths import write_whole
from seatrial.providers.local import confinement, shims, tree
from seatrial.providers.local.confinement import Confinement

_WAITED_FOR = {signal.SIGTERM, signal.SIGCHLD}
# Power commands may come before the guest listens; they must wait, not kill it.
_BLOCKED = {signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2}
_PATIENCE = 5.0  # seconds over the services' own stop times before the power button turns into a cut

_REASONS = {0: "shutdown", 10: "poweroff", 13: "poweroff"}
_BOOTS_AGAIN = {11, 12}


class Box:
    """One machine, from power on to power off."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._machine: dict[str, Any] = json.loads((folder / "machine.json").read_text())
        self._confinement: Confinement | None = None
        forced = os.environ.get(confinement.FORCE) == confinement.PLAIN
        self._plain = "asked for by the environment" if forced else ""
        self._button = False
        pid = os.getpid()
        self._state: dict[str, Any] = {
            "name": self._machine["name"],
            "machine_pid": pid,
            "machine_start": tree.started(pid),
            "host_boot_id": tree.host_boot(),
            "guest_pid": None,
            "boot_id": "",
            "power": "on",
            "reason": "running",
            "boots": 0,
            "confinement": {},
            "error": "",
        }

    def run(self) -> int:
        """Boot until the power is off; 0 after an orderly end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        confinement.adopt_orphans()
        self._prepare()
        while True:
            code = self._boot()
            self._sweep()
            if code not in _BOOTS_AGAIN or self._button:
                break
            self._write(reason="rebooting", guest_pid=None)
        reason = _REASONS.get(code, "shutdown" if code in _BOOTS_AGAIN else "crashed")
        if self._button:
            reason = "shutdown"
        self._write(power="off", reason=reason, guest_pid=None)
        return 1 if reason == "crashed" else 0

    def _prepare(self) -> None:
        for name in ("home", "run", "services", "log"):
            (self._folder / name).mkdir(exist_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(self._folder / "run/sysrq", 0o600)
        shims.write(self._folder, self._machine["env"]["SEATRIAL_NODE"])

    def _boot(self) -> int:
        """One boot, to its end: the guest's exit code, negative for a signal."""
        boot_id = str(uuid.uuid4())
        guest, keep = self._fork_guest(boot_id)
        boots = self._state["boots"] + 1
        report = asdict(self._confinement) if self._confinement else {}
        self._write(guest_pid=guest, boot_id=boot_id, boots=boots, reason="running", confinement=report)
        os.write(keep, b"g")
        try:
            return self._watch(guest)
        finally:
            os.close(keep)

    def _fork_guest(self, boot_id: str) -> tuple[int, int]:
        """A guest waiting for one byte on the returned pipe; confined if allowed."""
        if not self._plain:
            try:
                return self._fork_confined(boot_id)
            except OSError as error:
                self._plain = str(error)
        # Nothing in this box needs these powers any more, and its guests have them from it.
        dropped = confinement.drop_host_powers()
        go, keep = os.pipe()
        guest = os.fork()
        if guest == 0:
            os.close(keep)
            os.setsid()
            self._be_guest(boot_id, go, confined=False)
        os.close(go)
        trial = self._machine["env"]["SEATRIAL_NODE"].replace("/", "-")
        group = confinement.join_cgroup(f"seatrial-{trial}-{os.getpid()}", guest)
        self._confinement = Confinement(mode=confinement.PLAIN, why=self._plain, dropped=dropped, cgroup=group)
        return guest, keep

    def _fork_confined(self, boot_id: str) -> tuple[int, int]:
        """Fork through a process that enters the namespaces and ends, so that the guest becomes our own child."""
        go, keep = os.pipe()
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            os.close(keep)
            os.close(told)
            self._be_between(boot_id, go, tell)
        os.close(go)
        os.close(tell)
        try:
            os.waitpid(between, 0)
            said = b""
            while not said.endswith(b"\n\n") and (part := os.read(told, 65536)):
                said += part
            lines = [json.loads(line) for line in said.split(b"\n") if line]
        finally:
            os.close(told)
        guest = next((line["pid"] for line in lines if "pid" in line), 0)
        report = next((line["report"] for line in lines if "report" in line), None)
        if report is None:
            os.close(keep)
            if guest:
                os.waitpid(guest, 0)
            raise OSError(
                next((line["error"] for line in lines if "error" in line), "the namespaces were not reported")
            )
        self._confinement = Confinement(**report)
        return guest, keep

    def _be_between(self, boot_id: str, go: int, tell: int) -> None:
        try:
            how = confinement.enter_namespaces()
            ready, begin = os.pipe()
            guest = os.fork()
            if guest:
                _tell(tell, {"pid": guest})
                os.write(begin, b"b")
                os._exit(0)
            os.close(begin)
            os.read(ready, 1)
            os.close(ready)
            os.setsid()
            report = confinement.settle(self._folder, self._machine["name"], how)
            _tell(tell, {"report": asdict(report)}, last=True)
        except OSError as error:
            _tell(tell, {"error": str(error)}, last=True)
            os._exit(1)
        os.close(tell)
        self._be_guest(boot_id, go, confined=True)

    def _be_guest(self, boot_id: str, go: int, *, confined: bool) -> None:
        """In the guest: wait for the word, live, and end without any of the box's own endings."""
        from seatrial.providers.local import guest

        code = guest.BROKEN
        try:
            if not os.read(go, 1):
                os._exit(code)
            confinement.die_with_parent()
            # The box may have gone before the kernel was asked to watch it.
            if select.select([go], [], [], 0)[0]:
                os._exit(code)
            if not confined:
                confinement.adopt_orphans()
            life = guest.Guest(self._folder, self._machine, boot_id, confined=confined)
            code = asyncio.run(life.run(_BLOCKED))
        except BaseException as error:  # noqa: BLE001  the process ends here whatever it was, and says why
            traceback.print_exc()
            (self._folder / "run/error").write_text(f"{type(error).__name__}: {error}")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _watch(self, guest: int) -> int:
        """Wait for the guest's end, reaping orphans; SIGTERM is the power button."""
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            got = signal.sigwaitinfo(_WAITED_FOR) if left is None else signal.sigtimedwait(_WAITED_FOR, left)
            if got is None:
                self._state["error"] = "the guest did not stop in its time and was cut off"
                os.kill(guest, signal.SIGKILL)
                deadline = time.monotonic() + 3600
            elif got.si_signo == signal.SIGTERM and not self._button:
                self._button = True
                deadline = time.monotonic() + self._stop_time() + _PATIENCE
                os.kill(guest, signal.SIGTERM)
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if pid == guest:
                    return os.waitstatus_to_exitcode(status)
                if pid == 0:
                    break

    def _stop_time(self) -> float:
        total = 0.0
        for path in (self._folder / "services").glob("*.json"):
            with suppress(OSError, ValueError):
                total += float(json.loads(path.read_text()).get("stop_timeout", 5.0))
        return total

    def _sweep(self) -> None:
        """After a guest's end no process of it may live; in namespaces the kernel has already ensured this."""
        error = self._folder / "run/error"
        if error.exists():
            self._state["error"] = error.read_text()
            error.unlink()
        if self._confinement is not None and self._confinement.mode == confinement.PLAIN:
            tree.kill_orphans(self._state)
            tree.remove_cgroup(self._state)

    def _write(self, **changes: object) -> None:
        self._state |= changes
        write_whole(self._folder / "state.json", json.dumps(self._state))


def _tell(pipe: int, what: dict[str, object], *, last: bool = False) -> None:
    os.write(pipe, json.dumps(what).encode() + (b"\n\n" if last else b"\n"))


def main(arguments: list[str]) -> int:
    """Be the box of the machine in the given folder."""
    folder = Path(arguments[0]).resolve()
    machine = json.loads((folder / "machine.json").read_text())
    tags: dict[str, str] = {**machine["env"], "SEATRIAL_NODE_FOLDER": str(folder)}
    if any(os.environ.get(name) != value for name, value in tags.items()):
        # The tags must be in the environment as the kernel shows it: nodes are found by them.
        os.execve(sys.executable, [sys.executable, "-m", __spec__.name, str(folder)], {**os.environ, **tags})
    if os.getpid() != os.getsid(0):
        os.setsid()
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{folder}: this machine is switched on already", file=sys.stderr)  # noqa: T201
        return 3
    console = os.open(machine.get("console", folder / "console.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(console, stream)
    os.close(console)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    import asyncssh  # noqa: F401  imported once here, so that every boot is but a fork

    return Box(folder).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
