"""Podman as it is on this machine, with the node image of `make backends`."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scripts.images.engines import CONFIGURATION, IMAGE, POSTGRES, TOOLBOX


@functools.cache
def no_database() -> str | None:
    """Why no container with a database can be started here, or None."""
    if why := why_not():
        return why
    if _run(["podman", "image", "exists", POSTGRES]).returncode:
        return f"podman has no image {POSTGRES}: `make backends` makes it"
    return None


@functools.cache
def no_toolbox() -> str | None:
    """Why the example of builds and checks cannot run in containers here, or None."""
    if why := no_database():
        return why
    if _run(["podman", "image", "exists", TOOLBOX]).returncode:
        return f"podman has no image {TOOLBOX}: `make backends` makes it"
    return None


@functools.cache
def why_not() -> str | None:
    """Why no container can be started here, or None; tried by starting one."""
    if not shutil.which("podman"):
        return "podman is not installed: `make backends` installs it"
    if _run(["podman", "image", "exists", IMAGE]).returncode:
        return f"podman has no image {IMAGE}: `make backends` makes it"
    return _tried()[1]


def environment() -> Mapping[str, str]:
    """What the environment has to hold beside ours so that podman works here; empty where it works as it is."""
    return _tried()[0]


@functools.cache
def _tried() -> tuple[Mapping[str, str], str | None]:
    plain = _starts({})
    if plain is None:
        return {}, None
    handle, name = tempfile.mkstemp(prefix="seatrial-tests-", suffix=".conf")
    os.close(handle)
    atexit.register(lambda: Path(name).unlink(missing_ok=True))
    Path(name).write_text(CONFIGURATION)
    own = {"CONTAINERS_CONF": name}
    told = _starts(own)
    return (own, None) if told is None else ({}, f"podman starts no container: {plain}; with settings of ours: {told}")


def _starts(more: Mapping[str, str]) -> str | None:
    done = _run(["podman", "run", "--rm", "--network", "none", IMAGE, "true"], more)
    return None if done.returncode == 0 else done.stderr.strip()[-300:]


def _run(argv: list[str], more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env={**os.environ, **(more or {})}, capture_output=True, text=True, timeout=300, check=False
    )


def left(engine: str, more: Mapping[str, str], below: Path) -> list[str]:
    """Containers, networks and volumes of ours whose project is in a folder, with the engine's own list."""
    found = []
    for kind, name in (("container", "ps --all"), ("network", "network ls"), ("volume", "volume ls")):
        listed = _run([engine, *name.split(), "--filter", "label=seatrial.project", "--format", "json"], more)
        if listed.returncode:
            found.append(f"{engine}'s list of {kind}s could not be read: {listed.stderr.strip()[-200:]}")
            continue
        for entry in _entries(listed.stdout):
            labels = entry.get("Labels") or entry.get("labels") or {}
            project = labels.get("seatrial.project", "") if isinstance(labels, dict) else str(labels)
            if str(below) in project:
                found.append(f"the {kind} {entry.get('Names') or entry.get('Name') or entry.get('name')} ({engine})")
    return found


def _entries(text: str) -> list[dict[str, object]]:
    """One list, as podman prints it."""
    return list(json.loads(text or "[]") or [])
