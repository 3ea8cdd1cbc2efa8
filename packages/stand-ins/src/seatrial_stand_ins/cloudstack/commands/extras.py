"""Commands for jobs, tags, key pairs and public addresses."""

from __future__ import annotations

import base64
import hashlib

from seatrial_stand_ins.cloudstack.cloud import Address, KeyPair, told_address
from seatrial_stand_ins.cloudstack.commands.calling import Call, command
from seatrial_stand_ins.cloudstack.refusals import WRONG_PARAMETER, Refused, no_such


@command("queryAsyncJobResult")
async def query_async_job_result(call: Call) -> dict[str, object]:
    job = call.jobs.get(call.need("jobid"))
    if job is None:
        raise no_such("jobid", call.get("jobid"), call.command)
    return job.told()


@command("listAsyncJobs")
async def list_async_jobs(call: Call) -> dict[str, object]:
    return call.listed("asyncjobs", (job.told() for job in call.jobs.all()))


@command("createTags")
async def create_tags(call: Call) -> dict[str, object]:
    tags, ids = call.tags(), call.several("resourceids")
    call.need("resourcetype")
    for id in ids:
        if call.cloud.tagged(id) is None:
            raise no_such("resourceids", id, call.command)

    async def work() -> dict[str, object]:
        for id in ids:
            thing = call.cloud.tagged(id)
            if thing is None:
                raise Refused(WRONG_PARAMETER, f"Unable to find the resource {id}")
            thing.tags |= tags
        return {"success": True}

    return call.job(work)


@command("deleteTags")
async def delete_tags(call: Call) -> dict[str, object]:
    tags, ids = call.tags(), call.several("resourceids")

    async def work() -> dict[str, object]:
        for thing in filter(None, map(call.cloud.tagged, ids)):
            thing.tags = {key: value for key, value in thing.tags.items() if key not in tags} if tags else {}
        return {"success": True}

    return call.job(work)


@command("listTags")
async def list_tags(call: Call) -> dict[str, object]:
    cloud = call.cloud
    kinds = {"UserVm": cloud.machines, "Volume": cloud.volumes, "Network": cloud.networks,
             "PublicIpAddress": cloud.addresses, "Snapshot": cloud.snapshots}  # fmt: skip
    found = [
        {"key": key, "value": value, "resourceid": thing.id, "resourcetype": kind, "account": cloud.account}
        for kind, shelf in kinds.items()
        for thing in shelf.values()  # type: ignore[attr-defined]
        for key, value in thing.tags.items()
        if call.get("resourcetype", kind) == kind
        and call.get("key", key) == key
        and call.get("value", value) == value
        and call.get("resourceid", thing.id) == thing.id
    ]
    return call.listed("tag", found)


def _told_pair(one: KeyPair) -> dict[str, object]:
    return {"id": one.id, "name": one.name, "fingerprint": one.fingerprint, "account": "seatrial", "domain": "ROOT"}


@command("registerSSHKeyPair")
async def register_ssh_key_pair(call: Call) -> dict[str, object]:
    name, public = call.need("name"), call.need("publickey").strip()
    if name in call.cloud.keypairs:  # a name is unique across all projects
        raise Refused(WRONG_PARAMETER, f"A key pair with name '{name}' already exists.", 4350)
    words = public.split()
    try:
        raw = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError):
        raise Refused(WRONG_PARAMETER, "Public key is invalid", 4350) from None
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    fingerprint = ":".join(digest[at : at + 2] for at in range(0, 32, 2))
    pair = KeyPair(name=name, public=public, fingerprint=fingerprint, project=call.get("projectid"))
    call.cloud.keypairs[name] = pair
    return {"keypair": _told_pair(pair)}


@command("listSSHKeyPairs")
async def list_ssh_key_pairs(call: Call) -> dict[str, object]:
    wanted = call.get("name")
    pairs = (
        one
        for one in call.cloud.keypairs.values()
        if one.project == call.get("projectid") and (not wanted or one.name == wanted)
    )
    return call.listed("sshkeypair", map(_told_pair, pairs))


@command("deleteSSHKeyPair")
async def delete_ssh_key_pair(call: Call) -> dict[str, object]:
    name = call.need("name")
    if call.cloud.keypairs.pop(name, None) is None:
        raise Refused(WRONG_PARAMETER, f"A key pair with name '{name}' does not exist", 4350)
    return {"success": True}


@command("listPublicIpAddresses")
async def list_public_ip_addresses(call: Call) -> dict[str, object]:
    return call.listed("publicipaddress", (told_address(call.cloud, one) for one in call.chosen(call.cloud.addresses)))


@command("associateIpAddress")
async def associate_ip_address(call: Call) -> dict[str, object]:
    cloud = call.cloud
    zone = call.get("zoneid") or next(iter(cloud.zones))
    taken = {one.name for one in cloud.addresses.values()}
    name = next(f"198.51.100.{n}" for n in range(1, 255) if f"198.51.100.{n}" not in taken)
    address = Address(name=name, zone=zone, network=call.get("networkid"), project=call.get("projectid"))

    async def work() -> dict[str, object]:
        cloud.add(cloud.addresses, address)
        return {"ipaddress": told_address(cloud, address)}

    return call.job(work, address.id)


@command("enableStaticNat")
async def enable_static_nat(call: Call) -> dict[str, object]:
    address = call.of(call.cloud.addresses, "ipaddressid")
    address.machine = call.of(call.cloud.machines, "virtualmachineid").id
    return {"success": True}


@command("disableStaticNat")
async def disable_static_nat(call: Call) -> dict[str, object]:
    address = call.of(call.cloud.addresses, "ipaddressid")

    async def work() -> dict[str, object]:
        address.machine = ""
        return {"success": True}

    return call.job(work)


@command("disassociateIpAddress")
async def disassociate_ip_address(call: Call) -> dict[str, object]:
    address = call.of(call.cloud.addresses, "id")

    async def work() -> dict[str, object]:
        call.cloud.addresses.pop(address.id, None)
        return {"success": True}

    return call.job(work)


@command("listPortForwardingRules")
async def list_port_forwarding_rules(call: Call) -> dict[str, object]:
    return call.listed("portforwardingrule", ())


@command("listIpForwardingRules")
async def list_ip_forwarding_rules(call: Call) -> dict[str, object]:
    return call.listed("ipforwardingrule", ())
