"""A project whose nodes are containers of Podman, programs in the engine's place, and what of it is left there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.harness import Document, Project, suite
from tests.backends import podman

SERVICE: Document = {
    "kind": "processes",
    "service": {"command": ["sleep", "100000"]},
    "health": {"command": ["true"]},
}


def on_containers(project: Project, **settings: Any) -> None:
    """Write the project's settings."""
    given = {"engine": "podman", "image": IMAGE, **settings}
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    (project.folder / "seatrial.toml").write_text("\n".join(["[providers.containers]", *lines]) + "\n")


def one_container(*steps: Document | str, **more: Any) -> Document:
    """A document with one suite on one node."""
    more = {"parameters": {"cluster_size": 1}, **more}
    return {"system": SERVICE, **suite("init", "deploy", *steps, provider="containers", **more)}


def cache_of_tests(patch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> None:
    """What is found out about engines is kept for the test process, not for the user."""
    patch.setenv("XDG_CACHE_HOME", str(factory.getbasetemp() / "cache"))


def left_in_podman(project: Project) -> list[str]:
    """Containers, networks and volumes that carry this project's label."""
    return podman.left("podman", podman.environment(), project.folder)


def engine(*words: str) -> str:
    """Podman's own answer."""
    env = {**os.environ, **podman.environment()}
    done = subprocess.run(["podman", *words], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def stand_in(folder: Path, script: str) -> str:
    """A program called podman that does this before it hands over to the real one."""
    path = folder / "engine" / "podman"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\n{script}\nexec {shutil.which("podman")} "$@"\n')
    path.chmod(0o755)
    return str(path)
