"""A cloud image: systemd, cloud-init and a boot loader on a disk with a partition, as distributions publish them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from scripts.images import system
from scripts.images.programs import run

SECTOR = 512
FIRST = 2048
"""The sector in which the partition begins; between it and the boot sector is the boot loader."""
GIGABYTES = 3

# What would only make an emulated machine's boot longer.
UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "systemd-timesyncd.service",
)
DRIVERS = "virtio_pci\nvirtio_blk\nvirtio_net\next4\n"
GRUB = ("biosdisk", "part_msdos", "ext2", "normal", "linux", "boot")
# Before the kernel's own scripts make the initial RAM disk.
SETTINGS = (
    '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"'
    ' && printf "MODULES=list\\nCOMPRESS=lz4\\n" >"$1/etc/initramfs-tools/conf.d/seatrial"'
    f' && printf "{DRIVERS.encode("unicode_escape").decode()}" >"$1/etc/initramfs-tools/modules"'
)


def cloud(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    """`cloud.qcow2`: boots by itself and is told by cloud-init who it is."""
    root = folder / "root"
    say("installing packages")
    system.debian(root, system.CLOUD, log, hooks=[SETTINGS])
    system.put("cloud.cfg", root / "etc/cloud/cloud.cfg.d/90_seatrial.cfg")
    (root / "etc/fstab").write_text("/dev/vda1 / ext4 rw,relatime 0 1\n")
    run(["chroot", root, "systemctl", "enable", "systemd-networkd", "ssh"], log, confined=True)
    run(["chroot", root, "systemctl", "mask", *UNITS], log, confined=True)
    say("making the disk")
    (root / "boot/grub").mkdir(exist_ok=True)
    system.put("grub.cfg", root / "boot/grub/grub.cfg")
    shutil.copytree(root / "usr/lib/grub/i386-pc", root / "boot/grub/i386-pc")
    image = ["-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", "/boot/grub/core.img"]
    run(["chroot", root, "grub-mkimage", *image, *GRUB], log, confined=True)
    _disk(root, folder / "cloud.qcow2", log)
    shutil.rmtree(root)


def _disk(root: Path, target: Path, log: Path) -> None:
    raw = target.with_suffix(".raw")
    sectors = GIGABYTES * 1024**3 // SECTOR
    with raw.open("wb") as file:
        file.truncate(sectors * SECTOR)
    options = f"offset={FIRST * SECTOR},lazy_itable_init=0,lazy_journal_init=0"
    blocks = (sectors - FIRST) * SECTOR // 1024
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-E", options, "-d", root, raw, f"{blocks}k"], log)
    with raw.open("r+b") as file:
        file.write(boot_sector((root / "usr/lib/grub/i386-pc/boot.img").read_bytes(), sectors))
        # boot.img looks for the rest of the loader in the next sector, and that knows its own length.
        core = (root / "boot/grub/core.img").read_bytes()
        assert len(core) < (FIRST - 1) * SECTOR
        file.write(core)
    run(["qemu-img", "convert", "-O", "qcow2", raw, target], log)
    raw.unlink()


def boot_sector(loader: bytes, sectors: int) -> bytes:
    """A boot sector: the loader's code, one bootable Linux partition over the rest of the disk, the signature."""
    entry = b"\x80\xfe\xff\xff\x83\xfe\xff\xff" + FIRST.to_bytes(4, "little") + (sectors - FIRST).to_bytes(4, "little")
    return loader[:440] + b"SEA\0\0\0" + entry + bytes(48) + b"\x55\xaa"
