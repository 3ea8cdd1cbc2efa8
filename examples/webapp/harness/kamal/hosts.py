"""The hosts, each reached by the system's own `ssh`; and the engine of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 120
BRINGING = 300
"""Time limits in seconds for one command, and for sending the image to a host."""


class Failed(Exception):
    """A command on a host or to the engine failed."""


@dataclass(frozen=True)
class Host:
    """One machine."""

    address: str
    user: str
    keys: tuple[str, ...]

    def argv(self, *command: str) -> list[str]:
        """The call of `ssh` for a command on the host."""
        options = [
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"),
            *("-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known_hosts()}"),
            *(word for key in self.keys for word in ("-i", key)),
        ]
        return ["ssh", *options, f"{self.user}@{self.address}", shlex.join(command)]

    def run(self, *command: str, input: str = "", may_fail: bool = False) -> str:
        """Its standard output; Failed with the end of its error output."""
        try:
            done = subprocess.run(
                self.argv(*command), input=input, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.address}: {' '.join(command[:3])} took longer than {PATIENCE} s") from None
        if done.returncode and not may_fail:
            said = done.stderr.strip()[-500:] or f"exit code {done.returncode}"
            raise Failed(f"{self.address}: {' '.join(command[:3])}: {said}")
        return done.stdout.strip()

    def write(self, path: str, content: str) -> None:
        """Write a file readable only by its owner."""
        script = 'umask 077; mkdir -p "$(dirname "$1")"; cat >"$1.new" && mv "$1.new" "$1"'
        self.run("sh", "-c", script, "sh", path, input=content)

    def bring(self, image: str) -> None:
        """Put an image of this machine into the host's store, unless the host has one with its name."""
        if self.run("sh", "-c", 'podman image exists "$1" && echo there', "sh", image, may_fail=True):
            return
        with subprocess.Popen([engine(), "save", image], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as saving:
            try:
                loaded = subprocess.run(
                    self.argv("podman", "load", "--quiet"),
                    stdin=saving.stdout,
                    capture_output=True,
                    text=True,
                    timeout=BRINGING,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                saving.kill()
                raise Failed(f"{self.address}: {image} was not there after {BRINGING} s") from None
            assert saving.stdout is not None
            assert saving.stderr is not None
            saving.stdout.close()
            complaint = saving.stderr.read().decode(errors="replace").strip()
        if saving.returncode or loaded.returncode:
            raise Failed(f"{self.address}: {image} did not arrive: {(complaint or loaded.stderr.strip())[-500:]}")


def known_hosts() -> str:
    """The file with the hosts' known keys."""
    return os.environ.get("SSH_KNOWN_HOSTS") or os.path.expanduser("~/.ssh/known_hosts")


def at_once(work: Callable[[Host], T], hosts: Iterable[Host]) -> Mapping[str, T]:
    """Do it on all hosts at the same time; raises the first failure after all have ended."""
    there = list(hosts)
    with ThreadPoolExecutor(max_workers=max(len(there), 1)) as pool:
        return dict(zip((host.address for host in there), pool.map(work, there), strict=True))


def engine() -> str:
    """The container engine of this machine."""
    for name in ("podman", "docker"):
        if shutil.which(name):
            return name
    raise Failed("neither podman nor docker is on PATH: an image is built by one of them")


def locally(argv: Sequence[str], *, shown: bool = False) -> str:
    """Run a command on this machine; Failed with the end of its error output. `shown`: print its output."""
    kept = None if shown else subprocess.PIPE
    done = subprocess.run(argv, stdout=kept, stderr=subprocess.STDOUT if shown else kept, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(argv[:2])}: {(done.stderr or '').strip()[-500:] or f'exit code {done.returncode}'}")
    return (done.stdout or "").strip()
