"""The CloudStack server answers as CloudStack does, to the client that its users have."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cs import CloudStackApiException, CloudStackException

from cloudstack_server.calls import catalog, client, disk_offering
from seatrial_stand_ins.cloudstack import CloudStackServer


@pytest.fixture
def server():
    with CloudStackServer() as running:
        yield running


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_signed_call_is_answered(server, method):
    assert [zone["name"] for zone in client(server, method=method).listZones()["zone"]] == ["zone-1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda cloud: setattr(cloud, "secret", "another"),
        lambda cloud: setattr(cloud, "key", "nobody"),
        lambda cloud: setattr(cloud, "secret", None),
        lambda cloud: setattr(cloud, "expiration", timedelta(seconds=0)),
    ],
    ids=["wrong secret", "unknown key", "no signature", "too late"],
)
def test_what_is_not_signed_by_the_account_in_time_is_refused(server, change):
    cloud = client(server)
    change(cloud)
    with pytest.raises(CloudStackApiException) as raised:
        cloud.listZones()
    assert raised.value.error["errorcode"] == 401
    assert "unable to verify user credentials" in raised.value.error["errortext"]
    assert server.cloud.calls == []


def test_odd_signs_in_values_are_signed_as_they_are_sent(server):
    cloud = client(server)
    machine = cloud.deployVirtualMachine(**catalog(cloud), name="a", displayname="a b*c&d=e/ü+")["virtualmachine"]
    assert machine["displayname"] == "a b*c&d=e/ü+"


def test_a_job_is_pending_until_its_work_is_done_and_then_tells_the_machine(server):
    cloud = client(server, fetch_result=False)
    server.plants.job_never_ends.add("stopVirtualMachine")
    begun = cloud.deployVirtualMachine(**catalog(cloud), name="web1")
    told = client(server)._jobresult(begun["jobid"])["virtualmachine"]
    assert (told["id"], told["name"], told["state"]) == (begun["id"], "web1", "Running")
    stopped = cloud.stopVirtualMachine(id=told["id"])
    assert cloud.queryAsyncJobResult(jobid=stopped["jobid"])["jobstatus"] == 0
    with pytest.raises(CloudStackException, match="Timeout waiting"):
        client(server, job_timeout=1)._jobresult(stopped["jobid"])


def test_a_failed_job_says_why_in_the_clouds_words(server):
    cloud = client(server)
    server.plants.no_capacity = True
    with pytest.raises(CloudStackApiException) as raised:
        cloud.deployVirtualMachine(**catalog(cloud), name="web1")
    assert raised.value.error["errorcode"] == 533
    assert "no host has capacity" in raised.value.error["errortext"]
    assert [one["state"] for one in cloud.listVirtualMachines()["virtualmachine"]] == ["Error"]


def test_a_machine_goes_through_its_power_and_away_with_its_disks(server):
    cloud = client(server)
    machine = cloud.deployVirtualMachine(**catalog(cloud), name="web1", diskofferingid=disk_offering(cloud), size=2)
    id = machine["virtualmachine"]["id"]
    kinds = {one["type"]: one for one in cloud.listVolumes(virtualmachineid=id)["volume"]}
    assert kinds["DATADISK"]["size"] == 2 * 1024**3
    assert cloud.stopVirtualMachine(id=id)["virtualmachine"]["state"] == "Stopped"
    assert cloud.startVirtualMachine(id=id)["virtualmachine"]["state"] == "Running"
    cloud.createTags(resourceids=[id], resourcetype="UserVm", tags=[{"key": "team", "value": "blue"}])
    assert [one["id"] for one in cloud.listVirtualMachines(tags=[{"key": "team", "value": "blue"}])["virtualmachine"]]
    assert cloud.listVirtualMachines(tags=[{"key": "team", "value": "red"}]) == {}
    cloud.destroyVirtualMachine(id=id, expunge=True, volumeids=kinds["DATADISK"]["id"])
    assert cloud.listVirtualMachines() == cloud.listVolumes() == {}
    with pytest.raises(CloudStackApiException) as raised:
        cloud.listVirtualMachines(id=id)
    assert raised.value.error["errorcode"] == 431


def test_volumes_are_made_attached_grown_detached_and_deleted(server):
    cloud = client(server)
    vm = cloud.deployVirtualMachine(**catalog(cloud), name="web1")["virtualmachine"]
    zone, offering = vm["zoneid"], disk_offering(cloud)
    made = cloud.createVolume(name="data", zoneid=zone, diskofferingid=offering, size=1)["volume"]
    attached = cloud.attachVolume(id=made["id"], virtualmachineid=vm["id"])["volume"]
    assert (attached["deviceid"], attached["vmname"]) == (1, "web1")
    with pytest.raises(CloudStackApiException, match="not attached to any VM"):
        cloud.deleteVolume(id=made["id"])
    with pytest.raises(CloudStackApiException, match="would shrink"):
        cloud.resizeVolume(id=made["id"], size=0)
    assert cloud.resizeVolume(id=made["id"], size=3)["volume"]["size"] == 3 * 1024**3
    assert "virtualmachineid" not in cloud.detachVolume(id=made["id"])["volume"]
    cloud.deleteVolume(id=made["id"])
    assert [one["type"] for one in cloud.listVolumes()["volume"]] == ["ROOT"]


def test_lists_come_in_pages(server):
    cloud = client(server)
    given = catalog(cloud)
    for number in range(5):
        cloud.deployVirtualMachine(**given, name=f"web{number}")
    page = cloud.listVirtualMachines(page=2, pagesize=2)
    assert (page["count"], [one["name"] for one in page["virtualmachine"]]) == (5, ["web2", "web3"])
    assert len(cloud.listVirtualMachines(fetch_list=True, pagesize=2)) == 5
    with pytest.raises(CloudStackApiException, match="max allowed page size"):
        cloud.listVirtualMachines(page=1, pagesize=501)


def test_key_pairs_addresses_and_snapshots_come_and_go(server):
    cloud = client(server)
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"
    assert cloud.registerSSHKeyPair(name="us", publickey=public)["keypair"]["name"] == "us"
    with pytest.raises(CloudStackApiException, match="already exists"):
        cloud.registerSSHKeyPair(name="us", publickey=public)
    vm = cloud.deployVirtualMachine(**catalog(cloud), name="web1", keypair="us")["virtualmachine"]
    address = cloud.associateIpAddress(zoneid=vm["zoneid"])["ipaddress"]
    cloud.enableStaticNat(ipaddressid=address["id"], virtualmachineid=vm["id"])
    assert cloud.listPublicIpAddresses()["publicipaddress"][0]["virtualmachinename"] == "web1"
    volume = cloud.listVolumes(virtualmachineid=vm["id"])["volume"][0]
    snapshot = cloud.createSnapshot(volumeid=volume["id"], name="before")["snapshot"]
    assert cloud.listSnapshots()["snapshot"][0]["name"] == "before"
    cloud.deleteSnapshot(id=snapshot["id"])
    cloud.disassociateIpAddress(id=address["id"])
    cloud.deleteSSHKeyPair(name="us")
    assert cloud.listSnapshots() == cloud.listPublicIpAddresses() == cloud.listSSHKeyPairs() == {}


def test_an_unknown_command_and_a_gateway_that_fails_are_told_as_they_are(server):
    cloud = client(server)
    with pytest.raises(CloudStackApiException) as raised:
        cloud.inventSomething()
    assert raised.value.error["errorcode"] == 432
    server.plants.broken["listZones"] = 1
    with pytest.raises(CloudStackException, match="HTTP 503"):
        cloud.listZones()
    assert cloud.listZones()["count"] == 1
