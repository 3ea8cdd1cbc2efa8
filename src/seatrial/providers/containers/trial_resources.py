"""Resources shared by all nodes of a trial: a working engine, an image, and a network of the trial's own."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links.containers import Engine, NoSuchImage
from seatrial.links.containers.engines import configured, detail_of, find, mark_used, reachable
from seatrial.links.ssh import trial_key
from seatrial.providers.containers.settings import ContainersSettings
from seatrial.spi import Context

OWNER = "provider:containers"
PULL = 600.0
"""Seconds for bringing an image."""

TRIES = 20
"""Subnets to try before giving up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResources:
    """The shared resources of the trial's containers."""

    engine: Engine
    network: str
    subnet: str
    """`10.208.7.0/24`."""
    reachable: bool
    """Whether this host reaches the containers' own addresses (a rootless engine's it does not)."""
    key: Path
    """The trial's SSH key."""


async def prepare(ctx: Context, settings: ContainersSettings) -> TrialResources:
    """Find the engine, see to the image, make the network; CannotTell, ToolMissing, LeaseTaken."""
    if not settings.image:
        raise CannotTell(
            'providers.containers has no image: name one in seatrial.toml, [providers.containers] image = "…"; '
            "`make backends` of the Seatrial sources makes one for tests"
        )
    engine = await find(settings.engine, image=settings.image)
    mark_used(engine)
    if configured(engine):
        ctx.log(f"{engine.name} is used with a configuration of our own, for plain it starts no container here")
    # The key library takes as long to import as the engine to answer.
    _, key = await asyncio.gather(_image(ctx, engine, settings), asyncio.to_thread(trial_key, ctx.state / "containers"))
    near = await reachable(engine)
    subnet = await _network(ctx, engine)
    return TrialResources(engine=engine, network=ctx.trial_id, subnet=subnet, reachable=near, key=key)


async def _image(ctx: Context, engine: Engine, settings: ContainersSettings) -> None:
    what = f"the image {settings.image}"
    if settings.pull != "always":
        try:
            await engine.call("image", "inspect", "--format", "{{.Id}}", settings.image, what=what)
            return
        except NoSuchImage as error:
            if settings.pull == "never" or settings.image.startswith("localhost/"):
                raise NoSuchImage(
                    f"{what} is not in {engine.name}'s store: make it or bring it (`{engine.name} pull "
                    f"{settings.image}`), or name another in [providers.containers] image"
                ) from error
    ctx.log(f"{engine.name} pulls {settings.image}")
    try:
        await engine.call("pull", "--quiet", settings.image, what=f"pulling {settings.image}", timeout=PULL)
    except CannotTell as error:
        raise CannotTell(
            f"{error}; is the name right, and can this machine reach the registry? Images of this machine begin with "
            "`localhost/`",
            evidence=error.evidence,
        ) from error


async def _network(ctx: Context, engine: Engine) -> str:
    detail = {**detail_of(engine), "network": ctx.trial_id}
    labels = [word for name, value in ctx.labels().items() for word in ("--label", f"{name}={value}")]

    async def make() -> str:
        refused: LeaseTaken | None = None
        for _ in range(TRIES):
            subnet = await ctx.lease("subnet", subnets(ctx.random, Path("/proc/net/route").read_text()))
            try:
                await engine.make(
                    "network", "create", "--subnet", subnet, *labels, ctx.trial_id, what="making the trial's network"
                )
            except LeaseTaken as error:
                refused = error
                continue
            return subnet
        raise refused or CannotTell("no subnet was tried")

    return await ctx.make("network", ctx.trial_id, make, owner=OWNER, detail=detail)


def subnets(chance: random.Random, routes: str) -> Iterator[str]:
    """Subnets without a route of this host, in random order."""
    taken = [one for one in map(_routed, routes.splitlines()[1:]) if one is not None]
    numbers = list(range(16 * 256))
    chance.shuffle(numbers)
    for number in numbers:
        subnet = ipaddress.ip_network((int(ipaddress.ip_address("10.208.0.0")) + number * 256, 24))
        if not any(subnet.overlaps(one) for one in taken):
            yield str(subnet)


def _routed(line: str) -> ipaddress.IPv4Network | None:
    words = line.split()
    target, mask = (int.from_bytes(bytes.fromhex(words[at]), "little") for at in (1, 7))
    return ipaddress.IPv4Network((target, mask.bit_count())) if mask else None
