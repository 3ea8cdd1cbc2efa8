"""Everything on this machine that a trial could leave: processes, mounts, namespaces, cgroups, containers, files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seatrial.links.process.table import process_start

PLACES_OF_FILES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/netns")
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@dataclass(frozen=True)
class Snapshot:
    """The things of one moment, each as a line."""

    lines: frozenset[str]

    @classmethod
    def take(cls) -> Snapshot:
        """Look at this machine."""
        return cls(frozenset([*_processes(), *_mounts(), *_cgroups(), *_containers(), *_files()]))

    def since(self, before: Snapshot) -> list[str]:
        """What was not there before."""
        return sorted(self.lines - before.lines)


def _processes() -> Iterator[str]:
    """Every living process with its namespaces; with its environment's folders, to know whose it is."""
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):
            started = process_start(pid)
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if not started or not command or "/aardvark-dns" in command.split(" ")[0]:
                continue  # a kernel's thread; Podman's name server is one for all networks of this machine
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            where = [
                line.decode(errors="replace") for line in environ if line.startswith((b"TMPDIR=", b"SEATRIAL_PRO"))
            ]
            yield f"process {pid} ({started}): {command[:200]} {' '.join(where)}"
            for kind in KINDS:
                space = Path(f"/proc/{pid}/ns/{kind}").readlink()
                yield f"namespace {space} of {pid}: {command[:80]} {' '.join(where)}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield f"mount {line}"


def _cgroups() -> Iterator[str]:
    for path, folders, _ in os.walk("/sys/fs/cgroup"):
        yield from (f"cgroup {path}/{name}" for name in folders if name.startswith("seatrial-"))


def _containers() -> Iterator[str]:
    lists = {"container": ("ps", "--all"), "network": ("network", "ls"), "volume": ("volume", "ls")}
    for engine in filter(shutil.which, ("podman",)):
        for kind, words in lists.items():
            done = subprocess.run(
                [engine, *words, "--format", "{{.Names}}{{.Name}} {{.Labels}}"] if kind != "container"
                else [engine, *words, "--format", "{{.Names}} {{.Labels}}"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            yield from (f"{kind} of {engine}: {line}" for line in done.stdout.splitlines())


def _files() -> Iterator[str]:
    for place in PLACES_OF_FILES:
        with suppress(OSError):
            yield from (f"file {place}/{name}" for name in os.listdir(place))
