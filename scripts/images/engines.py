"""Container images in the stores of the installed engines."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.images.cache import Failed

IMAGE = "localhost/seatrial-node:latest"
POSTGRES = "localhost/seatrial-postgres:latest"
TOOLBOX = "localhost/seatrial-toolbox:latest"
DOCKHAND = "localhost/seatrial-dockhand:latest"
WEBAPP = "localhost/seatrial-webapp-base:latest"
LABEL = "seatrial-image"
"""Of the image: the checksum of its inputs."""

# Settings for machines where plain podman fails: cgroups of version 1, no systemd, no right to raise limits.
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


def deliver(
    tar: Path, key: str, *, image: str, changes: Sequence[str], force: bool, say: Callable[[str], None]
) -> None:
    """Import an image into podman's and docker's store, unless it is up to date; a missing engine is left out.

    `changes` are lines of a Dockerfile for its command. Failed when an installed engine refuses.
    """
    engines = [name for name in ("podman", "docker") if shutil.which(name)]
    reached = 0
    for name in engines:
        with _environment(name) as env:
            if env is None:
                say(f"{image}: {name} is installed, but its service does not answer; left out")
                continue
            reached += 1
            _import(name, env, tar, key, _Wanted(image, changes, force), say)
    if not reached:
        say(f"{image}: no engine took it; later: podman import {tar} {image}")


@dataclass(frozen=True)
class _Wanted:
    """The file to import, and its name and changes."""

    image: str
    changes: Sequence[str]
    force: bool


def _import(name: str, env: dict[str, str], tar: Path, key: str, wanted: _Wanted, say: Callable[[str], None]) -> None:
    image = wanted.image
    asked = [name, "image", "inspect", "--format", f'{{{{.Id}}}} {{{{index .Config.Labels "{LABEL}"}}}}', image]
    had = subprocess.run(asked, env=env, capture_output=True, text=True, check=False)
    old, _, old_key = had.stdout.strip().partition(" ") if had.returncode == 0 else ("", "", "")
    if old_key == key and not wanted.force:
        say(f"{image} is in {name}'s store")
        return
    changes = [f"LABEL {LABEL}={key}", *wanted.changes]
    argv = [name, "import", *(word for change in changes for word in ("--change", change)), str(tar), image]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{name} did not import {tar}: {done.stderr.strip()[-500:]}")
    if old:
        # The old image has no name any more; it stays if a container uses it.
        subprocess.run([name, "rmi", old], env=env, capture_output=True, check=False)
    say(f"{image} {'renewed' if old else 'imported'} in {name}'s store")


@contextlib.contextmanager
def _environment(name: str) -> Iterator[dict[str, str] | None]:
    """A working environment for the engine, found by calling it; None when it does not work."""
    plain = dict(os.environ)
    if _answers(name, plain):
        yield plain
    elif name != "podman" or "CONTAINERS_CONF" in os.environ:
        yield None
    else:
        with tempfile.NamedTemporaryFile("w", prefix="seatrial-containers-", suffix=".conf") as file:
            file.write(CONFIGURATION)
            file.flush()
            own = {**plain, "CONTAINERS_CONF": file.name}
            yield own if _answers(name, own) else None


def _answers(name: str, env: dict[str, str]) -> bool:
    """Whether the engine lists its images; podman's store needs no more."""
    asked = subprocess.run([name, "images", "--quiet"], env=env, capture_output=True, timeout=60, check=False)
    return asked.returncode == 0
