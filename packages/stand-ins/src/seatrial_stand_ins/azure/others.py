"""Groups, disks, interfaces, addresses, networks and their rules; images, sizes, quotas and rights."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from seatrial_stand_ins.azure.catalog import CORES, IMAGES, LOCATIONS, SIZES
from seatrial_stand_ins.azure.cloud import COMPUTE, NETWORK, ROUTES, Azure, page, tagged
from seatrial_stand_ins.clouds.operations import OperationFailed
from seatrial_stand_ins.clouds.server import Answer, Call, Refused
from seatrial_stand_ins.clouds.things import Machine, Thing

_Calls = Call[Azure]
_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"

MODELS = {
    f"{COMPUTE}/disks": "Disk", f"{NETWORK}/networkInterfaces": "NetworkInterface",
    f"{NETWORK}/publicIPAddresses": "PublicIPAddress", f"{NETWORK}/virtualNetworks": "VirtualNetwork",
    f"{NETWORK}/networkSecurityGroups": "NetworkSecurityGroup", f"{COMPUTE}/images": "Image",
}  # fmt: skip


# Groups


def _told_group(cloud: Azure, group: Thing) -> dict[str, Any]:
    id = f"/subscriptions/{cloud.subscription}/resourceGroups/{group.name}"
    told = {**group.told, "id": id, "name": group.name, "type": "Microsoft.Resources/resourceGroups"}
    return cloud.told("Microsoft.Resources/ResourceGroup", {**told, "tags": group.labels})


@ROUTES.on(f"{_GROUPS}/read", "GET ALL/resourceGroups")
async def list_groups(call: _Calls) -> Answer:
    call.cloud.require(call)
    return page(call, (_told_group(call.cloud, one) for one in tagged(call, call.cloud.groups.listed())))


@ROUTES.on(f"{_GROUPS}/read", "GET GROUP", "HEAD GROUP")
async def get_group(call: _Calls) -> Answer:
    call.cloud.require(call)
    return Answer(_told_group(call.cloud, call.cloud.groups[call.values["group"].lower()]))


@ROUTES.on(f"{_GROUPS}/write", "PUT GROUP")
async def put_group(call: _Calls) -> Answer:
    cloud, name = call.cloud, call.values["group"]
    known = cloud.group(name)
    cloud.require(Call(cloud, call.name, call.path, {"subscription": call.values["subscription"]}, call.queries, {}))
    cloud.checked("Microsoft.Resources/ResourceGroup", call.body)
    if "location" not in call.body:
        raise Refused(400, "LocationRequired", "The location property is required for this definition.")
    if known is not None and known.told["properties"]["provisioningState"] == "Deleting":
        raise Refused(409, "ResourceGroupBeingDeleted", f"The resource group '{name}' is in deprovisioning state.")
    told = {"location": call.body["location"], "properties": {"provisioningState": "Succeeded"}}
    group = known or cloud.groups.add(Thing(id=name.lower(), name=name))
    group.told, group.labels = told, dict(call.body.get("tags") or {})
    return Answer(_told_group(cloud, group), 200 if known else 201)


def inside(cloud: Azure, group: str) -> list[tuple[Any, Thing]]:
    """All that is in a group, with its shelf."""
    prefix = f"/subscriptions/{cloud.subscription}/resourcegroups/{group}/".lower()
    return [(shelf, one) for shelf in cloud.shelves.values() for id, one in list(shelf.items()) if prefix in str(id)]


@ROUTES.on(f"{_GROUPS}/delete", "DELETE GROUP")
async def delete_group(call: _Calls) -> Answer:
    """Whole, with all that is in it."""
    cloud = call.cloud
    cloud.require(call)
    group = cloud.groups[call.values["group"].lower()]
    group.told = {**group.told, "properties": {"provisioningState": "Deleting"}}

    async def work() -> None:
        if "deleteGroup" in cloud.plants.operation_fails:
            raise OperationFailed("ResourceGroupDeletionBlocked", cloud.plants.operation_fails["deleteGroup"])
        for shelf, one in inside(cloud, group.name):
            if isinstance(one, Machine):
                await cloud.power.remove(one, lambda shelf=shelf, one=one: shelf.remove(one.id))  # type: ignore[misc]
            else:
                shelf.remove(one.id)
        if not inside(cloud, group.name):
            cloud.groups.remove(group.id)

    return cloud.going_on(cloud.operations.begin("deleteGroup", "group", group.id, work))


# Disks, interfaces, addresses, networks, rules


def told_thing(cloud: Azure, kind: str, one: Thing) -> dict[str, Any]:
    """A resource, as in answers."""
    shown = {**one.told, "properties": {**one.told["properties"], "provisioningState": "Succeeded"}, "tags": one.labels}
    return cloud.told(f"{kind.partition('/')[0]}/{MODELS[kind]}", shown)


def add(cloud: Azure, kind: str, group: str, name: str, body: Mapping[str, Any]) -> Thing:
    """Keep a resource."""
    id, properties = cloud.id(group, kind, name), dict(body.get("properties") or {})
    for key in ("subnets", "ipConfigurations", "securityRules"):
        for one in properties.get(key) or ():
            one["id"] = f"{id}/{key}/{one['name']}"
    told = {**body, "id": id, "name": name, "type": kind, "properties": properties}
    told.pop("tags", None)
    return cloud.shelves[kind].add(  # type: ignore[no-any-return]
        Thing(id=id.lower(), name=name, told=told, labels=dict(body.get("tags") or {}))
    )


def _used_by(cloud: Azure, kind: str, one: Thing) -> str:
    """What still uses it."""
    if kind == f"{NETWORK}/networkInterfaces":
        return str((one.told["properties"].get("virtualMachine") or {}).get("id") or "")
    if kind == f"{COMPUTE}/disks":
        return str(one.told.get("managedBy") or "")
    if kind == f"{COMPUTE}/images":
        return ""
    for card in cloud.shelves[f"{NETWORK}/networkInterfaces"].values():
        text = str(card.told["properties"]).lower()
        if f"'{one.id}'" in text or f"'{one.id}/" in text:
            return str(card.told["id"])
    return ""


def _register(kind: str) -> None:
    provider, _, plural = kind.partition("/")
    at = f"/providers/{provider}/{plural}"
    model = f"{provider}/{MODELS[kind]}"

    @ROUTES.on(f"{kind}/read", f"GET ALL{at}", f"GET GROUP{at}")
    async def listed(call: _Calls) -> Answer:
        call.cloud.require(call)
        prefix = f"/resourcegroups/{call.values['group'].lower()}/" if "group" in call.values else ""
        found = [one for one in call.cloud.shelves[kind].listed() if prefix in str(one.id)]
        return page(call, (told_thing(call.cloud, kind, one) for one in found))

    @ROUTES.on(f"{kind}/read", f"GET GROUP{at}/{{name}}")
    async def get(call: _Calls) -> Answer:
        told = told_thing(call.cloud, kind, call.cloud.named(kind, call))
        if "publicIPAddress" in call.query.get("$expand", ""):
            told = _expanded(call.cloud, told)
        return Answer(told)

    @ROUTES.on(f"{kind}/write", f"PUT GROUP{at}/{{name}}")
    async def put(call: _Calls) -> Answer:
        cloud = call.cloud
        cloud.require(call)
        cloud.checked(model, call.body)
        known = cloud.id(call.values["group"], kind, call.values["name"]).lower() in cloud.shelves[kind]
        thing = add(cloud, kind, call.values["group"], call.values["name"], call.body)
        return Answer(told_thing(cloud, kind, thing), 200 if known else 201)

    @ROUTES.on(f"{kind}/delete", f"DELETE GROUP{at}/{{name}}")
    async def delete(call: _Calls) -> Answer:
        cloud = call.cloud
        try:
            one = cloud.named(kind, call)
        except Refused as refused:
            if refused.code != "ResourceNotFound":
                raise
            return Answer(None, 204)
        if user := _used_by(cloud, kind, one):
            raise Refused(400, "InUse", f"{one.told['id']} is used by {user} and cannot be deleted.")
        cloud.shelves[kind].remove(one.id)
        return Answer(None, 200)


for _kind in MODELS:
    _register(_kind)


def _expanded(cloud: Azure, card: dict[str, Any]) -> dict[str, Any]:
    """An interface with its public addresses, instead of their identifiers."""
    configurations = []
    for one in card["properties"].get("ipConfigurations") or ():
        properties = dict(one["properties"])
        address = cloud.at(str((properties.get("publicIPAddress") or {}).get("id") or ""))
        if address is not None:
            properties["publicIPAddress"] = told_thing(cloud, f"{NETWORK}/publicIPAddresses", address)
        configurations.append({**one, "properties": properties})
    return {**card, "properties": {**card["properties"], "ipConfigurations": configurations}}


def subnet(cloud: Azure, id: str) -> Mapping[str, Any]:
    """The subnet with this identifier."""
    network = cloud.at(id.rpartition("/subnets/")[0])
    for one in (network.told["properties"].get("subnets") or ()) if network is not None else ():
        if str(one["id"]).lower() == id.lower():
            return one  # type: ignore[no-any-return]
    raise Refused(400, "InvalidResourceReference", f"Resource {id} was not found.")


def free_address(cloud: Azure, id: str) -> str:
    """The next private address of a subnet; Azure keeps the first four."""
    properties = subnet(cloud, id)["properties"]
    net = ipaddress.ip_network(properties.get("addressPrefix") or properties["addressPrefixes"][0])
    return str(net[4 + len(cloud.shelves[f"{NETWORK}/networkInterfaces"])])


@ROUTES.on(
    f"{NETWORK}/virtualNetworks/subnets/read",
    f"GET GROUP/providers/{NETWORK}/virtualNetworks/{{name}}/subnets/{{subnet}}",
)
async def get_subnet(call: _Calls) -> Answer:
    network = call.cloud.named(f"{NETWORK}/virtualNetworks", call)
    try:
        return Answer(subnet(call.cloud, f"{network.told['id']}/subnets/{call.values['subnet']}"))
    except Refused:
        raise Refused(404, "NotFound", f"Subnet {call.values['subnet']} was not found.") from None


# Images, sizes, quotas, rights

_AT = f"/providers/{COMPUTE}/locations/{{location}}"
_SKU = f"{_AT}/publishers/{{publisher}}/artifacttypes/vmimage/offers/{{offer}}/skus/{{sku}}/versions"


def versions(urn: str) -> tuple[str, ...]:
    """The versions of an image, by publisher, offer and SKU; empty: there is none."""
    return next((known for name, known in IMAGES.items() if name.lower() == urn.lower()), ())


@ROUTES.on(f"{COMPUTE}/locations/publishers/artifacttypes/offers/skus/versions/read", f"GET ALL{_SKU}")
async def list_versions(call: _Calls) -> Answer:
    known = versions(":".join(call.values[key] for key in ("publisher", "offer", "sku")))
    told = [{"id": f"{call.path}/{one}", "name": one, "location": call.values["location"]} for one in known]
    if not told:
        raise Refused(404, "NotFound", "Artifact: VMImage was not found.")
    return Answer(told)  # type: ignore[arg-type]


@ROUTES.on(f"{COMPUTE}/locations/publishers/artifacttypes/offers/skus/versions/read", f"GET ALL{_SKU}/{{version}}")
async def get_version(call: _Calls) -> Answer:
    known = versions(":".join(call.values[key] for key in ("publisher", "offer", "sku")))
    if call.values["version"] not in known:
        raise Refused(404, "NotFound", "Artifact: VMImage was not found.")
    return Answer({"id": call.path, "name": call.values["version"], "location": call.values["location"]})


@ROUTES.on(f"{COMPUTE}/locations/vmSizes/read", f"GET ALL{_AT}/vmSizes")
async def list_sizes(call: _Calls) -> Answer:
    call.cloud.require(call)
    _require_location(call)
    told = [{"name": name, "numberOfCores": cores, "memoryInMB": mib} for name, (cores, mib) in SIZES.items()]
    return Answer({"value": told})


@ROUTES.on(f"{COMPUTE}/locations/usages/read", f"GET ALL{_AT}/usages")
async def list_usages(call: _Calls) -> Answer:
    _require_location(call)
    used = sum(machine.wanted.cpus for machine in call.cloud.machines.values())
    name = {"value": "cores", "localizedValue": "Total Regional vCPUs"}
    limit = used if call.cloud.plants.quota_full else CORES
    return Answer({"value": [{"unit": "Count", "currentValue": used, "limit": limit, "name": name}]})


def _require_location(call: _Calls) -> None:
    if call.values["location"] not in LOCATIONS:
        raise Refused(400, "NoRegisteredProviderFound", f"No location {call.values['location']!r} for this type.")


@ROUTES.on("Microsoft.Authorization/permissions/read", "GET ALL/providers/Microsoft.Authorization/permissions")
async def list_permissions(call: _Calls) -> Answer:
    call.cloud.require(call)
    reads = call.headers.get("authorization", "").endswith(call.cloud.read_only)
    told = {"actions": ["*/read" if reads else "*"], "notActions": sorted(call.cloud.plants.denied)}
    return Answer({"value": [told]})
