"""Methods that only show, and those of the resources beside instances: disks, networks, firewalls, addresses."""

from __future__ import annotations

from typing import Any

from seatrial_stand_ins.gcp.calling import Call, fingerprint, method, require_fingerprint, require_labels, require_name
from seatrial_stand_ins.gcp.cloud import REGIONS, Thing
from seatrial_stand_ins.gcp.refusals import Refused, no_such

GETS = ("disks", "networks", "firewalls", "addresses", "images", "machineTypes", "projects", "zones",
        "zoneOperations", "globalOperations", "regionOperations")  # fmt: skip
LISTS = {
    "disks": "diskList", "networks": "networkList", "firewalls": "firewallList", "addresses": "addressList",
    "images": "imageList", "machineTypes": "machineTypeList", "zones": "zoneList", "regions": "regionList",
    "instances": "instanceList", "zoneOperations": "operationList", "globalOperations": "operationList",
    "regionOperations": "operationList",
}  # fmt: skip
INSERTS = {"disks": "disk", "networks": "network", "firewalls": "firewall", "addresses": "address"}


@method(*(f"{name}.get" for name in GETS))
async def get(call: Call) -> dict[str, Any]:
    if "images" not in call.path and not call.method.endswith("Operations.get"):
        call.need(f"compute.{call.method}")
    return call.target.document


@method("regions.get")
async def get_region(call: Call) -> dict[str, Any]:
    region = call.target
    used = call.cloud.cpus(region.name)
    quotas = [{"metric": "CPUS", "limit": float(call.cloud.plants.quota), "usage": float(used)}]
    return {**region.document, "quotas": quotas}


@method(*(f"{name}.list" for name in LISTS))
async def list_resources(call: Call) -> dict[str, Any]:
    name = call.method.partition(".")[0]
    call.need(f"compute.{call.method}")
    scope = call.path.rpartition("/")[0]
    if scope not in call.cloud.things and not scope.endswith("/global"):
        raise no_such(scope)
    return call.listed(call.cloud.below(call.path), f"compute#{LISTS[name]}")


@method("instances.aggregatedList", "disks.aggregatedList", "addresses.aggregatedList")
async def aggregated(call: Call) -> dict[str, Any]:
    collection = call.method.partition(".")[0]
    call.need(f"compute.{collection}.list")
    own = call.path.partition("/aggregated/")[0]
    scopes = (
        [f"regions/{region}" for region in REGIONS]
        if collection == "addresses"
        else [f"zones/{zone}" for zones in REGIONS.values() for zone in zones]
    )
    things = [thing for scope in scopes for thing in call.cloud.below(f"{own}/{scope}/{collection}")]
    page, token = call.page(things)
    items: dict[str, Any] = {}
    for scope in scopes:
        found = [thing.document for thing in page if thing.path.startswith(f"{own}/{scope}/")]
        warning = {
            "code": "NO_RESULTS_ON_PAGE",
            "message": f"There are no results for scope '{scope}' on this page.",
            "data": [{"key": "scope", "value": scope}],
        }
        items[scope] = {collection: found} if found else {"warning": warning}
    following = {"nextPageToken": token} if token else {}
    kind = f"compute#{LISTS[collection].removesuffix('List')}AggregatedList"
    return {"kind": kind, "id": call.path, "items": items, **following, "selfLink": call.cloud.link(call.path)}


@method("images.getFromFamily")
async def from_family(call: Call) -> dict[str, Any]:
    scope = call.path.partition("/family/")[0]
    family = call.place["family"]
    found = [thing for thing in call.cloud.below(scope) if thing.document.get("family") == family]
    if not found:
        raise no_such(call.path)
    return found[-1].document


@method("zoneOperations.wait", "globalOperations.wait", "regionOperations.wait")
async def wait(call: Call) -> dict[str, Any]:
    await call.operations.wait(call.target)
    return call.target.document


@method(*(f"{name}.insert" for name in INSERTS))
async def insert(call: Call) -> dict[str, Any]:
    name = call.method.partition(".")[0]
    call.need(f"compute.{name}.create")
    require_labels(call.body.get("labels", {}))
    thing = made(call, name, f"{call.path}/{require_name(call.body.get('name'))}", call.body)

    async def work() -> None:
        if "status" in thing.document:
            thing.document["status"] = "READY" if name == "disks" else "RESERVED"

    return call.begin(thing, work)


def made(call: Call, name: str, path: str, body: dict[str, Any]) -> Thing:
    """A new resource from what its client gave."""
    document = {"kind": f"compute#{INSERTS[name]}", **body}
    scope = path.split("/")
    if scope[2] == "zones":
        document["zone"] = call.cloud.link("/".join(scope[:4]))
    if name == "disks":
        document |= {"status": "CREATING", "sizeGb": str(body.get("sizeGb", "10"))}
        document["labelFingerprint"] = fingerprint(body.get("labels", {}))
    elif name == "addresses":
        document |= {"status": "RESERVING", "address": f"198.51.100.{len(call.cloud.things) % 250 + 1}"}
    return call.cloud.add(path, document)


@method(*(f"{name}.delete" for name in INSERTS))
async def delete(call: Call) -> dict[str, Any]:
    call.need(f"compute.{call.method}")
    thing = call.target
    if users := thing.document.get("users"):
        name = call.method.partition(".")[0].rstrip("s")
        text = f"The {name} resource '{thing.path}' is already being used by '{call.cloud.path(users[0])}'"
        raise Refused(400, "resourceInUseByAnotherResource", text)

    async def work() -> None:
        call.cloud.things.pop(thing.path, None)

    return call.begin(thing, work)


@method("disks.setLabels", "instances.setLabels")
async def set_labels(call: Call) -> dict[str, Any]:
    call.need(f"compute.{call.method}")
    thing, labels = call.target, call.body.get("labels", {})
    require_labels(labels)
    require_fingerprint(str(call.body.get("labelFingerprint", "")), str(thing.document["labelFingerprint"]))

    async def work() -> None:
        thing.document |= {"labels": labels, "labelFingerprint": fingerprint(labels)}

    return call.begin(thing, work)
