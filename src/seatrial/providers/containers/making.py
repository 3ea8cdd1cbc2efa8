"""Making one container: its folder, its volumes, one call of the engine, and waiting for its init."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine
from seatrial.model.resource import Node, NodeSpec
from seatrial.providers.containers import guest
from seatrial.providers.containers.giving_back import log_of
from seatrial.providers.containers.ground import Ground
from seatrial.providers.containers.settings import IMAGE, Settings, size_of
from seatrial.spi import Context

FIRST_PORT = 20001
SSH_PORT = 22
UP = 30.0
"""Seconds in which a container's init is through with its start."""

IDENTITY = ("E2E_RUN_ID", "SEATRIAL_RUN_ID", "SEATRIAL_TRIAL_ID")


async def make(
    spec: NodeSpec, ctx: Context, settings: Settings, ground: Ground, detail: Mapping[str, Any], place: int
) -> Node:
    """A container that is up, and lets us in."""
    engine, size = ground.engine, size_of(spec.parameters, settings)
    folder = Path(str(detail["folder"]))
    identity = {name: value for name, value in ctx.environment().items() if name in IDENTITY}
    ours = settings.command != IMAGE
    ssh = settings.ssh == "yes" or (settings.ssh == "auto" and ours)
    private, public = _host_key() if ssh else (b"", "")
    authorized = ground.key.with_suffix(".pub").read_bytes()
    guest.furnish(folder, host_key=private, authorized=authorized, environment=identity, port=SSH_PORT, ssh=ssh)

    ports = {name: port or FIRST_PORT + at for at, (name, port) in enumerate(sorted(spec.ports.items()))}
    published = await _published(ctx, settings, ground, {**ports, **({"ssh": SSH_PORT} if ssh else {})})
    volumes = dict(zip(detail["volumes"], size.volumes, strict=True))
    labels = {**ctx.labels(), "seatrial.node": spec.name}
    for name in volumes:
        await engine.call("volume", "create", *_labelled(labels), name, what=f"making a volume of {spec.name}")
    address = f"{ground.subnet.rpartition('.')[0]}.{place}"
    argv = [
        "run", "--detach", "--pull=never",
        "--name", detail["container"],
        "--hostname", spec.name,
        "--network", ground.network, "--network-alias", spec.name, "--ip", address,
        "--mac-address", mac_of(detail["container"]),
        *_labelled(labels),
        *(word for name, value in identity.items() for word in ("--env", f"{name}={value}")),
        *(word for name, number in published.items()
          for word in ("--publish", f"127.0.0.1:{number}:{SSH_PORT if name == 'ssh' else ports[name]}")),
        *(word for name, path in volumes.items() for word in ("--volume", f"{name}:{path}")),
        "--volume", f"{folder}:{guest.INSIDE}:z",
        *(["--memory", f"{size.memory_mib}m"] if size.memory_mib else []),
        *(["--cpus", f"{size.cpus:g}"] if size.cpus else []),
        *settings.options,
        *_started(settings),
    ]  # fmt: skip
    await _settled(engine.call(*argv, what=f"making the container {spec.name}", timeout=120))
    if ours:
        await _through(engine, str(detail["container"]), folder, spec.name)
    reached = (address, SSH_PORT) if ground.reachable else ("127.0.0.1", published.get("ssh", 0))
    has_ssh = ssh and (not ours or (folder / "said" / guest.SSHD_SAYS).exists())
    if settings.ssh == "yes" and not has_ssh:
        raise CannotTell(
            f"providers.containers.ssh is `yes`, and {settings.image} has no SSH server that starts "
            f"(/usr/sbin/sshd); set it to `auto` or `no`, or take an image with openssh-server",
            evidence=await log_of(engine, str(detail["container"])),
        )
    known = {
        "host": reached[0],
        "port": reached[1],
        "user": settings.user,
        "key": str(ground.key),
        "known_host": public,
    }
    return Node(
        name=spec.name,
        address=address if ground.reachable else "127.0.0.1",
        ports=ports if ground.reachable else {name: published[name] for name in ports},
        ssh=known if has_ssh else {},
        folder=guest.FOLDER,
        detail={**detail, "published": {name: number for name, number in published.items() if name in ports}},
    )


def mac_of(container: str) -> str:
    """The same at every start: else the others would look for it under its old one until they forget that."""
    digest = hashlib.blake2b(container.encode(), digest_size=5).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest))


def _started(settings: Settings) -> list[str]:
    """The image, and what its container runs first."""
    if settings.command == IMAGE:
        return [settings.image]
    return ["--entrypoint", "/bin/sh", settings.image, f"{guest.INSIDE}/init", *settings.command]


async def _published(ctx: Context, settings: Settings, ground: Ground, ports: Mapping[str, int]) -> dict[str, int]:
    if settings.publish == "no" and not ground.reachable:
        raise CannotTell(
            "this host does not reach the containers' own addresses (podman runs without root), so their ports have to "
            'be published: take `publish = "no"` out of [providers.containers], or run as root'
        )
    if settings.publish == "no" or (settings.publish == "auto" and ground.reachable):
        return {}
    return {name: await ctx.lease_port() for name in ports if name != "ssh" or not ground.reachable}


def _labelled(labels: Mapping[str, str]) -> Sequence[str]:
    return [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]


async def _settled(call: Any) -> None:
    """Wait for the engine's answer also when cancelled: what is being made must not come after the sweep has looked."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _through(engine: Engine, container: str, folder: Path, name: str) -> None:
    """Wait until the init says that it is up; CannotTell with its log when the container ended instead."""
    clock = asyncio.get_running_loop().time
    until, look_at = clock() + UP, clock() + 0.5
    while not (folder / "said" / guest.READY).exists():
        if clock() >= look_at:
            look_at = clock() + 0.5
            status = (
                await engine.call(
                    "container", "inspect", "--format", "{{.State.Status}} with {{.State.ExitCode}}", container,
                    what=f"looking at {name}",
                )
            ).strip()  # fmt: skip
            log = await log_of(engine, container)
            if not status.startswith("running"):
                raise CannotTell(
                    f"the container {name} did not come up: it is {status}; it said: {log.strip()[-300:] or 'nothing'}",
                    evidence=log[-4000:],
                )
            if clock() > until:
                raise CannotTell(f"the init of {name} was not through within {UP:g} s", evidence=log[-4000:])
        await asyncio.sleep(0.01)


def _host_key() -> tuple[bytes, str]:
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_private_key(), key.export_public_key().decode().strip()
