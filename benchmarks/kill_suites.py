"""The suites that `kills` runs: their steps and services leave daemons that try to escape."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.images.engines import IMAGE
from tests.acceptance.harness import Document, Project, suite
from tests.backends import podman

MARK = f"sleep 86431.{os.getpid()}"
"""The daemons' command: of this campaign alone."""

_NULL = "</dev/null >/dev/null 2>&1"

_DAEMON = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
null = os.open(os.devnull, os.O_RDWR)
for number in range(3): os.dup2(null, number)
os.chdir("/")
os.execve("/bin/sleep", MARK.split(), {})
"""
"""Forks twice, and has neither a folder, a parent, a terminal nor an environment of its trial."""

_CHAIN = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
end = time.monotonic() + 90
mark = MARK
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    time.sleep(0.004)
"""
"""Each process lives for milliseconds and has one child."""


def _python(program: str) -> str:
    return f"python3 -c '{program.replace('MARK', repr(MARK).replace(chr(39), chr(34)))}' {_NULL}"


def _as_root(command: str) -> str:
    return f'[ "$(id -u)" != 0 ] || {command}'


ESCAPES: Mapping[str, str] = {
    "background": f"{MARK} {_NULL} &",
    "nohup": f"nohup {MARK} {_NULL} &",
    "setsid": f"setsid {MARK} {_NULL} &",
    "without an environment": f"env -i setsid {MARK} {_NULL} &",
    "forked twice": _python(_DAEMON),
    "chain of forks": _python(_CHAIN),
    "another user": _as_root(f"{{ setsid runuser -u nobody -- env -i {MARK} {_NULL} & }}"),
    "su -": _as_root(f"{{ su - -s /bin/sh nobody -c 'setsid {MARK}' {_NULL} & }}"),
    "a mount of its own": _as_root(
        f"{{ setsid unshare --mount sh -c 'mount -t tmpfs none /mnt && exec {MARK}' {_NULL} & }}"
    ),
    "namespaces of its own": _as_root(f"{{ setsid unshare --pid --fork --net --ipc --uts {MARK} {_NULL} & }}"),
    "in the foreground": f"timeout 3 {MARK} || true",
}
"""How a command leaves a daemon, as shell text."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a suite runs."""

    name: str
    seconds: float
    """How long its runs take at most: the signal comes at a random moment of it."""
    command: str = "run"
    absent: Callable[[], str | None] = lambda: None
    """Why it is not to be had here."""
    settings: Callable[[Project, random.Random], str] = lambda project, chance: ""
    system: Document | None = None
    inside: Sequence[str] = tuple(ESCAPES)
    """The escapes on its nodes; on this host all."""
    stop: Callable[[Project], None] = lambda project: None

    @property
    def words(self) -> tuple[str, ...]:
        return (self.command, "kill.json", *(("--format", "none") if self.command == "run" else ()))


def write(place: Place, project: Project, chance: random.Random) -> tuple[str, ...]:
    """Write the settings and the document of one kill; the escapes in it."""
    (project.folder / "seatrial.toml").write_text(place.settings(project, chance))
    here, there = chance.sample([*ESCAPES], 3), chance.sample([*place.inside], 3)
    document = _pipeline(here) if place.command == "preflight" else _suites(place, here, there)
    project.write("kill.json", document)
    return (*here, *(f"{name} on a node" for name in there if place.command == "run"))


def _suites(place: Place, here: Sequence[str], there: Sequence[str]) -> Document:
    on_host = [{"step": "custom_command", "custom_command": ESCAPES[name], "timeout": 20} for name in here]
    on_node = [
        {**step, "on": "n11", "custom_command": ESCAPES[name]} for step, name in zip(on_host, there, strict=True)
    ]
    looks = {"step": "validate", "checks": [{"check": "command", "command": ["sh", "-c", ESCAPES[here[0]]]}]}
    more: dict[str, Any] = {"parameters": {"cluster_size": 1}, "provider": place.name}
    if place.system:
        more["system"] = place.system
    both = {"step": "parallel", "steps": [on_host[0], on_node[0]]}
    steps: list[Document | str] = [
        "init",
        "deploy",
        both,
        *on_host[1:],
        *on_node[1:],
        looks,
        {"step": "wait", "for": 1},
    ]
    return suite(*steps, "destroy", **more)


def _pipeline(here: Sequence[str]) -> Document:
    checks: Document = {f"c{at}": {"run": f"{ESCAPES[name]} sleep 0.5"} for at, name in enumerate(here)}
    checks["w"] = {"run": "sleep 1"}
    return {"pipeline": {"stages": {"quality": {"checks": checks}}}}


SLEEPS: Document = {
    "kind": "processes",
    "service": {"command": ["sh", "-c", f"{ESCAPES['forked twice']}; exec {MARK}"]},
    "health": {"command": ["true"]},
}


