"""What is made in a container engine, and taken away by its name alone; what is gone already is success."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.containers import STARTING, Engine, NoSuchImage, NoSuchThing, clients_gone, refusal

PULL = 600.0
"""Seconds for bringing an image."""

LOG_LINES = "20000"


def labelled(labels: Mapping[str, str]) -> list[str]:
    """The words that put labels on a thing."""
    return [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]


async def take_away(engine: Engine, kind: str, name: str) -> None:
    """Take a container (with its unnamed volumes), a volume or a network away; CannotTell says why it stays."""
    await clients_gone(engine, [name])
    argv = {
        "container": ["rm", "--force", "--volumes", *(["--time", "0"] if engine.podman else []), name],
        "volume": ["volume", "rm", "--force", name],
        "network": ["network", "rm", name],
    }[kind]
    what = f"giving back the {kind} {name}"
    done = await engine.attempt(*argv, what=what)
    if not done.ok and not isinstance(refused := refusal(engine, what, done), NoSuchThing):
        raise refused
    if kind == "container":  # whoever waited for it hears of its end
        await clients_gone(engine, [name], verbs=STARTING)


async def bring_image(engine: Engine, image: str) -> bool:
    """See to it that the store holds an image; whether it had to be pulled. NoSuchImage, CannotTell say what to do."""
    what = f"the image {image}"
    try:
        await engine.call("image", "inspect", "--format", "{{.Id}}", image, what=what)
        return False
    except NoSuchImage as error:
        if image.startswith("localhost/"):
            raise NoSuchImage(
                f"{what} is not in {engine.name}'s store, and images of this machine (`localhost/`) cannot be pulled: "
                "make it, or name another"
            ) from error
    try:
        await engine.call("pull", "--quiet", image, what=f"pulling {image}", timeout=PULL)
    except CannotTell as error:
        told = f"{error}; is the name right, and can this machine reach the registry?"
        raise CannotTell(told, evidence=error.evidence) from error
    return True


async def status_of(engine: Engine, container: str) -> tuple[str, str]:
    """What the engine calls its state, and its exit code: `running`, `0`."""
    form = "{{.State.Status}}|{{.State.ExitCode}}"
    said = await engine.call("container", "inspect", "--format", form, container, what=f"looking at {container}")
    status, _, code = said.strip().partition("|")
    return status, code


async def log_of(engine: Engine, container: str) -> str:
    """All that a container wrote, the last 20000 lines of it; nothing when there is no such container."""
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
"""Variables that would change what the engine's own command does."""


def environment_words(env: Mapping[str, str], file: Path) -> tuple[list[str], dict[str, str]]:
    """Words and an environment for the engine's command that give a container these variables: no value stands in the
    words, which everybody on this machine can read. Those that the command itself heeds go through a file that only
    this user reads; CannotTell when one of these has several lines."""
    through_file = {name: value for name, value in env.items() if _OURS.fullmatch(name)}
    others = {name: value for name, value in env.items() if name not in through_file}
    words = [word for name in others for word in ("--env", name)]
    if through_file:
        if several := [name for name, value in through_file.items() if "\n" in value]:
            raise CannotTell(f"the variable {several[0]} has several lines, and a container cannot be given that")
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in through_file.items()))
        words += ["--env-file", str(file)]
    return words, others
