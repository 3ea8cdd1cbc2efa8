"""Creates one virtual machine, and waits until it accepts the key."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.cloudstack import Cloud
from seatrial.links.ssh.keys import key_pair, trial_key
from seatrial.model.resource import Node, NodeSpec
from seatrial.providers.cloudstack import naming
from seatrial.providers.cloudstack.settings import CloudStackSettings, choose, size_of
from seatrial.providers.nodes import FOLDER, numbered, user_data
from seatrial.spi import Context

FIRST_PORT = 20000
REMEDY = "its template needs cloud-init for user data, or set `login` of [providers.cloudstack]"

BEGUN: dict[tuple[str, str], str] = {}
"""Endpoint and name of each machine begun by this process, to its identifier: it has one before any list shows it, and
another instance of the provider may have to remove it."""


def keys_of(ctx: Context) -> tuple[Path, str]:
    """The trial's own key, made when it is missing: its file, and the public half."""
    path = trial_key(ctx.state / "cloudstack")
    return path, path.with_suffix(".pub").read_text().strip()


async def make(
    cloud: Cloud, spec: NodeSpec, ctx: Context, settings: CloudStackSettings, detail: Mapping[str, object]
) -> Node:
    """Deploy it with its disks and tags; its node."""
    private, public = keys_of(ctx)
    size = size_of(spec.parameters, settings)
    chosen = await choose(cloud, settings, size)
    name, deadline = str(detail["machine"]), ctx.deadline("start")
    request: dict[str, Any] = {
        "zoneid": chosen.zone,
        "templateid": chosen.template,
        "serviceofferingid": chosen.offering,
        "name": name,
        "displayname": naming.display_name(ctx.run_id, ctx.trial_id, spec.name),
        **({"networkids": ",".join(chosen.networks)} if chosen.networks else {}),
        **({"rootdisksize": size.root_gib} if size.root_gib else {}),
        **cloud.scope,
    }
    trust: dict[str, object] = {"accept": True}
    if settings.login == "keypair":
        request["keypair"] = naming.key_pair(ctx.trial_id)
    else:
        host_key, host_public = key_pair()
        data = user_data(name, settings.user, public, host_key, host_public)
        request["userdata"] = base64.b64encode(data.encode()).decode()
        trust = {"known_host": host_public}
    begun = await cloud.begin("deployVirtualMachine", **request)
    BEGUN[cloud.endpoint, name] = id = str(begun["id"])
    tags = naming.tags_from(ctx.labels(), spec.name)
    await cloud.do("createTags", resourceids=id, resourcetype="UserVm", tags=tags, deadline=deadline)
    result = await cloud.job(str(begun["jobid"]), "deployVirtualMachine", deadline=deadline)
    machine: Mapping[str, Any] = result.get("virtualmachine") or {}
    if machine.get("state") != "Running":
        raise CannotTell(f"the machine {name} is in the state {machine.get('state')} though CloudStack's job succeeded")
    for number, gib in enumerate(size.data_gib, 1):
        made = await cloud.do(
            "createVolume", name=f"{name}-data{number}", zoneid=chosen.zone, diskofferingid=chosen.disk_offering,
            size=gib, deadline=deadline, **cloud.scope,
        )  # fmt: skip
        disk = str(made["volume"]["id"])
        await cloud.do("createTags", resourceids=disk, resourcetype="Volume", tags=tags, deadline=deadline)
        await cloud.do("attachVolume", id=disk, virtualmachineid=id, deadline=deadline)
    address = _address(machine, settings)
    return Node(
        name=spec.name, address=address, ports=numbered(spec.ports, FIRST_PORT),
        ssh={"host": address, "port": settings.port, "user": settings.user, "key": str(private), **trust},
        folder=FOLDER, detail={**detail, "id": id},
    )  # fmt: skip


def _address(machine: Mapping[str, Any], settings: CloudStackSettings) -> str:
    if settings.address == "public":
        if address := machine.get("publicip"):
            return str(address)
        raise CannotTell(
            f"the machine {machine.get('name')} has no public address; set `address` of [providers.cloudstack] to "
            '"private", or use a network with public addresses'
        )
    cards = sorted(machine.get("nic") or (), key=lambda card: not card.get("isdefault"))
    if not cards or not cards[0].get("ipaddress"):
        raise CannotTell(f"the machine {machine.get('name')} has no address on any network")
    return str(cards[0]["ipaddress"])
