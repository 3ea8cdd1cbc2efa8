"""Three virtual machines from nothing to SSH, by Seatrial's command and by virsh; a start from a snapshot."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machines import keys
from benchmarks.machines.command import run, three_nodes
from benchmarks.machines.told import Told, median
from benchmarks.measure import RunFailed

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = CHECKOUT / ".images"
MEMORY = 192
BOOT = 1.2
SNAPSHOT = 0.3
CMDLINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off no_timer_check"

DOMAIN = """\
<domain type='{type}'><name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{images}/vmlinux</kernel><initrd>{images}/initrd.img</initrd>
<cmdline>{cmdline}</cmdline></os><features><acpi/>{cache}</features><cpu mode='{cpu}'/><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{seed}'/><target dev='vdb' bus='virtio'/>
<readonly/></disk>
<interface type='network'><mac address='{mac}'/><source network='{network}'/><model type='virtio'/></interface>
<serial type='file'><source path='{console}'/><target port='0'/></serial><memballoon model='none'/>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>
"""
NETWORK = """\
<network><name>{name}</name><bridge name='{name}' stp='off' delay='0'/>
<ip address='{start}.1' netmask='255.255.255.0'/></network>
"""


def boots(scratch: Path, turns: int) -> Told:
    """Three machines, in turns with the same by hand; the first turn is not counted."""
    seatrial, hand, slowest, start_up, whole_run = [], [], [], [], []
    with _daemon():
        for turn in range(turns + 1):
            done = run(scratch, three_nodes("libvirt", libvirt_memory=MEMORY), {"libvirt": _settings()})
            whole, boot = asyncio.run(_by_hand(scratch, kvm=_by_kvm(done.events)))
            if turn:
                seatrial.append(done.nodes_stood())
                whole_run.append(done.finished("validate"))
                start_up.append(done.finished("init"))
                hand.append(whole)
                slowest.append(boot)
    return Told(
        name="three virtual machines from nothing to SSH on all",
        what="Seatrial / slowest boot of the three by hand",
        number=median(seatrial) / median(slowest),
        limit=BOOT,
        unit="×",
        rows={
            "Seatrial, from the start of its process": seatrial,
            "  of that until the run begins": start_up,
            "  until a service runs, seen over SSH, besides": whole_run,
            "by hand, from nothing": hand,
            "  of that the slowest boot (virsh create to ssh)": slowest,
        },
    )


def snapshots(scratch: Path) -> Told:
    """The example of `reuse: snapshot`: its first suite deploys, the others start from that one's snapshot."""
    with _daemon():
        document = CHECKOUT / "examples" / "reuse" / "reuse.yaml"
        done = run(scratch, document, {"libvirt": {**_settings(), "memory": MEMORY}})
    deploys = [step for step in done.steps("deploy") if step["status"] == "completed"]
    reused = [step["duration"] for step in deploys if step["outputs"]["reused"]]
    anew = [step["duration"] for step in deploys if not step["outputs"]["reused"]]
    if not reused or not anew:
        raise RunFailed(f"{len(reused)} suites started from a snapshot and {len(anew)} deployed")
    kept = _keeping(done.events)
    fresh = median(anew) - kept
    return Told(
        name="etcd on three virtual machines: a start from a snapshot",
        what="from the snapshot / new deployment",
        number=median(reused) / fresh,
        limit=SNAPSHOT,
        unit="×",
        rows={"deploy, three new machines": [fresh], "  keeping the snapshot besides": [kept],
              "deploy, from the snapshot": reused},
    )  # fmt: skip


def _keeping(events: list[dict[str, object]]) -> float:
    """Seconds that the first deployment took longer, for its snapshot."""
    for one in events:
        data = one["data"]
        if one["kind"] == "cluster" and isinstance(data, dict) and data.get("op") == "kept":
            return float(data["duration"])
    return 0.0


def _settings() -> dict[str, object]:
    return {
        "uri": os.environ.get("LIBVIRT_DEFAULT_URI", "qemu:///system"),
        "image": str(IMAGES / "node.qcow2"),
        "kernel": str(IMAGES / "vmlinux"),
        "initrd": str(IMAGES / "initrd.img"),
    }


