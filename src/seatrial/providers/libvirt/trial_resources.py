"""Resources shared by the machines of one trial, created once: images readable by QEMU, the network, the keys."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links.libvirt import Hypervisor
from seatrial.links.paths import cache_folder, project_folder
from seatrial.links.ssh.keys import trial_key
from seatrial.providers.libvirt import copies, names, network, volumes
from seatrial.providers.libvirt.images import NAME_ONE, Media, brought, looked_at
from seatrial.providers.libvirt.listing import LABELS, OWNER, shared_detail
from seatrial.providers.libvirt.probing import Acceleration, acceleration
from seatrial.providers.libvirt.settings import LibvirtSettings, uri_of
from seatrial.providers.nodes import to_detail
from seatrial.spi import Context, Readiness

TRIES = 5
"""Subnets to try if others turn out to be in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResources:
    """Found and made."""

    media: Media
    how: Acceleration
    subnet: str
    network: str
    key: Path
    """Our private key; the public one is beside it."""


async def prepare(ctx: Context, hypervisor: Hypervisor, settings: LibvirtSettings) -> TrialResources:
    """Inspect the images first, then the machine, then create the network. CannotTell names the problem."""
    named = looked_at(settings, Path(ctx.labels()["seatrial.project"]))
    used_mark(uri_of(settings)).touch()  # from now on an unreadable list is an error
    media, pruned = await brought(hypervisor, settings, named)
    if pruned:
        ctx.log(f"deleted copies of images unused for {copies.UNUSED / copies.DAY:g} days: {', '.join(pruned)}")
    how = await acceleration(hypervisor, settings, media)
    ctx.log(f"libvirt at {hypervisor.uri}: machines run by {'KVM' if how.kvm else 'emulation'}: {how.why}")
    subnet, key = await _network(ctx, hypervisor, settings), trial_key(ctx.state / "libvirt")
    return TrialResources(media=media, how=how, subnet=subnet, network=names.network_of(ctx.trial_id), key=key)


def image_told(settings: LibvirtSettings, answer: Readiness) -> Readiness:
    """The result of a probe, and whether the project's image can be used."""
    if not settings.image:
        return replace(answer, tried=f"{answer.tried}; no image is named", remedy=answer.remedy or NAME_ONE)
    try:
        looked_at(settings, project_folder())
    except CannotTell as error:
        return Readiness(False, f"{answer.tried}; {error}", answer.remedy or "make backends")
    return answer


async def _network(ctx: Context, hypervisor: Hypervisor, settings: LibvirtSettings) -> str:
    name, pool_name = names.network_of(ctx.trial_id), volumes.pool_name(settings)
    detail = {**shared_detail(ctx.run_id, ctx.trial_id, hypervisor.uri, pool_name), **to_detail(ctx.labels())}
    labels = {**ctx.labels(), "seatrial.pool": pool_name}

    def note(connection: Any) -> None:
        file = names.File(ctx.run_id, ctx.trial_id, names.TRIAL, LABELS)
        volumes.write(connection, volumes.pool_of(connection, settings), str(file), json.dumps(labels).encode())

    def create(connection: Any, bridge: str, subnet: str) -> None:
        network.create(connection, name, bridge, subnet, labels, nat=settings.network == "nat")

    async def make() -> str:
        await hypervisor.call("noting the trial's labels", note)
        bridge = await ctx.lease("bridge", names.bridges(ctx.trial_id))
        tried: set[str] = set()
        while True:
            taken = await hypervisor.call("listing the networks", network.taken)
            free = (subnet for subnet in names.subnets(ctx.trial_id, taken) if subnet not in tried)
            subnet = await ctx.lease("subnet", free)
            tried.add(subnet)
            try:
                await hypervisor.call("making the network", partial(create, bridge=bridge, subnet=subnet))
                return subnet
            except LeaseTaken:
                if len(tried) == TRIES:
                    raise

    return await ctx.make("network", name, make, owner=OWNER, detail=detail)


def used_mark(uri: str) -> Path:
    """A file that exists if something of this user's may ever have been made there, as far as this host remembers."""
    return cache_folder("libvirt") / f"used-{hashlib.blake2b(uri.encode(), digest_size=8).hexdigest()}"
