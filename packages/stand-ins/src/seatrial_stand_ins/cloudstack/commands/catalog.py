"""Commands for reading the catalog: zones, templates, offerings, networks, capacity."""

from __future__ import annotations

from seatrial_stand_ins.cloudstack.cloud import NETWORK_OFFERING, Network, told_network
from seatrial_stand_ins.cloudstack.commands.calling import Call, command
from seatrial_stand_ins.cloudstack.refusals import INTERNAL, Refused


@command("listZones")
async def list_zones(call: Call) -> dict[str, object]:
    return call.listed(
        "zone",
        ({"id": one.id, "name": one.name, "networktype": "Advanced", "allocationstate": "Enabled", "tags": []}
         for one in call.chosen(call.cloud.zones)),
    )  # fmt: skip


@command("listProjects")
async def list_projects(call: Call) -> dict[str, object]:
    return call.listed(
        "project",
        ({"id": one.id, "name": one.name, "state": "Active"} for one in call.chosen(call.cloud.projects)),
    )


@command("listTemplates")
async def list_templates(call: Call) -> dict[str, object]:
    call.need("templatefilter")
    zone = next(iter(call.cloud.zones.values()))
    return call.listed(
        "template",
        ({"id": one.id, "name": one.name, "displaytext": one.name, "isready": True, "status": "Download Complete",
          "zoneid": zone.id, "zonename": zone.name, "size": one.size, "format": "QCOW2", "hypervisor": "KVM",
          "ostypename": "Debian GNU/Linux 12 (64-bit)", "passwordenabled": False, "sshkeyenabled": True,
          "tags": one.told_tags()}
         for one in call.chosen(call.cloud.templates)),
    )  # fmt: skip


@command("listServiceOfferings")
async def list_service_offerings(call: Call) -> dict[str, object]:
    return call.listed(
        "serviceoffering",
        ({"id": one.id, "name": one.name, "displaytext": one.name, "cpunumber": one.cpus, "cpuspeed": 2000,
          "memory": one.memory, "iscustomized": False, "storagetype": "shared", "offerha": False}
         for one in call.chosen(call.cloud.offerings)),
    )  # fmt: skip


@command("listDiskOfferings")
async def list_disk_offerings(call: Call) -> dict[str, object]:
    return call.listed(
        "diskoffering",
        ({"id": one.id, "name": one.name, "displaytext": one.name, "disksize": one.size,
          "iscustomized": not one.size, "storagetype": "shared"}
         for one in call.chosen(call.cloud.disk_offerings)),
    )  # fmt: skip


@command("listNetworks")
async def list_networks(call: Call) -> dict[str, object]:
    return call.listed("network", (told_network(call.cloud, one) for one in call.chosen(call.cloud.networks)))


@command("createNetwork")
async def create_network(call: Call) -> dict[str, object]:
    call.need("networkofferingid")
    zone = call.of(call.cloud.zones, "zoneid")
    network = Network(name=call.need("name"), zone=zone.id, kind="Isolated", offering=call.get("networkofferingid"))
    call.cloud.add(call.cloud.networks, network)
    return {"network": told_network(call.cloud, network)}


@command("listNetworkOfferings")
async def list_network_offerings(call: Call) -> dict[str, object]:
    name = "DefaultIsolatedNetworkOfferingWithSourceNatService"
    offering = {"id": NETWORK_OFFERING, "name": name, "displaytext": name, "state": "Enabled",
                "guestiptype": "Isolated", "isdefault": True}  # fmt: skip
    return call.listed("networkoffering", [offering] if call.get("name", name) == name else [])


@command("deleteNetwork")
async def delete_network(call: Call) -> dict[str, object]:
    network = call.of(call.cloud.networks, "id")

    async def work() -> dict[str, object]:
        on_it = [one.name for one in call.cloud.machines.values() if network.id in one.networks]
        if on_it:
            raise Refused(INTERNAL, f"Failed to delete the network {network.name}: there are machines on it: "
                          f"{', '.join(on_it)}")  # fmt: skip
        call.cloud.networks.pop(network.id, None)
        return {"success": True}

    return call.job(work)


@command("listCapabilities")
async def list_capabilities(call: Call) -> dict[str, object]:
    return {"capability": {"cloudstackversion": "4.19.1.0", "apilimitmax": 0, "customdiskofferingminsize": 1,
                           "customdiskofferingmaxsize": 1024}}  # fmt: skip


@command("listResourceLimits")
async def list_resource_limits(call: Call) -> dict[str, object]:
    most = 0 if call.cloud.plants.over_limit else -1
    limit = {"account": call.cloud.account, "domain": "ROOT", "resourcetype": "0", "resourcetypename": "user_vm",
             "max": most}  # fmt: skip
    return call.listed("resourcelimit", [limit])
