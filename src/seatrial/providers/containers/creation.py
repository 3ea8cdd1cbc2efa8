"""Making one container: its folder, its volumes, one call of the engine, and waiting for its init."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine, NotRunning, refusal
from seatrial.links.containers.resources import NODE_LINES, labelled, log_of, status_of
from seatrial.links.ssh.keys import key_pair
from seatrial.model.resource import Node, NodeSpec
from seatrial.providers.containers import guest
from seatrial.providers.containers.guest import SSH_PORT
from seatrial.providers.containers.removal import tail_of
from seatrial.providers.containers.settings import IMAGE, ContainersSettings, Size, size_of
from seatrial.providers.containers.trial_resources import TrialResources
from seatrial.providers.nodes import FOLDER
from seatrial.spi import Context

FIRST_PORT = 20001
LOOPBACK = "127.0.0.1"
UP = 30.0
"""Seconds for a container's init to finish its start."""

IDENTITY = ("E2E_RUN_ID", "SEATRIAL_RUN_ID", "SEATRIAL_TRIAL_ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The specification of one container, complete before it is created."""

    name: str
    container: str
    folder: Path
    address: str
    ports: Mapping[str, int]
    published: Mapping[str, int]
    """Ports of 127.0.0.1 by name, those of the node and `ssh`."""
    volumes: Mapping[str, str]
    """The folder of each volume, by its name."""
    labels: Mapping[str, str]
    identity: Mapping[str, str]
    size: Size
    ssh: bool
    """Whether it gets the files of an SSH server."""


async def make(
    spec: NodeSpec, ctx: Context, settings: ContainersSettings, resources: TrialResources, detail: Mapping[str, Any],
    place: int,
) -> Node:  # fmt: skip
    """A running container with a way in."""
    engine, ours = resources.engine, settings.command != IMAGE
    size = size_of(spec.parameters, settings)
    ssh = settings.ssh == "yes" or (settings.ssh == "auto" and ours)
    ports, published = await _ports(spec, ctx, settings, resources, ssh=ssh)
    plan = Plan(
        name=spec.name, container=str(detail["container"]), folder=Path(str(detail["folder"])),
        address=f"{resources.subnet.rpartition('.')[0]}.{place}", ports=ports, published=published,
        volumes=dict(zip(detail["volumes"], size.volumes, strict=True)),
        labels={**ctx.labels(), "seatrial.node": spec.name},
        identity={name: value for name, value in ctx.environment().items() if name in IDENTITY}, size=size, ssh=ssh,
    )  # fmt: skip
    guest.furnish(plan.folder, settings.user)
    public = ""
    if ssh:
        private, public = key_pair()
        guest.furnish_server(plan.folder, private, resources.key.with_suffix(".pub").read_text(), plan.identity)
    for name in plan.volumes:
        await engine.make("volume", "create", *labelled(plan.labels), name, what=f"making a volume of {spec.name}")
    await _run(engine, settings, [*_place(plan, resources), *_started(plan, settings)], plan)
    folder = FOLDER
    if ours:
        await _through(engine, plan)
    elif not await _has_folder(engine, plan):
        ctx.log(f"{spec.name} has no folder for Seatrial: root cannot run mkdir in the image", "warning")
        folder = ""
    has_ssh = ssh and (not ours or (plan.folder / "said" / guest.SSHD_SAYS).exists())
    if settings.ssh == "yes" and not has_ssh:
        raise CannotTell(
            f"providers.containers.ssh is `yes`, and {settings.image} has no SSH server that starts "
            "(/usr/sbin/sshd); set it to `auto` or `no`, or take an image with openssh-server",
            evidence=tail_of(await log_of(engine, plan.container, NODE_LINES), 4000),
        )
    host, port = (plan.address, SSH_PORT) if resources.reachable else (LOOPBACK, published.get("ssh", 0))
    known = {"host": host, "port": port, "user": settings.user, "key": str(resources.key), "known_host": public}
    return Node(
        name=spec.name,
        address=plan.address if resources.reachable else LOOPBACK,
        ports=ports if resources.reachable else {name: published[name] for name in ports},
        ssh=known if has_ssh else {},
        folder=folder,
        detail={**detail, "published": {name: number for name, number in published.items() if name in ports}},
    )


async def _ports(
    spec: NodeSpec, ctx: Context, settings: ContainersSettings, resources: TrialResources, *, ssh: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """The node's ports, and those of 127.0.0.1 by which this host reaches them."""
    wanted = dict(sorted(spec.ports.items()))
    if resources.reachable:
        free = (number for number in itertools.count(FIRST_PORT) if number not in wanted.values())
        ports = {name: port or next(free) for name, port in wanted.items()}
        if settings.publish != "yes":
            return ports, {}
        return ports, {name: await ctx.lease_port() for name in ports}
    if settings.publish == "no":
        raise CannotTell(
            "this host does not reach the containers' own addresses (the engine does not run as root), so their ports "
            'have to be published: take `publish = "no"` out of [providers.containers], or run as root'
        )
    published = {name: await ctx.lease_port() for name in (*wanted, *(["ssh"] if ssh else []))}
    # The others reach it by its name, under the same numbers as this host.
    return {name: port or published[name] for name, port in wanted.items()}, published


def _place(plan: Plan, resources: TrialResources) -> list[str]:
    """Arguments of the engine's `run` for a container's network, name and size."""
    inner = {**plan.ports, "ssh": SSH_PORT}
    published = [f"{LOOPBACK}:{number}:{inner[name]}" for name, number in plan.published.items()]
    return [
        "--name", plan.container,
        "--hostname", plan.name,
        "--network", resources.network, "--network-alias", plan.name, "--ip", plan.address,
        # Docker keeps it by itself, and newer clients refuse the word with older daemons.
        *(["--mac-address", mac_of(plan.container)] if resources.engine.podman else []),
        *labelled(plan.labels),
        *(word for name, value in plan.identity.items() for word in ("--env", f"{name}={value}")),
        *(word for one in published for word in ("--publish", one)),
        *(word for name, path in plan.volumes.items() for word in ("--volume", f"{name}:{path}")),
        "--volume", f"{plan.folder}:{guest.INSIDE}:z",
        *(["--memory", f"{plan.size.memory_mib}m"] if plan.size.memory_mib else []),
        *(["--cpus", f"{plan.size.cpus:g}"] if plan.size.cpus else []),
    ]  # fmt: skip


def _started(plan: Plan, settings: ContainersSettings) -> list[str]:
    """The image, its first command, and the user."""
    if settings.command != IMAGE:
        argv = ["--user", "0", *settings.options, "--entrypoint", "/bin/sh", settings.image]
        return [*argv, f"{guest.INSIDE}/init", *settings.command]
    keys = guest.for_image(plan.folder, settings.user) if plan.ssh else {}
    mounts = [word for source, target in keys.items() for word in ("--volume", f"{source}:{target}:ro,z")]
    return [*mounts, *settings.options, settings.image]


async def _run(engine: Engine, settings: ContainersSettings, words: Sequence[str], plan: Plan) -> None:
    # Podman may be told to keep logs where they cannot be read back; both never bring the image now: it was here.
    own = ["--pull=never", "--log-driver=k8s-file"] if engine.podman else []
    try:
        there = replace(engine, folder=str(plan.folder))
        await there.make("run", "--detach", *own, *words, what=f"making the container {plan.name}")
    except CannotTell as error:
        if settings.command != IMAGE and re.search(r"/bin/sh\W.*(no such file|not found)", str(error), re.IGNORECASE):
            raise CannotTell(
                f'{settings.image} has no /bin/sh, and the init of Seatrial needs it: set `command = "{IMAGE}"` in '
                "[providers.containers] to run its own command, or use another image",
                evidence=error.evidence,
            ) from error
        raise


def mac_of(container: str) -> str:
    """The same at every start: the other nodes keep a container's old address in their caches for a while."""
    digest = hashlib.blake2b(container.encode(), digest_size=5).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest))


