"""Resources of a container engine, removed by name; removing a missing one succeeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.containers import (
    STARTING,
    Engine,
    NoSuchImage,
    NoSuchThing,
    clients_gone,
    pulling,
    refusal,
    said_by,
)
from seatrial.model.cluster import PowerState

POWER_STATES: Mapping[str, PowerState] = {
    "running": PowerState.RUNNING,
    "restarting": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "stopping": PowerState.RUNNING,
    **dict.fromkeys(("created", "configured", "initialized", "exited", "stopped", "dead"), PowerState.STOPPED),
}
"""An engine's word for a container's state, as a node's."""

WITHOUT_NETWORK = ("none", "host", "container:", "ns:", "pod", "private", "slirp4netns", "pasta", "service:")
"""How the modes of containers begin that are on no network of the engine."""

PULL = 600.0
"""Seconds for an image pull."""

LOG_LINES = 20000
NODE_LINES = 4000
"""Of a node: Podman takes 4 s to find the last 15,000, and longer the more they are."""


def has_networks(mode: str) -> bool:
    """Whether a container of this network mode has connections of its own, which can be taken away."""
    return not mode.startswith(WITHOUT_NETWORK)


def power_in(status: str, mode: str, networks: Collection[str]) -> PowerState:
    """A container's power: one that runs but was taken off all its networks cannot be reached."""
    power = POWER_STATES.get(status, PowerState.UNKNOWN)
    cut_off = status == "running" and not networks and has_networks(mode)
    return PowerState.UNREACHABLE if cut_off else power


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
    await removed(engine, *argv)
    if kind == "container":  # callers waiting for it learn of its end
        await clients_gone(engine, [name], verbs=STARTING)


async def removed(engine: Engine, *argv: str) -> None:
    """Run a command that removes its last argument; success if it does not exist."""
    what = f"removing {argv[-1]}"
    done = await engine.attempt(*argv, what=what)
    if not done.ok and not isinstance(refused := refusal(engine, what, done), NoSuchThing):
        raise refused


async def bring_image(
    engine: Engine, image: str, log: Callable[[str], None], *, pull: str = "missing", key: str = "image"
) -> None:
    """Pull an image, by the rule `missing`, `always` or `never`. NoSuchImage and CannotTell include a remedy with the
    key that names the image."""
    what = f"the image {image}"
    if pull != "always":
        try:
            await engine.call("image", "inspect", "--format", "{{.Id}}", image, what=what)
            return
        except NoSuchImage as error:
            local = image.startswith(pulling.LOCAL)
            if local or pull == "never":
                remedy = "build it (local images cannot be pulled)" if local else f"`{engine.name} pull {image}`"
                refused = f"{what} is not in {engine.name}'s store: {remedy}, or name another in `{key}`"
                raise NoSuchImage(refused) from error
    log(f"{engine.name} pulls {image}")
    what = f"pulling {image}, named in `{key}`"
    try:
        done = await engine.attempt("pull", "--quiet", image, what=what, timeout=PULL)
    except CannotTell as error:
        raise NoSuchImage(f"{error}; {pulling.remedy(engine, image, str(error))}") from error
    if done.ok:
        return
    fault, reason = refusal(engine, what, done), said_by(done)
    if type(fault) is CannotTell or isinstance(fault, NoSuchImage):
        text = f"{what}: {engine.name} says: {reason}; {pulling.remedy(engine, image, reason)}"
        raise type(fault)(text, evidence=fault.evidence)
    raise fault


async def status_of(engine: Engine, container: str) -> tuple[str, str]:
    """The engine's state of it, and its exit code: `running`, `0`."""
    form = "{{.State.Status}}|{{.State.ExitCode}}"
    text = await engine.call("container", "inspect", "--format", form, container, what=f"looking at {container}")
    status, _, code = text.strip().partition("|")
    return status, code


async def log_of(engine: Engine, container: str, lines: int = LOG_LINES) -> str:
    """The last lines of a container's output, or why there are none; empty when the container does not exist."""
    what = f"reading the log of {container}"
    try:
        done = await engine.attempt("logs", "--tail", str(lines), container, what=what, timeout=20)
    except CannotTell as error:
        return f"no log: {error}"
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
