"""Resources of a container engine, removed by name; removing a missing one succeeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.containers import STARTING, Engine, NoSuchImage, NoSuchThing, clients_gone, refusal

PULL = 600.0
"""Seconds for an image pull."""

LOG_LINES = "20000"


def labelled(labels: Mapping[str, str]) -> list[str]:
    """The arguments that set labels on a resource."""
    return [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]


async def take_away(engine: Engine, kind: str, name: str) -> None:
    """Remove a container (with its unnamed volumes), a volume or a network; CannotTell with the reason of a failure."""
    await clients_gone(engine, [name])
    argv = {
        "container": ["rm", "--force", "--volumes", *(["--time", "0"] if engine.podman else []), name],
        "volume": ["volume", "rm", "--force", name],
        "network": ["network", "rm", name],
    }[kind]
    what = f"removing the {kind} {name}"
    done = await engine.attempt(*argv, what=what)
    if not done.ok and not isinstance(refused := refusal(engine, what, done), NoSuchThing):
        raise refused
    if kind == "container":  # callers waiting for it learn of its end
        await clients_gone(engine, [name], verbs=STARTING)


async def bring_image(engine: Engine, image: str) -> bool:
    """Pull an image if the store does not have it; returns whether it was pulled. NoSuchImage and CannotTell include a
    remedy."""
    what = f"the image {image}"
    try:
        await engine.call("image", "inspect", "--format", "{{.Id}}", image, what=what)
        return False
    except NoSuchImage as error:
        if image.startswith("localhost/"):
            raise NoSuchImage(
                f"{what} is not in {engine.name}'s store, and local images (`localhost/`) cannot be pulled: "
                "build it, or name another image"
            ) from error
    try:
        await engine.call("pull", "--quiet", image, what=f"pulling {image}", timeout=PULL)
    except CannotTell as error:
        hint = "is the name right, and can this machine reach the registry?"
        raise CannotTell(f"{error}; {hint}", evidence=error.evidence) from error
    return True


async def status_of(engine: Engine, container: str) -> tuple[str, str]:
    """The engine's state of it, and its exit code: `running`, `0`."""
    form = "{{.State.Status}}|{{.State.ExitCode}}"
    text = await engine.call("container", "inspect", "--format", form, container, what=f"looking at {container}")
    status, _, code = text.strip().partition("|")
    return status, code


async def log_of(engine: Engine, container: str) -> str:
    """The last 20000 lines of a container's output; empty when the container does not exist."""
    what = f"reading the log of {container}"
    done = await engine.attempt("logs", "--tail", LOG_LINES, container, what=what, timeout=20)
    if not done.ok:
        refused = refusal(engine, what, done)
        return "" if isinstance(refused, NoSuchThing) else f"no log: {refused}"
    return done.stdout + done.stderr


_OURS = re.compile(
    r"PATH|HOME|USER|TMPDIR|NOTIFY_SOCKET|GODEBUG|(?:LD|XDG|CONTAINERS?|DOCKER|BUILDAH|STORAGE|REGISTRY|PODMAN|LISTEN|"
    r"_CONTAINERS|SEATRIAL_STEP)_.*|CONTAINER_HOST"
)
"""Variables that would affect the engine's own command."""


def environment_words(env: Mapping[str, str], file: Path) -> tuple[list[str], dict[str, str]]:
    """Arguments and an environment for the engine's command to set these variables in a container. The arguments
    contain no values, because everybody on this machine can read them. Variables with an effect on the command itself
    go through a file readable only by this user; CannotTell when one of these has several lines."""
    through_file = {name: value for name, value in env.items() if _OURS.fullmatch(name)}
    others = {name: value for name, value in env.items() if name not in through_file}
    words = [word for name in others for word in ("--env", name)]
    if through_file:
        if several := [name for name, value in through_file.items() if "\n" in value]:
            raise CannotTell(f"the variable {several[0]} has several lines: a container cannot get it")
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in through_file.items()))
        words += ["--env-file", str(file)]
    return words, others
