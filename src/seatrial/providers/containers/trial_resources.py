"""Resources shared by all nodes of a trial: a working engine, an image, and a network of the trial's own."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links.containers import Engine, pulling
from seatrial.links.containers.engines import configured, detail_of, find, mark_used, reachable
from seatrial.links.containers.resources import bring_image, labelled
from seatrial.links.paths import place_of_setting
from seatrial.links.ssh.keys import trial_key
from seatrial.providers.containers.settings import ContainersSettings
from seatrial.providers.nodes import routed
from seatrial.spi import Context

OWNER = "provider:containers"
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
    """Bring the image; a time limit that ends this says nothing about the product."""
    place = place_of_setting(Path(ctx.labels().get("seatrial.project", "")), "providers.containers", "image")
    key, pulled = f"[providers.containers] image ({place})", False

    def begins(text: str) -> None:
        nonlocal pulled
        pulled = True
        ctx.log(text)
        ctx.seen(f"{key}: {pulling.awaited(engine, settings.image)}", measured=False)

    await bring_image(engine, settings.image, begins, pull=settings.pull, key=key)
    if pulled:
        ctx.seen("the image is in the store", measured=True)


async def _network(ctx: Context, engine: Engine) -> str:
    detail = {**detail_of(engine), "network": ctx.trial_id}
    labels = labelled(ctx.labels())

    async def make() -> str:
        tries = 0
        while True:
            subnet = await ctx.lease("subnet", subnets(ctx.random, Path("/proc/net/route").read_text()))
            try:
                await engine.make(
                    "network", "create", "--subnet", subnet, *labels, ctx.trial_id, what="making the trial's network"
                )
                return subnet
            except LeaseTaken:
                tries += 1
                if tries == TRIES:
                    raise

    return await ctx.make("network", ctx.trial_id, make, owner=OWNER, detail=detail)


def subnets(chance: random.Random, routes: str) -> Iterator[str]:
    """Subnets without a route of this host, in random order."""
    taken = routed(routes)
    numbers = list(range(16 * 256))
    chance.shuffle(numbers)
    for number in numbers:
        subnet = ipaddress.IPv4Network(f"10.{208 + number // 256}.{number % 256}.0/24")
        if not any(subnet.overlaps(network) for network in taken):
            yield str(subnet)