async def _through(engine: Engine, plan: Plan) -> None:
    """Wait until the init reports that it is up; CannotTell with its log if the container ended instead."""
    clock = asyncio.get_running_loop().time
    until, look_at = clock() + UP, clock() + 0.5
    while not (plan.folder / "said" / guest.READY).exists():
        if clock() >= look_at:
            look_at = clock() + 0.5
            await _still_up(engine, plan)
            if clock() > until:
                log = await log_of(engine, plan.container, NODE_LINES)
                raise CannotTell(
                    f"the init of {plan.name} was not through within {UP:g} s", evidence=tail_of(log, 4000)
                )
        await asyncio.sleep(0.01)


async def _still_up(engine: Engine, plan: Plan) -> None:
    status, code = await status_of(engine, plan.container)
    if status != "running":
        log = await log_of(engine, plan.container, NODE_LINES)
        said = tail_of(log.strip(), 300) or "nothing"
        state = f"ended with exit code {code}" if status in ("exited", "stopped") else f"is {status}"
        why = f"the container {plan.name} did not come up: it {state}; it said: {said}"
        raise CannotTell(why, evidence=tail_of(log, 4000))


async def _has_folder(engine: Engine, plan: Plan) -> bool:
    """Create the node's folder in a container with its image's own command."""
    argv = ["exec", "--user", "0", plan.container, "mkdir", "-p", "-m", "1777", FOLDER]
    what = f"making {FOLDER} on {plan.name}"
    done = await engine.attempt(*argv, what=what)
    if not done.ok and isinstance(refused := refusal(engine, what, done), NotRunning):
        await _still_up(engine, plan)
        raise refused
    return done.ok
