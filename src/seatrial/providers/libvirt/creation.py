"""Making one machine: its disks, its seed, its place on the network; and waiting until it lets us in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused, NodeFailed
from seatrial.links.libvirt import Hypervisor
from seatrial.links.ssh.keys import key_pair
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec
from seatrial.providers.libvirt import console, machine, network, seed, volumes, xml
from seatrial.providers.libvirt.link import MachineLink
from seatrial.providers.libvirt.settings import MIB, LibvirtSettings, Size, size_of
from seatrial.providers.libvirt.trial_resources import TrialResources
from seatrial.providers.nodes import FOLDER, OWN_FOLDER, numbered
from seatrial.spi import Context

FIRST_PORT = 20001
LOOK_AGAIN = 0.05
ASK_EVERY = 1.0
"""Seconds between two looks at the power and the console of a booting machine."""

BACK = 60.0
"""Seconds for a reverted machine to answer."""

STUBBORN = 30.0
"""Seconds a machine may refuse us after its first refusal: a server can be up before our key is in place."""


async def make(
    hypervisor: Hypervisor, spec: NodeSpec, ctx: Context, resources: TrialResources, settings: LibvirtSettings,
    detail: Mapping[str, object], place: int,
) -> Node:  # fmt: skip
    """Make a machine with this last byte in its address, and switch it on; its node."""
    size = size_of(spec.parameters, settings)
    host_key, host_public = key_pair()
    start = resources.subnet.rpartition(".")[0]
    who = seed.Identity(
        instance=str(detail["domain"]), hostname=spec.name, user=settings.user,
        authorized=resources.key.with_suffix(".pub").read_text().strip(), host_key=host_key, host_public=host_public,
        address=f"{start}.{place}", gateway=f"{start}.1", mac=str(detail["mac"]), routed=settings.network == "nat",
    )  # fmt: skip
    labels = {**ctx.labels(), "seatrial.node": spec.name, "seatrial.pool": str(detail["pool"])}
    await hypervisor.call(
        f"making the machine {spec.name}",
        lambda connection: build(connection, who, detail, resources, settings, size, labels),
        timeout=ctx.provider.deadlines["start"],
    )
    known = {"user": who.user, "key": str(resources.key), "known_host": who.host_public}
    return Node(
        name=spec.name, address=who.address, ports=numbered(spec.ports, FIRST_PORT),
        ssh={"host": who.address, "port": 22, **known}, folder=FOLDER, detail={**detail, "address": who.address},
    )  # fmt: skip


def build(
    connection: Any, who: seed.Identity, detail: Mapping[str, object], resources: TrialResources,
    settings: LibvirtSettings, size: Size, labels: Mapping[str, str],
) -> None:  # fmt: skip
    """Make its files and switch it on. Blocks."""
    pool = volumes.pool_of(connection, settings)
    files, name, media = str(detail["files"]), str(detail["domain"]), resources.media
    volumes.room(pool, settings.room_mb * MIB, f"the machine {name}")
    disks = [media.overlay(pool, f"{files}root", size.root)]
    for number, data in enumerate(size.data, 1):
        disks.append(xml.Disk(path=volumes.create(pool, xml.volume(f"{files}data{number}", data, "qcow2"))))
    path = volumes.write(connection, pool, f"{files}seed", seed.iso(seed.files(who)))
    disks.append(xml.Disk(path=path, format="raw", read_only=True))
    serial = volumes.create(pool, xml.volume(f"{files}console", 0, "raw"))
    network.introduce(connection, resources.network, who.hostname, who.mac, who.address)
    definition = xml.Machine(
        name=name, kvm=resources.how.kvm, memory_mib=size.memory_mib, vcpus=size.vcpus, disks=disks, console=serial,
        network=resources.network, mac=who.mac, labels=labels,
        kernel=media.kernel, initrd=media.initrd, cmdline=settings.cmdline,
    )  # fmt: skip
    connection.defineXML(xml.domain(definition, settings)).create()


async def until_let_in(
    hypervisor: Hypervisor, node: Node, link: MachineLink, read: Any, settings: LibvirtSettings, deadline: float
) -> None:
    """Return once the machine has booted, lets us in and has its folder. CannotTell names the stage where it stopped;
    NodeFailed at once if the machine has broken down."""
    clock = asyncio.get_running_loop().time
    end, refused, asked = clock() + deadline, 0.0, clock()
    name, direct = str(node.detail["domain"]), bool(settings.kernel)

    async def broken(why: str, kind: type[CannotTell] = CannotTell) -> CannotTell:
        text = await read(node)
        return kind(f"the machine {node.name} did not come up: {why}", evidence=console.tail(text))

    while True:
        try:
            done = await link.sudo([*OWN_FOLDER, settings.user], timeout=max(1.0, min(90.0, end - clock())))
        except LinkRefused as error:
            refused = refused or clock()
            if clock() - refused > STUBBORN:
                raise await broken(str(error)) from error
            await asyncio.sleep(0.5)
        except NodeFailed as error:
            raise await broken(str(error), type(error)) from error
        except (LinkDown, LinkLost, TimeoutError):
            await asyncio.sleep(LOOK_AGAIN)
            if clock() < asked + ASK_EVERY:  # the guest needs this host's time more than we do
                continue
        else:
            if not done.ok:
                raise await broken(f"{FOLDER} cannot be made on it: {done.stderr.strip()}")
            return
        asked = clock()
        try:
            power, reason = await hypervisor.call("asking for its power", lambda c: machine.sound(c, name))
        except NodeFailed as error:
            raise await broken(str(error), type(error)) from error
        if power is PowerState.STOPPED:
            raise await broken(f"it went off while it booted: {reason}")
        text = await read(node)
        if said := console.broken(text, direct=direct):
            raise await broken(said)
        if clock() > end:
            raise await broken(f"{console.stage(text, direct=direct)} ({deadline:.4g} s)")


async def set_clock(link: MachineLink) -> None:
    """Set the clock of a reverted machine; CannotTell if it does not let us in soon."""
    clock = asyncio.get_running_loop().time
    end, refused = clock() + BACK, f"{link} was brought back, and its clock could not be set"
    while True:
        try:
            done = await link.sudo(["date", "-u", "-s", f"@{time.time():.0f}"], timeout=BACK)
        except (LinkDown, LinkLost, TimeoutError) as error:
            if clock() > end:
                raise CannotTell(f"{refused}: {error}") from error
            await asyncio.sleep(LOOK_AGAIN)
            continue
        if not done.ok:
            raise CannotTell(f"{refused}: {done.stderr.strip()}")
        return
