"""`scripts/with-libvirtd` gives a command a libvirt daemon, and takes all away however it ends."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.libvirtd import daemon, leftovers

ROOT = Path(__file__).parents[2]
BRIDGE = f"seaprobe{os.getpid() % 1_000_000}"

SUBNET = f"10.127.{os.getpid() % 250}"

pytestmark = pytest.mark.backend("libvirt")

NETWORK = f"""<network><name>probe</name><bridge name='{BRIDGE}'/>
<ip address='{SUBNET}.1' netmask='255.255.255.0'><dhcp>
<range start='{SUBNET}.2' end='{SUBNET}.9'/></dhcp></ip>
</network>"""
MACHINE = """<domain type='qemu'><name>probe</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><on_reboot>restart</on_reboot>
<devices><interface type='network'><source network='probe'/></interface></devices></domain>"""


@pytest.fixture
def command(tmp_path) -> Iterator[subprocess.Popen[str]]:
    """The script, running a command that has made a network and a machine and waits for its end."""
    (tmp_path / "network.xml").write_text(NETWORK)
    (tmp_path / "machine.xml").write_text(MACHINE)
    script = "virsh -q net-create network.xml >&2 && virsh -q create machine.xml >&2"
    script += " && echo $LIBVIRT_DEFAULT_URI && exec sleep 300"
    running = subprocess.Popen(
        [ROOT / "scripts/with-libvirtd", "sh", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(60)
        assert running.stdout is not None
        running.stdout.close()


def made(running: subprocess.Popen[str]) -> Path:
    """The daemon's folder, when network and machine are there."""
    assert running.stdout is not None
    uri = running.stdout.readline().strip()
    folder = Path(uri.partition("socket=")[2]).parents[1]
    assert Path("/sys/class/net", BRIDGE).exists()
    names = {Path("/proc", str(pid), "comm").read_text().strip() for pid in leftovers.inhabitants(folder)}
    assert {"libvirtd", "virtlogd", "dnsmasq"} <= names
    assert any(name.startswith("qemu") for name in names)
    return folder


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def gone(folder: Path) -> bool:
    return not (folder.exists() or Path("/sys/class/net", BRIDGE).exists() or list(leftovers.inhabitants(folder)))


def chains() -> str:
    found = []
    for table in ("filter", "nat", "mangle"):
        printed = subprocess.run(["iptables", "-w", "-t", table, "-S"], capture_output=True, text=True, check=True)
        found += [line for line in printed.stdout.splitlines() if "LIBVIRT" in line]
    return "\n".join(found)


def test_the_exit_code_is_the_commands_and_output_goes_through():
    script = ROOT / "scripts/with-libvirtd"
    done = subprocess.run([script, "sh", "-c", "virsh uri; exit 7"], capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert "qemu+unix:///system?socket=" in done.stdout
    assert subprocess.run([script, "no-such-program"], capture_output=True, check=False).returncode == 127
    assert subprocess.run([script], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_it_takes_all_away_before_it_ends(command, number):
    folder = made(command)
    command.send_signal(number)
    assert command.wait(60) == 128 + number
    assert gone(folder)


def test_killed_it_is_outlived_by_what_takes_all_away(command):
    folder = made(command)
    command.kill()
    command.wait()
    assert until(lambda: gone(folder)), list(leftovers.inhabitants(folder))


def test_what_is_left_when_even_its_keeper_is_killed_goes_with_the_next_start(command):
    folder = made(command)
    keeper = next(pid for pid in leftovers.inhabitants(folder) if "keeper" in cmdline(pid))
    os.kill(keeper, signal.SIGKILL)
    command.kill()
    command.wait()
    assert until(lambda: folder in leftovers.stale())
    assert not gone(folder)
    daemon.start().stop()
    assert gone(folder)


def cmdline(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path("/proc", str(pid), "cmdline").read_text()
    return ""


def test_firewall_rules_of_its_bridges_go_even_when_it_was_killed(command):
    folder = made(command)
    assert BRIDGE in chains()
    keeper = next(pid for pid in leftovers.inhabitants(folder) if "keeper" in cmdline(pid))
    os.kill(keeper, signal.SIGKILL)
    command.kill()
    command.wait()
    assert until(lambda: folder in leftovers.stale())
    daemon.start().stop()
    assert BRIDGE not in chains()


def test_what_it_needs_is_named_when_it_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(daemon, "SBIN", "")
    with pytest.raises(daemon.NoDaemon, match=r"libvirtd, virtlogd.*apt-get install libvirt-daemon-system"):
        daemon.start()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(daemon.NoDaemon, match="needs root"):
        daemon.start()
