"""What a node cannot do to its host, tried from inside; only ever after the node has proved that it cannot."""

import json
import os
from pathlib import Path

import pytest

from seatrial.providers.local import confinement


def _host_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def test_a_confined_node_sees_its_own_processes_alone(make):
    machine = make(mode="namespaces").power_on()
    pids = machine.ask("ls -d /proc/[0-9]*").split()
    assert len(pids) < 6
    assert machine.ask("hostname") == "n11"
    assert machine.ask("echo $SEATRIAL_INIT_PID") == "1"
    assert os.uname().nodename != "n11"


def test_a_confined_node_has_none_of_the_powers_over_its_host(make):
    machine = make(mode="namespaces").power_on()
    powers = {**confinement.HOST_POWERS, "SYS_ADMIN": 21}
    for name in ("CapEff", "CapBnd", "CapPrm"):
        line = machine.ask(f"grep {name} /proc/self/status")
        assert [power for power, bit in powers.items() if int(line.split()[1], 16) >> bit & 1] == []


def test_an_absolute_path_reaches_the_node_and_not_the_host(make, mode, safe):
    machine = make(mode=mode).power_on()
    safe(machine)
    host, old = _host_boot(), machine.state["boot_id"]
    machine.tell("/sbin/reboot -f")
    if Path("/sbin/reboot").exists() or mode == "plain":
        assert machine.next_boot(old) != old
    assert _host_boot() == host


def test_the_system_call_is_refused_by_the_kernel(make, safe, mode):
    if mode == "plain":
        pytest.skip("never tried outside of namespaces")
    machine = make(mode="namespaces").power_on()
    assert machine.state["confinement"]["mode"] == "namespaces"
    safe(machine)
    host, old = _host_boot(), machine.state["boot_id"]
    own = str(Path("/proc/self/ns/pid").readlink())
    (machine.folder / "home/call.py").write_text(
        "import ctypes, os\n"
        "status = open('/proc/self/status').read()\n"
        "effective = next(int(l.split()[1], 16) for l in status.splitlines() if l.startswith('CapEff'))\n"
        f"assert not effective >> 22 & 1 and os.readlink('/proc/self/ns/pid') != {own!r}\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print(libc.reboot(0x01234567), ctypes.get_errno())\n"
    )
    assert machine.ask("python3 call.py") == "-1 1"
    assert machine.state["boot_id"] == old
    assert _host_boot() == host


def test_what_is_hidden_leads_nowhere(make):
    machine = make(mode="namespaces").power_on()
    for path in machine.state["confinement"]["hidden"]:
        if path in confinement.HIDDEN:
            assert machine.ask(f"cat {path}; stat -c %t:%T {path}") == "1:3"  # /dev/null
    assert machine.ssh("echo 1 > /proc/sys/kernel/panic").exit_status != 0


def test_a_root_node_cannot_mount_or_make_devices(make):
    machine = make(mode="namespaces").power_on()
    assert machine.ssh("mount -t tmpfs none /mnt").exit_status != 0
    assert machine.ssh("mknod disk b 7 0").exit_status != 0


# Container engines, at work for other tests at the same time, mount these.
ENGINES = ("/var/lib/containers/", "/var/lib/docker/", "/run/netns", "/run/docker/", "/run/containers/", "/tmp/")


def test_the_mounts_of_a_node_stay_its_own(make):
    before = _mounts()
    machine = make(mode="namespaces").power_on()
    assert str(machine.folder) not in Path("/proc/self/mountinfo").read_text()
    assert not [line for line in _mounts() - before if not line.split()[4].startswith(ENGINES)]


def _mounts():
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def test_the_fallback_says_why_and_tracks_by_cgroup_where_it_may(make):
    machine = make(mode="plain").power_on()
    report = machine.state["confinement"]
    assert report["why"] == "asked for by the environment"
    if report["cgroup"]:
        assert str(machine.state["guest_pid"]) in (Path(report["cgroup"]) / "cgroup.procs").read_text().split()
    machine.destroy()
    assert not report["cgroup"] or not Path(report["cgroup"]).exists()


def test_in_the_fallback_root_gives_up_its_power_over_the_host(make):
    if os.geteuid() != 0:
        pytest.skip("only root has it")
    machine = make(mode="plain").power_on()
    line = machine.ask("grep CapEff /proc/self/status")
    assert [p for p, bit in confinement.HOST_POWERS.items() if int(line.split()[1], 16) >> bit & 1] == []


def test_the_report_is_json(make):
    machine = make().power_on()
    assert json.loads((machine.folder / "state.json").read_text())["confinement"]["mode"] in ("namespaces", "plain")
