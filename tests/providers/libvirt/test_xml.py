"""What libvirt is told."""

from xml.etree import ElementTree

from seatrial.loading.provider_settings import settings_from
from seatrial.providers.libvirt import Libvirt, xml


def machine(**more):
    disks = [
        xml.Disk(path="/pool/root", backing="/pool/image", backing_format="raw"),
        xml.Disk(path="/pool/seed", format="raw", read_only=True),
    ]
    given = {"name": "t-n11", "kvm": False, "memory_mib": 192, "disks": disks, "network": "net", "console": "/pool/c"}
    return xml.Machine(**{**given, **more})


def told(settings=None, **more):
    return ElementTree.fromstring(xml.domain(machine(**more), settings_from(Libvirt, settings or {})))


def test_emulation_is_sparing_with_the_hosts_memory():
    domain = told()
    assert domain.get("type") == "qemu"
    assert domain.findtext("features/tcg/tb-cache") == "64"
    assert domain.find("cpu").get("mode") == "maximum"
    assert domain.find("devices/memballoon").get("model") == "none"


def test_kvm_has_the_hosts_processor_unless_told_otherwise():
    assert told(kvm=True).get("type") == "kvm"
    assert told(kvm=True).find("cpu").get("mode") == "host-passthrough"
    assert told({"cpu": "Skylake-Server"}, kvm=True).findtext("cpu/model") == "Skylake-Server"


def test_a_shared_image_is_never_given_to_one_machine():
    root, seed = told().findall("devices/disk")
    assert root.find("backingStore/source").get("file") == "/pool/image"
    assert root.find("backingStore/format").get("type") == "raw"
    assert root.find("backingStore/source/seclabel").get("relabel") == "no"
    assert seed.find("readonly") is not None
    assert [disk.find("target").get("dev") for disk in (root, seed)] == ["vda", "vdb"]


def test_a_kernel_is_booted_directly_else_the_disks_own_loader():
    direct = told(kernel="/pool/vmlinux", initrd="/pool/initrd", cmdline="root=/dev/vda")
    assert direct.findtext("os/kernel") == "/pool/vmlinux"
    assert direct.findtext("os/cmdline") == "root=/dev/vda"
    assert told().find("os/boot").get("dev") == "hd"
    assert told().find("os/bios").get("useserial") == "yes"


def test_the_console_is_added_to_and_never_begun_anew():
    assert told().find("devices/serial/source").attrib == {"path": "/pool/c", "append": "on"}


def test_labels_come_back_from_a_domain():
    labels = {"seatrial.run": "r1", "seatrial.project": '/home/a & b/"x"<y>', "team": "blue"}
    metadata = told(labels=labels).find(f"metadata/{{{xml.SPACE}}}labels")
    assert xml.domain_labels(ElementTree.tostring(metadata, encoding="unicode")) == labels


def test_labels_come_back_from_a_network_however_long_they_are():
    labels = {"seatrial.run": "r1", "seatrial.project": "/" + "näme, with=all /" * 60}
    text = xml.network("net", "sea0", "10.64.7.0/24", labels, nat=False)
    assert xml.network_labels(text) == labels
    assert all(len(one.get("value", "")) < 255 for one in ElementTree.fromstring(text).iterfind("dns/txt"))
    assert xml.network_labels("<network><dns><txt name='l00.seatrial' value='zz'/></dns></network>") == {}


def test_a_network_is_isolated_unless_it_may_lead_out():
    isolated = ElementTree.fromstring(xml.network("net", "sea0", "10.64.7.0/24", {}, nat=False))
    assert isolated.find("forward") is None
    assert [ip.get("address") for ip in isolated.iterfind("ip")] == ["10.64.7.1"]
    assert xml.network("net", "sea0", "10.64.7.0/24", {}, nat=True).count("nat") == 1
