"""Rows of the provider `containers`, on a real engine: skipped where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.images.engines import IMAGE
from tests.acceptance.harness import Document, Project, suite, validate
from tests.backends import podman
from tests.truth.case import Case
from tests.truth.documents import LETTERS, command

SERVICE: Document = {"kind": "processes", "service": {"command": ["sleep", "1000"]}, "health": {"command": ["true"]}}
MISSING = ["no-such-program-of-ours"]
MINE = '$(podman ps --all --quiet --filter "label=seatrial.project=$PWD")'


@contextlib.contextmanager
def _engine(project: Project, settings: Mapping[str, Any], script: str) -> Iterator[Mapping[str, Any]]:
    """The project's settings, and with a `script` a program in the engine's place that runs it first."""
    given: dict[str, Any] = {"engine": "podman", "image": IMAGE, "ssh": "no", **settings}
    if script:
        path = project.folder / "engine" / "podman"
        path.parent.mkdir()
        path.write_text(f'#!/bin/sh\n{script}\nexec {shutil.which("podman")} "$@"\n')
        path.chmod(0o755)
        given["engine"] = str(path)
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    (project.folder / "seatrial.toml").write_text("\n".join(["[providers.containers]", *lines, ""]))
    env = {**podman.environment(), "SEATRIAL_CACHE_DIR": str(project.folder / "cache")}
    try:
        yield {"env": env}
    finally:  # a row with a lame engine leaves its containers
        if script:
            environment = {**os.environ, **env}
            for kind in (["rm", "--force", "--time", "0"], ["network", "rm", "--force"]):
                what = ["network", "ls"] if kind[0] == "network" else ["ps", "--all"]
                argv = ["podman", *what, "--quiet", "--filter", f"label=seatrial.project={project.folder}"]
                names = subprocess.run(
                    argv, env=environment, capture_output=True, text=True, check=False
                ).stdout.split()
                if names:
                    subprocess.run(["podman", *kind, *names], env=environment, capture_output=True, check=False)


def row(what: str, look: str, letter: str, *steps: Document | str, settings: Mapping[str, Any] | None = None,
        script: str = "", system: Document = SERVICE, size: int = 1, deadline: int = 60,
        **more: Any) -> Case:  # fmt: skip
    planted, right = LETTERS[letter]
    document = suite("init", "deploy", *steps, provider="containers", system=system, deadlines={"deploy": deadline},
                     parameters={"cluster_size": size})  # fmt: skip
    return Case(system="containers", what=what, look=look, planted=planted, right=right, document=document,
                around=lambda project: _engine(project, settings or {}, script), backend="podman", **more)  # fmt: skip


def _rows() -> Iterator[Case]:
    yield row(
        "nothing", "every check of the whole", "P", validate("cluster_status", "ssh_connectivity", "all_nodes_running")
    )
    yield row(
        "the image is missing", "deploy", "U", settings={"image": "localhost/seatrial-none-of-ours", "pull": "never"}
    )
    yield row("the engine is missing", "deploy", "U", settings={"engine": "/nowhere/podman"})
    yield row(
        "the engine cannot make a container",
        "deploy",
        "U",
        script='case "$*" in *"run "*|*"create "*) echo no space left >&2; exit 125;; esac',
    )
    yield row(
        "the container ends at once",
        "deploy",
        "U",
        settings={"command": "image", "options": ["--entrypoint", '["/bin/sh", "-c", "exit 7"]']},
    )
    never = {**SERVICE, "health": {"command": ["false"]}}
    yield row("the service is never healthy", "deploy", "F", system=never, deadline=15)
    yield row("the program of the health is missing", "deploy", "U", system={**SERVICE, "health": {"command": MISSING}})
    kill = command(f"podman kill {MINE}")
    for check, letter in (("all_nodes_running", "F"), ("node_status:n11:stopped", "P"), ("cluster_status", "F"),
                          ("ssh_connectivity", "F")):  # fmt: skip
        yield row("somebody kills the container", check, letter, kill, validate(check))
    stop = {"step": "stop_node", "target_node": "n12"}
    for check, letter in (("cluster_degraded", "P"), ("cluster_status", "F"), ("node_status:n12:stopped", "P")):
        yield row("a node is stopped", check, letter, stop, validate(check), size=3)
    for what, text, letter in (("it ends with 1", "exit 1", "F"), ("it is killed", "kill -9 $$", "U"),
                               ("its program is missing", MISSING, "U")):  # fmt: skip
        yield row(what, "command in a container", letter, validate({"check": "command", "command": text, "on": "n11"}))


CASES = [*_rows()]
