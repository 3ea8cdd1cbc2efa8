"""Rows of the system `compose`, by podman-compose on Podman: skipped where these are missing."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.acceptance.compose_project import FAST, SITE, service
from tests.acceptance.harness import Document, Project, suite, validate
from tests.backends import podman, tools
from tests.truth.case import Case
from tests.truth.documents import LETTERS, command

BACKEND = "compose in podman"
TAKEN = "TAKEN"
"""In a compose file: a port of this host that somebody has."""

SITE_UP: Document = service(SITE, ports=["8000"], healthcheck={"test": ["CMD", "true"], **FAST})
SERVICES: Document = {"web": SITE_UP, "db": service()}
OTHER: Document = {"web": service(SITE, ports=["8000"], healthcheck={"test": ["CMD", "false"], **FAST})}
WRONG = {"http": "http://127.0.0.1:${{ node.ports['8000'] }}/", "that": "body.contains('welcome')"}
WEB_ID = '$(podman ps --quiet --filter "label=seatrial.project=$PWD" --filter label=com.docker.compose.service=web)'
BREAKS = 'test ! -e "{folder}/broken" || {{ echo "Error: cannot connect to podman" >&2; exit 125; }}'
"""A program in the engine's place that does not answer any more once there is a file `broken`."""


def missing() -> str | None:
    """Why these rows cannot be run here."""
    return podman.why_not() or tools.why_not("podman-compose")


@contextmanager
def _beside(project: Project, compose: str) -> Iterator[Mapping[str, Any]]:
    """The compose file, a port that is taken, and an engine that may break."""
    engine = project.folder / "engine" / "podman"
    engine.parent.mkdir()
    script = BREAKS.format(folder=project.folder)
    engine.write_text(f'#!/bin/sh\n{script}\nexec {shutil.which("podman")} "$@"\n')
    engine.chmod(0o755)
    path = f"{engine.parent}:{os.environ['PATH']}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = compose.replace(TAKEN, str(taken.getsockname()[1]))
        (project.folder / "compose.yaml").write_text(text)
        env = {**podman.environment(), "PATH": path, "SEATRIAL_CACHE_DIR": str(project.folder / "cache")}
        yield {"env": env}


def row(what: str, look: str, letter: str, *steps: Document | str, services: Document | None = None, compose: str = "",
        deadline: int = 60, system: Document | None = None, **more: Any) -> Case:  # fmt: skip
    planted, right = LETTERS[letter]
    text = compose or json.dumps({"services": SERVICES if services is None else services})
    given = {"kind": "compose", "tool": str(tools.path("podman-compose") or "podman-compose"), **(system or {})}
    document = suite("deploy", *steps, provider="containers", deadlines={"deploy": deadline})
    return Case(system="compose", what=what, look=look, planted=planted, right=right, backend=BACKEND,
                document={"system": given, **document}, around=lambda project: _beside(project, text),
                **more)  # fmt: skip


def http(path: str) -> Document:
    url = '${{ "http://127.0.0.1:" + string(nodes["web"].ports["8000"]) + "PATH" }}'.replace("PATH", path)
    return {"check": "http", "url": url, "status": 200, "timeout": 3}


def _deployments() -> Iterator[Case]:
    yield row("a service is down", "deploy", "F", services=OTHER, deadline=10)
    yield row("a wrong answer", "deploy", "F", deadline=10, system={"health": {"web": WRONG}})
    yield row("a container restarts in a loop", "deploy", "F",
              services={"web": service("exit 3", restart="always")}, deadline=10)  # fmt: skip
    yield row("the image is missing", "deploy", "U", services={"web": {"image": "localhost/seatrial-none-of-ours:1"}},
              words="seatrial-none-of-ours")  # fmt: skip
    yield row("the tool is missing", "deploy", "U", system={"tool": "compose-nowhere"}, words="is not installed")
    yield row("a fixed port is taken", "deploy", "U", system={"ports": "fixed"},
              services={"web": service(ports=[f"127.0.0.1:{TAKEN}:8000"])})  # fmt: skip
    yield row("the file is no YAML", "check", "R", compose="services:\n  web:\n    image: a\n   x: 1\n",
              words="compose.yaml:4:4")  # fmt: skip
    yield row("there are no services", "check", "R", compose="services: {}\n", words="there are no services")


def _afterwards() -> Iterator[Case]:
    whole = validate("cluster_status", "all_nodes_running", "ssh_connectivity", "database_running", http("/"))
    yield row("nothing", "every check of the whole", "P", whole)
    yield row("a health check lies", "http", "F", validate(http("/ready")))
    for check in ("cluster_status", "node_status:web", "node_status:web:stopped", "cluster_status!=running"):
        steps = [command("touch broken"), validate(check)]
        away: Document = {"step": "group", "steps": steps, "finally": [command("rm broken")]}
        yield row("the engine does not answer for a while", check, "U", away)
    cut = command(f'podman network disconnect "$SEATRIAL_TRIAL_ID"_default {WEB_ID}')
    for check, letter in (("node_status:web", "F"), ("node_status:web:unreachable", "P"), ("cluster_status", "F"),
                          ("health_status[web].network!=ok", "P")):  # fmt: skip
        yield row("a service is cut off its network", check, letter, cut, validate(check))
    yield row("a service is cut off its network", "http", "F", cut, validate(http("/")))
    gone = command(f"podman rm --force --time 0 {WEB_ID}")
    for check, letter in (("all_nodes_running", "F"), ("cluster_status", "F"), ("cluster_degraded", "P")):
        yield row("somebody removes a container", check, letter, gone, validate(check), services=three())


def three() -> Document:
    return {"web": service(), "db": service(), "third": service()}


CASES = [*_deployments(), *_afterwards()]
