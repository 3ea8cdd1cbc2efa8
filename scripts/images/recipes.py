"""What is made: two container images, a small virtual machine, and a cloud image."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.images import boot, disk, engines, system
from scripts.images.cache import Failed, key_of
from scripts.images.cloud import cloud
from scripts.images.programs import need, need_room, run

HOOK = f'--customize-hook={system.GUEST / "kernel-into"} "$1"'
SOURCES = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one of them is made; what comes out is `files` in one folder."""

    name: str
    files: tuple[str, ...]
    programs: tuple[str, ...]
    megabytes: int
    """What must be free while it is made."""
    inputs: tuple[str, ...]
    """Our own files that it is made from, besides this one and `system.py`."""
    make: Callable[[Path, Path, Callable[[str], None]], None]
    """Called with the folder, the log and what tells progress."""
    image: str = ""
    """What it is called in the stores of container engines; empty: it is for virtual machines."""
    changes: tuple[str, ...] = ()
    """What the image runs, as lines of a Dockerfile."""

    @property
    def virtual(self) -> bool:
        """Whether it boots."""
        return not self.image

    def key(self) -> str:
        """A checksum of all inputs: scripts, files of ours, package lists (which are in the scripts), the machine."""
        sources = [SOURCES / name for name in ("recipes.py", "system.py", *self.inputs)]
        return key_of(sources, [self.name, system.RELEASE, platform.machine()])

    def check(self, cache: Path) -> None:
        """Failed when it cannot be made here; says what is missing."""
        if self.virtual and platform.machine() != "x86_64":
            raise Failed(f"virtual machines are made for x86_64 only; this is {platform.machine()}")
        need(*self.programs)
        need_room(cache, self.megabytes)


def container(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    """`node.tar`: the file system of a container."""
    root = folder / "root"
    say("installing packages")
    system.debian(root, system.NODE, log)
    system.lean_ssh(root)
    say("packing")
    _pack(root, folder / "node.tar", log)


def postgres(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    """`postgres.tar`: the file system of a container with a database server."""
    root = folder / "root"
    say("installing packages")
    system.debian(root, system.POSTGRES, log)
    # What the package made for its own service: here each container has a cluster of its own.
    for old in [*(root / "etc/postgresql").iterdir(), *(root / "var/lib/postgresql").iterdir()]:
        shutil.rmtree(old)
    system.put("postgres", root / "usr/local/bin/serve-postgres", 0o755)
    say("packing")
    _pack(root, folder / "postgres.tar", log)


def _pack(root: Path, tar: Path, log: Path) -> None:
    run(["tar", "--numeric-owner", "--xattrs", "-C", root, "-cf", tar, "."], log)
    shutil.rmtree(root)


def machine(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    """`node.qcow2`, `vmlinux`, `initrd.img`: a machine that boots to SSH as quickly as emulation can."""
    root = folder / "root"
    say("installing packages")
    system.debian(root, system.VM, log, hooks=[HOOK])
    version, bzimage = boot.take_kernel(root, folder, log)
    system.small_machine(root)
    system.lean_ssh(root)
    say(f"making kernel {version} and initial RAM disk")
    boot.elf_kernel(bzimage, folder / "vmlinux", log)
    bzimage.unlink()
    boot.initial_disk(root / "usr/lib/modules" / version, root / "usr/bin/busybox", folder / "initrd.img")
    say("making the disk")
    disk.ext4_image(root, folder / "node.qcow2", 2, log)
    shutil.rmtree(root)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="container",
            files=("node.tar",),
            programs=("mmdebstrap", "tar", "setpriv", "unshare"),
            megabytes=700,
            inputs=("guest/sshd.conf",),
            make=container,
            image=engines.IMAGE,
            changes=('CMD ["/usr/sbin/sshd", "-D", "-e"]',),
        ),
        Recipe(
            name="postgres",
            files=("postgres.tar",),
            programs=("mmdebstrap", "tar", "setpriv", "unshare"),
            megabytes=900,
            inputs=("guest/postgres",),
            make=postgres,
            image=engines.POSTGRES,
            changes=('CMD ["/usr/local/bin/serve-postgres"]', "EXPOSE 5432"),
        ),
        Recipe(
            name="vm",
            files=("node.qcow2", "vmlinux", "initrd.img"),
            programs=("mmdebstrap", "mkfs.ext4", "qemu-img", "lz4", "setpriv", "unshare"),
            megabytes=1500,
            inputs=(
                "boot.py",
                "disk.py",
                "guest/acpi-power",
                "guest/init",
                "guest/initrd-init",
                "guest/inittab",
                "guest/kernel-into",
                "guest/late",
                "guest/shutdown",
                "guest/sshd.conf",
            ),
            make=machine,
        ),
        Recipe(
            name="cloud",
            files=("cloud.qcow2",),
            programs=("mmdebstrap", "mkfs.ext4", "qemu-img", "setpriv", "unshare"),
            megabytes=2500,
            inputs=("cloud.py", "guest/cloud.cfg", "guest/grub.cfg"),
            make=cloud,
        ),
    )
}
