"""The XML for libvirt; built as a tree, so that no value can break out of its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as Tree

from seatrial.providers.libvirt.seed import DOMAIN
from seatrial.providers.libvirt.settings import LibvirtSettings

SPACE = "https://seatrial.dev/libvirt/labels"
"""The namespace of our labels in a domain's metadata."""

TXT = 200
"""Characters of one piece of a network's labels: a DNS text holds 255."""

Node = Tree.Element


def element(tag: str, text: str = "", /, **attributes: object) -> Node:
    """An element with attributes; `type_` stands for `type`."""
    made = Node(tag, {name.rstrip("_"): str(value) for name, value in attributes.items()})
    made.text = text or None
    return made


def under(parent: Node, tag: str, text: str = "", /, **attributes: object) -> Node:
    """The same, put into another."""
    parent.append(element(tag, text, **attributes))
    return parent[-1]


def text_of(node: Node) -> str:
    return Tree.tostring(node, encoding="unicode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk of a domain, and its backing file."""

    path: str
    format: str = "qcow2"
    backing: str = ""
    backing_format: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The contents of a domain's XML."""

    name: str
    kvm: bool
    memory_mib: int
    vcpus: int = 1
    disks: Sequence[Disk]
    network: str = ""
    mac: str = ""
    console: str = ""
    """A file for the output of the serial port."""
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def domain(machine: Machine, settings: LibvirtSettings) -> str:
    root = element("domain", type_="kvm" if machine.kvm else "qemu")
    under(root, "name", machine.name)
    if machine.labels:
        Tree.register_namespace("seatrial", SPACE)
        labels = under(under(root, "metadata"), f"{{{SPACE}}}labels")
        for name, value in machine.labels.items():
            under(labels, f"{{{SPACE}}}label", value, name=name)
    under(root, "memory", str(machine.memory_mib), unit="MiB")
    under(root, "vcpu", str(machine.vcpus))
    _boot(under(root, "os"), machine, settings)
    features = under(root, "features")
    under(features, "acpi")
    if not machine.kvm:  # QEMU's own size is a gigabyte of the host for each guest
        under(under(features, "tcg"), "tb-cache", "64", unit="MiB")
    _cpu(root, settings.cpu or ("host-passthrough" if machine.kvm else "maximum"))
    under(root, "clock", offset="utc")
    under(root, "on_poweroff", "destroy")
    under(root, "on_reboot", "restart")
    under(root, "on_crash", "destroy")
    devices = under(root, "devices")
    for place, disk in enumerate(machine.disks):
        devices.append(_disk(disk, f"vd{chr(ord('a') + place)}"))
    if machine.network:
        card = under(devices, "interface", type_="network")
        under(card, "mac", address=machine.mac)
        under(card, "source", network=machine.network)
        under(card, "model", type_="virtio")
    if machine.console:
        serial = under(devices, "serial", type_="file")
        under(serial, "source", path=machine.console, append="on")
        under(serial, "target", port="0")
    under(devices, "memballoon", model="none")
    under(under(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    return text_of(root)


def _boot(os: Node, machine: Machine, settings: LibvirtSettings) -> None:
    under(os, "type", "hvm", arch="x86_64", machine=settings.machine)
    if machine.kernel:
        under(os, "kernel", machine.kernel)
        if machine.initrd:
            under(os, "initrd", machine.initrd)
        under(os, "cmdline", machine.cmdline)
    else:
        under(os, "boot", dev="hd")
        if machine.console:  # the firmware reports there the device it could not boot from
            under(os, "bios", useserial="yes")


def _cpu(root: Node, model: str) -> None:
    if model in ("host-passthrough", "maximum", "host-model"):
        under(root, "cpu", mode=model)
    else:
        under(under(root, "cpu", mode="custom", match="exact"), "model", model, fallback="forbid")


def _disk(disk: Disk, target: str) -> Node:
    root = element("disk", type_="file", device="disk")
    # A machine of a trial need not survive a power loss of this host: its disks are never synced.
    under(root, "driver", name="qemu", type_=disk.format, cache="unsafe", discard="unmap", error_policy="enospace")
    under(root, "source", file=disk.path)
    if disk.backing:
        # A file shared by several machines belongs to none of them, and must not be given to one.
        below = under(root, "backingStore", type_="file")
        under(below, "format", type_=disk.backing_format)
        under(under(below, "source", file=disk.backing), "seclabel", model="dac", relabel="no")
        under(below, "backingStore")
    under(root, "target", dev=target, bus="virtio")
    if disk.read_only:
        under(root, "readonly")
    return root


def network(name: str, bridge: str, subnet: str, labels: Mapping[str, str], *, nat: bool) -> str:
    """A network with this host at its first address; it gives out addresses from .200 by itself."""
    start = subnet.rpartition(".")[0]
    root = element("network")
    under(root, "name", name)
    if nat:
        under(root, "forward", mode="nat")
    under(root, "bridge", name=bridge, stp="off", delay="0")
    under(root, "domain", name=DOMAIN, localOnly="yes")
    dns = under(root, "dns")
    for key, piece in pieces(labels).items():
        under(dns, "txt", name=key, value=piece)
    given = under(under(root, "ip", address=f"{start}.1", netmask="255.255.255.0"), "dhcp")
    under(given, "range", start=f"{start}.200", end=f"{start}.250")
    return text_of(root)


def pieces(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as DNS texts, for a network has no metadata before libvirt 9.7."""
    text = json.dumps(dict(labels), separators=(",", ":")).encode().hex()
    return {f"l{place // TXT:02}.seatrial": text[place : place + TXT] for place in range(0, len(text), TXT)}


def network_labels(xml: str) -> dict[str, str]:
    """The labels of a network; empty if it has no readable ones."""
    found = {one.get("name", ""): one.get("value", "") for one in Tree.fromstring(xml).iterfind("dns/txt")}
    text = "".join(found[name] for name in sorted(found) if name.endswith(".seatrial"))
    try:
        return {str(name): str(value) for name, value in json.loads(bytes.fromhex(text)).items()} if text else {}
    except ValueError:
        return {}


def domain_labels(metadata: str) -> dict[str, str]:
    return {one.get("name", ""): one.text or "" for one in Tree.fromstring(metadata).iter() if one.get("name")}


def dhcp_host(mac: str, name: str, address: str) -> str:
    return text_of(element("host", mac=mac, name=name, ip=address))


def dns_host(name: str, address: str) -> str:
    root = element("host", ip=address)
    under(root, "hostname", name)
    return text_of(root)


def pool(name: str, folder: str) -> str:
    """A folder for libvirt's volumes; others may pass through it, and not list it."""
    root = element("pool", type_="dir")
    under(root, "name", name)
    target = under(root, "target")
    under(target, "path", folder)
    under(under(target, "permissions"), "mode", "0711")
    return text_of(root)


def volume(name: str, size: int, format: str, *, backing: str = "", backing_format: str = "", mode: str = "") -> str:
    """A file in a pool, of so many bytes, none of them taken yet."""
    root = element("volume")
    under(root, "name", name)
    under(root, "capacity", str(size), unit="bytes")
    under(root, "allocation", "0", unit="bytes")
    target = under(root, "target")
    under(target, "format", type_=format)
    if mode:
        under(under(target, "permissions"), "mode", mode)
    if backing:
        below = under(root, "backingStore")
        under(below, "path", backing)
        under(below, "format", type_=backing_format)
    return text_of(root)


def snapshot(name: str) -> str:
    """Memory and disks, kept inside the disks."""
    root = element("domainsnapshot")
    under(root, "name", name)
    return text_of(root)
