"""What a console says of a boot."""

import pytest

from seatrial.providers.libvirt.console import broken, panic, stage, tail

PANIC = "[ 1.2] VFS: Cannot open root\n[ 1.3] Kernel panic - not syncing: VFS: Unable to mount root fs\n[ 1.4] CPU: 0\n"


def test_a_panic_is_found_wherever_it_stands():
    assert panic(PANIC).startswith("Kernel panic - not syncing: VFS")
    assert panic("all is well\n") == ""


@pytest.mark.parametrize(
    "text, direct, says",
    [
        (PANIC, True, "its kernel panicked: Kernel panic"),
        ("SeaBIOS\nBooting from Hard Disk...\nNo bootable device.\n", False, "its firmware found nothing to boot"),
        ("ALERT!  /dev/vda1 does not exist.  Dropping to a shell!\n", True, "its boot stopped before"),
        ("You are in emergency mode. After logging in\n", False, "its boot stopped before"),
        ("No bootable device.\n", True, ""),
        ("Linux version 6.1\n", True, ""),
    ],
)
def test_a_boot_that_can_never_end_well_is_known(text, direct, says):
    assert broken(text, direct=direct).startswith(says)
    assert bool(broken(text, direct=direct)) is bool(says)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "wrote nothing on its serial port"),
        ("Debian GNU/Linux 12 n11 ttyS0\n\nn11 login: ", "no SSH server answers"),
        ("[ 0.5] ACPI: things\n[ 0.6] PCI: things\n", "still booting; its last line: [ 0.6] PCI: things"),
        (PANIC, "its kernel panicked"),
    ],
)
def test_how_far_a_boot_came(text, says):
    assert says in stage(text, direct=True)


def test_evidence_is_the_last_lines():
    assert tail("".join(f"{n}\n" for n in range(100)), 3) == "97\n98\n99"
