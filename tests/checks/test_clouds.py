"""The checks on a CloudStack: what they choose, what they see, and what documents may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look

from cloudstack_server.calls import catalog, client, disk_offering
from loopback.calls import named
from seatrial.checks.cloudstack import CloudstackLeft, CloudstackVM, CloudstackVolume
from seatrial.loading.provider_settings import settings_from
from seatrial.model.result import Verdict
from seatrial.providers.cloudstack import CloudStack
from seatrial_stand_ins.cloudstack import CloudStackServer


@pytest.fixture(scope="module")
def server():
    """Two machines of an app, one of them with a disk and a tag; a loose volume, an address, a snapshot, a key pair."""
    with CloudStackServer() as running, named(running):
        caller = client(running)
        given, disk = catalog(caller), disk_offering(caller)
        web = caller.deployVirtualMachine(**given, name="notes-web", diskofferingid=disk, size=2)["virtualmachine"]
        caller.deployVirtualMachine(**given, name="shop-web")
        tags = [{"key": "app", "value": "notes"}, {"key": "n", "value": "1"}]
        caller.createTags(resourceids=web["id"], resourcetype="UserVm", tags=tags)
        caller.createVolume(name="notes-loose", zoneid=given["zoneid"], diskofferingid=disk, size=5)
        address = caller.associateIpAddress()["ipaddress"]
        caller.enableStaticNat(ipaddressid=address["id"], virtualmachineid=web["id"])
        root = caller.listVolumes(virtualmachineid=web["id"], type="ROOT")["volume"][0]
        caller.createSnapshot(volumeid=root["id"], name="notes-before")
        caller.registerSSHKeyPair(name="notes-key", publickey="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRg us")
        yield running


def seen(check: Any, folder: Path) -> tuple[Verdict, str]:
    ctx = FakeContext(folder)
    ctx.provider = CloudStack(settings_from(CloudStack, {}))  # type: ignore[attr-defined]
    observation = look(check, ctx)
    return observation.verdict, observation.why


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (CloudstackVM(name="notes-*", offering="small", tags={"app": "notes"}, network="shared-1", cpus=1), ""),
        (CloudstackVM(name=("notes-*", "shop-*"), count=2), ""),
        (CloudstackVM(name="nobody"), "0 machines match, expected at least one"),
        (CloudstackVM(name="nobody", count=0), ""),
        (CloudstackVM(name="*", count=3), "2 machines match, expected 3"),
        (CloudstackVM(name="*-web", tags={"app": "notes"}), "shop-web: tag app is 'missing', expected 'notes'"),
        (CloudstackVM(name="notes-*", state="Stopped"), "notes-web: state is Running, expected Stopped"),
        (CloudstackVM(name="notes-*", offering="big"), "notes-web: offering is small, expected big"),
        (CloudstackVM(name="notes-*", template="fedora"), "notes-web: template is debian-12, expected fedora"),
        (CloudstackVM(name="notes-*", network="dmz"), "notes-web: not on network dmz; its networks: shared-1"),
        (CloudstackVM(name="notes-*", cpus=2), "notes-web: 1 processors, expected 2"),
        (CloudstackVM(name="notes-*", memory="1GiB"), "notes-web: 512 MiB of memory, expected 1GiB"),
        (CloudstackVolume(machine="notes-*", size="2GiB", count=1, offering="custom"), ""),
        (CloudstackVolume(machine="notes-*", kind="root", size="2GiB"), ""),
        (CloudstackVolume(machine="shop-*"), "0 volumes of shop-web, expected at least one"),
        (CloudstackVolume(machine="shop-*", count=0), ""),
        (CloudstackVolume(machine="nobody"), "no machine matches"),
        (CloudstackVolume(machine="notes-*", at_least="3GiB"), f"size is {2 * 1024**3} bytes, expected at least 3GiB"),
        (CloudstackVolume(name="notes-loose", attached=False, size="5GiB"), ""),
        (CloudstackVolume(name="notes-loose"), "not attached to a machine"),
        (CloudstackVolume(name="DATA-*", attached=False), "attached to notes-web, expected unattached"),
        (CloudstackVolume(name="notes-loose", attached=False, tags={"a": "b"}), "tag a is 'missing'"),
        (CloudstackLeft(name="nobody-*", tags={"app": "nobody"}), ""),
        (CloudstackLeft(tags={"app": "notes", "n": "1"}), "left behind: machine notes-web (Running)"),
        (CloudstackLeft(tags={"app": "notes", "n": "2"}), ""),
        (CloudstackLeft(name="notes-*", kinds=("snapshot", "keypair")), "snapshot notes-before (BackedUp); keypair"),
        (CloudstackLeft(name="notes-web", kinds=("address",)), "address 198.51.100.1 (Allocated, notes-web)"),
        (CloudstackLeft(name="shared-*"), "network shared-1"),
        (CloudstackLeft(name="shared-*", allow="shared-1"), ""),
    ],
)  # fmt: skip
def test_what_is_seen_decides(server, tmp_path, check, wrong):
    verdict, why = seen(check, tmp_path)
    assert verdict is (Verdict.FAILED if wrong else Verdict.PASSED), why
    assert wrong in why


def test_what_was_looked_at_is_left_as_long_as_it_is_there(server, tmp_path):
    assert seen(CloudstackLeft(name="nobody"), tmp_path)[0] is Verdict.PASSED
    assert seen(CloudstackVM(name="shop-web"), tmp_path)[0] is Verdict.PASSED
    verdict, why = seen(CloudstackLeft(name="nobody"), tmp_path)
    assert verdict is Verdict.FAILED
    assert why.startswith("left behind: machine shop-web (Running); volume ROOT-")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (CloudstackLeft(), "nothing to look for: give `name` or `tags`"),
        (CloudstackLeft(name="a", kinds=("machnie",)), "unknown kind 'machnie': did you mean 'machine'?"),
        (CloudstackVM(on="n11", name="a"), "`on` already selects the machines by node"),
        (CloudstackVM(name="a", memory="much"), "invalid size 'much'"),
        (CloudstackVolume(on="n11", machine="a"), "`on` already selects the volumes"),
        (CloudstackVolume(name="a", size="1XB"), "invalid size '1XB'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_document(check, said):
    ((_, why),) = check.check_fields()
    assert said in why


@pytest.mark.parametrize("kind", [CloudstackVM, CloudstackVolume, CloudstackLeft])
def test_as_text_they_take_a_name(kind):
    assert kind.from_text(":notes-*") == {"name": "notes-*"}
    with pytest.raises(ValueError, match=r"missing .*name; allowed: cloudstack_"):
        kind.from_text(": ")
