"""A Debian in a folder: which packages, and what is ours in it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from scripts.images.programs import run

RELEASE = "bookworm"
GUEST = Path(__file__).parent / "guest"

# What every node has: an SSH server, and what checks and the etcd example need.
NODE = ("openssh-server", "etcd-server", "procps", "iproute2", "iputils-ping", "python3")
POSTGRES = ("postgresql", "python3")
VM = (*NODE, "busybox-static", "acpid", "kmod")
CLOUD = (
    "openssh-server",
    "python3",
    "procps",
    "iproute2",
    "systemd-sysv",
    "dbus",
    "udev",
    "cloud-init",
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "grub-pc-bin",
)
WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")


def debian(root: Path, packages: Sequence[str], log: Path, *, hooks: Sequence[str] = ()) -> None:
    """Install a minimal Debian with these packages into a new folder."""
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--format=directory",
            f"--include={','.join(packages)}",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in WITHOUT),
            *hooks,
            RELEASE,
            root,
        ],
        log,
        confined=True,
        env={"TMPDIR": str(root.parent)},
    )
    _ours(root)


def _ours(root: Path) -> None:
    """What every system of ours has: no keys, no name of its own, the nodes' folder."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/hostname").write_text("localhost\n")
    for name in ("etc/machine-id", "var/lib/dbus/machine-id"):
        (root / name).unlink(missing_ok=True)
    (root / "etc/machine-id").touch()
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.touch()
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    (root / "var/lib/seatrial").mkdir(parents=True, exist_ok=True)
    (root / "run/sshd").mkdir(parents=True, exist_ok=True)


def lean_ssh(root: Path) -> None:
    """Make the SSH server as quick as it can be on an emulated machine."""
    put("sshd.conf", root / "etc/ssh/sshd_config.d/seatrial.conf")


def put(name: str, target: Path, mode: int = 0o644) -> None:
    """Copy one of our files into a system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(GUEST / name, target)
    target.chmod(mode)


def small_machine(root: Path) -> None:
    """Make a system boot by our own `init`, and busybox give the programs that no package brings here."""
    put("init", root / "usr/sbin/init", 0o755)
    put("inittab", root / "etc/inittab")
    put("late", root / "usr/lib/seatrial/late", 0o755)
    put("acpi-power", root / "etc/acpi/events/seatrial-power")
    (root / "etc/fstab").write_text("/dev/vda / ext4 rw,relatime 0 0\n")
    put("shutdown", root / "usr/sbin/shutdown", 0o755)
    for name in ("poweroff", "reboot", "halt"):
        target = root / "usr/sbin" / name
        if not target.exists():
            target.symlink_to("/usr/bin/busybox")