def _local(project: Project, chance: random.Random) -> str:
    return '[providers.local]\nconfinement = "plain"\n' if chance.random() < 0.3 else ""


def _containers(project: Project, chance: random.Random) -> str:
    return f'[providers.containers]\nengine = "podman"\nimage = "{IMAGE}"\n'


# A real sshd in namespaces of its own, with its own users and homes: what it leaves is of that machine alone.

_SSHD = r"""
mount --make-rprivate /
for f in passwd shadow group; do mount --bind "$D/etc/$f" "/etc/$f"; done
mount --bind "$D/home" /home; mount --bind "$D/root" /root
mkdir -p /var/lib/seatrial /run/sshd; mount --bind "$D/lib" /var/lib/seatrial
exec /usr/sbin/sshd -D -e -f "$D/sshd_config"
"""
_MACHINES: dict[Path, subprocess.Popen[bytes]] = {}


def _ssh(project: Project, chance: random.Random) -> str:
    """A machine for this kill, logged in to as root or as bob."""
    machine, port = project.folder / "machine", chance.randrange(20_000, 30_000)
    for name in ("etc", "home/bob/.ssh", "root/.ssh", "lib"):
        (machine / name).mkdir(parents=True)
    for name in ("key", "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(machine / name)], check=True)
    lines = {
        "passwd": "bob:x:6001:6001::/home/bob:/bin/sh",
        "shadow": "bob:*:19000:0:99999:7:::",
        "group": "bob:x:6001:",
    }
    for name, line in lines.items():
        (machine / "etc" / name).write_text(Path("/etc", name).read_text() + line + "\n")
    for home in ("home/bob", "root"):
        shutil.copy(machine / "key.pub", machine / home / ".ssh" / "authorized_keys")
    for path in (machine / "home/bob", machine / "home/bob/.ssh", machine / "home/bob/.ssh/authorized_keys"):
        os.chown(path, 6001, 6001)
    options = (
        "ListenAddress 127.0.0.1", f"Port {port}", f"HostKey {machine / 'hostkey'}", "PidFile none", "UsePAM no",
        "AuthorizedKeysFile .ssh/authorized_keys", "StrictModes no", "PermitRootLogin yes",
        "Subsystem sftp internal-sftp",
    )  # fmt: skip
    (machine / "sshd_config").write_text("\n".join(options) + "\n")
    argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "sh", "-c", _SSHD]
    with (machine / "log").open("wb") as log:
        _MACHINES[project.folder] = subprocess.Popen(
            argv, env={**os.environ, "D": str(machine)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    end = time.monotonic() + 20
    while b"Server listening" not in (machine / "log").read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    host = {
        "name": '"n11"', "host": '"127.0.0.1"', "port": str(port), "user": f'"{chance.choice(["root", "bob"])}"',
        "key": f'"{machine / "key"}"', "known_host": json.dumps((machine / "hostkey.pub").read_text().strip()),
    }  # fmt: skip
    words = ", ".join(f"{name} = {value}" for name, value in host.items())
    return f"[providers.ssh]\nhosts = [{{{words}}}]\n"


def _no_ssh() -> str | None:
    if os.getuid() != 0:
        return "a machine with users of its own needs root"
    return None if Path("/usr/sbin/sshd").exists() else "there is no sshd (apt-get install openssh-server)"


def _remains_on_machine(project: Project) -> None:
    """End the machine, once only its server is left in it: the rest was Seatrial's to end."""
    machine = _MACHINES.pop(project.folder, None)
    if machine is None:
        return
    remains = machine_programs(machine.pid)
    machine.kill()
    machine.wait()
    if remains:
        (project.folder / ".seatrial/ledger").mkdir(parents=True, exist_ok=True)
        (project.folder / ".seatrial/ledger/left-on-machine").write_text("\n".join(remains))


def machine_programs(pid: int) -> list[str]:
    """The daemons in the machine's namespace of processes."""
    found = []
    with suppress(OSError):
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ours = Path(f"/proc/{child}/ns/pid").readlink()
        for other in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                command = Path(f"/proc/{other}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if Path(f"/proc/{other}/ns/pid").readlink() == ours and MARK in command:
                    found.append(f"on the machine: {other} {command}")
    return found


PLACES: Mapping[str, Place] = {
    place.name: place
    for place in (
        Place(name="local", seconds=7.0, settings=_local, system=SLEEPS),
        Place(name="containers", seconds=10.0, settings=_containers, system=SLEEPS, absent=podman.why_not,
              inside=("background", "nohup", "setsid", "without an environment", "forked twice", "chain of forks")),
        Place(name="ssh", seconds=8.0, settings=_ssh, system=SLEEPS, absent=_no_ssh, stop=_remains_on_machine),
        Place(name="preflight", seconds=3.0, command="preflight"),
    )
}  # fmt: skip
