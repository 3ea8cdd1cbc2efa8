"""Removing a project by its name alone: what its engine has with the project's label, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
from collections.abc import Mapping
from itertools import pairwise

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine
from seatrial.links.containers.engines import again
from seatrial.links.containers.resources import take_away
from seatrial.links.process.table import command_lines
from seatrial.model.resource import Resource
from seatrial.systems.compose.model import PROJECT

CALLS = 30.0
"""Seconds for the engine's own calls to end, once their tool is dead."""

SLOW = 10.0
"""Seconds in which at least one thing must go: Podman removes a container late that restarts at that moment."""

LISTS: Mapping[str, tuple[str, ...]] = {
    "container": ("ps", "--all", "--quiet", "--no-trunc"),
    "volume": ("volume", "ls", "--quiet"),
    "network": ("network", "ls", "--format", "{{.Name}}"),
}
"""In the order in which they can be removed."""


async def give_back(resource: Resource) -> None:
    """End a tool that still works for the project, then remove its containers, volumes, networks and built images."""
    engine, project = again(resource.detail), str(resource.detail["project"])
    await _tools_gone(project)
    clock, most, latest = asyncio.get_running_loop().time, math.inf, 0.0
    while left := [(kind, name) for kind in LISTS for name in await _named(engine, kind, project)]:
        refused: CannotTell | None = None
        for kind, name in left:
            try:
                await take_away(engine, kind, name)
            except CannotTell as error:  # Podman keeps a container that another one depends on
                refused = error
        if len(left) < most:
            most, latest = len(left), clock() + SLOW
        elif clock() > latest:
            raise refused or CannotTell(f"{engine.name} still has {', '.join(name for _, name in left)} of {project}")
        else:
            await asyncio.sleep(0.1)
    for image in await engine.names(
        "image", "ls", "--quiet", "--filter", f"label={PROJECT}={project}", what=f"listing the images of {project}"
    ):
        await engine.attempt("image", "rm", "--force", image, what=f"removing an image of {project}")


async def _named(engine: Engine, kind: str, project: str) -> list[str]:
    wanted = ("--filter", f"label={PROJECT}={project}")
    return await engine.names(*LISTS[kind], *wanted, what=f"listing the {kind}s of {project}")


async def _tools_gone(project: str) -> None:
    """Kill a tool that outlived its caller, and wait for the calls of the engine that it had begun: no container may
    appear after a look."""
    clock = asyncio.get_running_loop().time
    until = clock() + CALLS
    for pid in _calls(project, own=True):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while calls := [*_calls(project, own=True), *_calls(project, own=False)]:
        if clock() > until:
            raise CannotTell(f"a call of the container engine is still running (process {calls[0]}) for {project}")
        await asyncio.sleep(0.02)


def _calls(project: str, *, own: bool) -> list[int]:
    """The processes of the tool for this project (`own`), or those of its engine."""
    label = f"compose.project={project}".encode()
    found = []
    for pid, words in command_lines():
        if own:
            mine = any(pair == (b"--project-name", project.encode()) for pair in pairwise(words))
        else:
            mine = any(word.endswith(label) for word in words[2:]) and words[0].rpartition(b"/")[2] == b"podman"
        if mine:
            found.append(pid)
    return found