@contextmanager
def _daemon() -> Iterator[None]:
    """The daemon that LIBVIRT_DEFAULT_URI names, else one of our own."""
    if not (IMAGES / "node.qcow2").exists():
        raise RunFailed(f"{IMAGES} has no node.qcow2: `make backends` makes it")
    if os.environ.get("LIBVIRT_DEFAULT_URI"):
        yield
        return
    from scripts.libvirtd.daemon import NoDaemon, start

    try:
        daemon = start()
    except NoDaemon as error:
        raise RunFailed(str(error)) from error
    os.environ["LIBVIRT_DEFAULT_URI"] = daemon.uri
    try:
        yield
    finally:
        del os.environ["LIBVIRT_DEFAULT_URI"]
        if left := daemon.stop():
            raise RunFailed(left)


def _by_kvm(events: list[dict[str, object]]) -> bool:
    return any("machines run by KVM" in str(one["data"]) for one in events)


async def _by_hand(scratch: Path, *, kvm: bool) -> tuple[float, float]:
    """Network, and three machines at the same time: disk, seed, domain, login. Seconds from nothing until the last
    login, and of the slowest boot alone."""
    folder = scratch / f"by-hand-{secrets.token_hex(3)}"
    folder.mkdir()
    folder.chmod(0o711)
    key, host_key = keys.make(folder, "key"), keys.make(folder, "host")
    mark, start = f"byhand{secrets.token_hex(3)}", f"10.206.{secrets.randbelow(250)}"
    names = [f"{mark}-n{place}" for place in (11, 12, 13)]

    async def machine(place: int, name: str) -> tuple[float, float]:
        address, disk, seed = f"{start}.{place}", folder / f"{name}.qcow2", folder / f"{name}.iso"
        mac = f"52:54:00:00:{secrets.randbelow(256):02x}:{place:02x}"
        base = ("-b", str((IMAGES / "node.qcow2").resolve()), "-F", "qcow2")
        await keys.call("qemu-img", "create", "-q", "-f", "qcow2", *base, str(disk))
        _write_seed(seed, name, key, host_key, f"{address}/24", mac)
        text = DOMAIN.format(
            type="kvm" if kvm else "qemu", cpu="host-passthrough" if kvm else "maximum",
            cache="" if kvm else "<tcg><tb-cache unit='MiB'>64</tb-cache></tcg>",
            name=name, memory=MEMORY, images=IMAGES.resolve(), cmdline=CMDLINE, disk=disk, seed=seed, mac=mac,
            network=mark, console=folder / f"{name}.log",
        )  # fmt: skip
        (folder / f"{name}.xml").write_text(text)
        begun = time.perf_counter()
        await keys.call("virsh", "-q", "create", str(folder / f"{name}.xml"))
        ended = await keys.logged_in(address, key, host_key, within=300)
        return ended, ended - begun

    try:
        begun = time.perf_counter()
        (folder / "network.xml").write_text(NETWORK.format(name=mark, start=start))
        await keys.call("virsh", "-q", "net-create", str(folder / "network.xml"))
        Path(f"/proc/sys/net/ipv4/neigh/{mark}/retrans_time_ms").write_text("50")
        ends = await asyncio.gather(*(machine(11 + at, name) for at, name in enumerate(names)))
        return max(end for end, _ in ends) - begun, max(boot for _, boot in ends)
    finally:
        for argv in (*(["destroy", name] for name in names), ["net-destroy", mark]):
            await keys.attempt("virsh", "-q", *argv)


def _write_seed(file: Path, name: str, key: Path, host_key: Path, address: str, mac: str) -> None:
    """Who the machine is, as its image wants to be told."""
    from seatrial.providers.libvirt.seed import iso

    told = {
        "hostname": name,
        "user": "root",
        "authorized_keys": key.with_suffix(".pub").read_text(),
        "ssh_host_ed25519_key": host_key.read_text(),
        "ssh_host_ed25519_key.pub": host_key.with_suffix(".pub").read_text(),
        "address": address,
        "gateway": f"{address.rpartition('.')[0]}.1",
        "mac": mac,
        "folder": "/var/lib/seatrial",
        "hosts": f"127.0.0.1 localhost\n{address.partition('/')[0]} {name}",
        "resolv.conf": "nameserver 127.0.0.1",
    }
    plain = {f"seatrial/{path}": text if text.endswith("\n") else text + "\n" for path, text in told.items()}
    file.write_bytes(iso({"meta-data": "{}\n", "user-data": "#cloud-config\n{}\n", **plain}))
