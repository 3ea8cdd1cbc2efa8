"""What libvirt reports of a machine that broke down; the domain is a fake, because no order brings one so far."""

import sys
import time
from types import SimpleNamespace

import libvirt
import pytest

from seatrial.errors import NodeFailed
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.providers.libvirt import Libvirt, console, machine, probing, volumes

PAUSED, OFF, RUNNING = libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_RUNNING


class Domain:
    """A domain in a state for a reason, whose QEMU says a word when it is asked."""

    def __init__(self, state, reason, word="", written=0):
        self.word, self.written = word, written
        self._state = [state, reason]

    def name(self):
        return "n11"

    def state(self):
        return self._state

    def diskErrors(self):
        return {"vda": 2}

    def blockStats(self, _disk):
        return (0, 0, 0, self.written, -1)


def connected(domain, monkeypatch, uri="qemu:///system"):
    def said(_domain, _command, _flags):
        if not domain.word:
            raise libvirt.libvirtError("no monitor")
        return f'{{"return": {{"status": "{domain.word}"}}}}'

    monkeypatch.setitem(sys.modules, "libvirt_qemu", SimpleNamespace(qemuMonitorCommand=said))
    return SimpleNamespace(lookupByName=lambda _name: domain, getURI=lambda: uri)


@pytest.mark.parametrize(
    "domain, says",
    [
        (
            Domain(PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN, "internal-error"),
            r"paused \(unknown; QEMU: internal-error\)",
        ),
        (Domain(PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN), r"paused \(unknown\)"),
        (
            Domain(PAUSED, libvirt.VIR_DOMAIN_PAUSED_CRASHED, "guest-panicked"),
            r"paused \(crashed; QEMU: guest-panicked\)",
        ),
        (Domain(libvirt.VIR_DOMAIN_CRASHED, 1), "as crashed"),
        (Domain(OFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED), r"shut off \(crashed\)"),
        (Domain(OFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED), r"shut off \(failed\)"),
    ],
)
def test_a_machine_that_broke_down_is_named_with_state_reason_and_log(domain, says, monkeypatch):
    with pytest.raises(NodeFailed, match=rf"the machine n11 .*{says}.*see QEMU's log /var/log/libvirt/qemu/n11\.log"):
        machine.sound(connected(domain, monkeypatch), "n11")


def test_a_full_disk_is_told_apart_since_emulation_does_not_help(monkeypatch):
    domain = Domain(PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
    with pytest.raises(machine.DiskFailed, match=r"vda: no space left.*free some disk space"):
        machine.power(connected(domain, monkeypatch), "n11")


def test_the_log_of_a_daemon_of_the_users_own_is_in_the_users_folder(monkeypatch):
    connection = connected(Domain(RUNNING, 1), monkeypatch, "qemu:///session?socket=/x")
    assert machine.log_of(connection, "n11") == "see QEMU's log ~/.cache/libvirt/qemu/log/n11.log"


@pytest.mark.parametrize(
    "domain, power, reason",
    [
        (Domain(PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER), PowerState.PAUSED, "paused (user)"),
        (Domain(PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN, "paused"), PowerState.PAUSED, "paused (unknown)"),
        (Domain(OFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED), PowerState.STOPPED, "shut off (destroyed)"),
        (Domain(RUNNING, 1), PowerState.RUNNING, "running (booted)"),
    ],
)
def test_what_somebody_ordered_is_no_break_down(domain, power, reason, monkeypatch):
    assert machine.sound(connected(domain, monkeypatch), "n11") == (power, reason)


def test_a_machine_that_crashed_is_off_for_whoever_asks_for_its_power(monkeypatch):
    crashed = Domain(OFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED)
    assert machine.power(connected(crashed, monkeypatch), "n11") == (PowerState.STOPPED, "shut off (crashed)")


@pytest.mark.parametrize(
    "text, begun",
    [
        ("[    3.174592] Run /init as init process\n", True),
        ("[    1.0] systemd[1]: Inserted module\n", True),
        ("Welcome to Debian GNU/Linux 12!\n", True),
        ("n11 login: ", True),
        ("Loading, please wait...\n", True),
        ("Welcome to GRUB!\n", False),
        ("SeaBIOS (version 1.16)\nBooting from Hard Disk...\nGRUB loading..\n", False),
        ("[    0.0] Linux version 6.1\n[    3.1] Freeing unused kernel image (initmem) memory: 2612K\n", False),
    ],
)
def test_user_space_begins_with_the_kernels_or_an_inits_own_words(text, begun):
    assert console.in_user_space(text) is begun


@pytest.fixture
def watch(monkeypatch):
    def watching(domain, text, *, kernel="vmlinux"):
        monkeypatch.setattr(console, "read", lambda *_: text)
        monkeypatch.setattr(volumes, "pool_of", lambda *_: None)
        return probing.Watch("n11", "console", settings_from(Libvirt, {"kernel": kernel})), connected(
            domain, monkeypatch
        )

    return watching


@pytest.mark.parametrize(
    "domain, text, says",
    [
        (Domain(RUNNING, 1), "Run /init as init process", ""),
        (Domain(RUNNING, 1, written=probing.WRITTEN), "", ""),
        (Domain(RUNNING, 1), "Linux version 6.1", None),
        (Domain(RUNNING, 1, written=4096), "", None),
    ],
)
def test_a_boot_is_watched_until_user_space(domain, text, says, watch):
    watched, connection = watch(domain, text)
    assert watched.look(connection) == says


@pytest.mark.parametrize(
    "domain, text, says",
    [
        (Domain(PAUSED, 0, "internal-error"), "Run /init as init process", "internal-error"),
        (Domain(OFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED), "", "it went off"),
        (Domain(RUNNING, 1), "Kernel panic - not syncing: VFS: Unable to mount", "its kernel panicked"),
    ],
)
def test_a_boot_that_ends_before_user_space_has_a_reason(domain, text, says, watch):
    watched, connection = watch(domain, text)
    assert says in watched.look(connection)


def test_a_guest_that_stands_still_is_given_up_with_its_last_line(watch, monkeypatch):
    watched, connection = watch(Domain(RUNNING, 1), "SeaBIOS\nBooting from Hard Disk...\n", kernel="")
    assert watched.look(connection) is None
    later = time.monotonic() + probing.STALL + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert watched.look(connection) == "it stood still for 12 s; its last line: Booting from Hard Disk..."
