"""The boot media of machines: the settings' image, kernel and initrd, and their copies in the pool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.libvirt import Hypervisor
from seatrial.providers.libvirt import copies, images, probes, volumes
from seatrial.providers.libvirt.settings import LibvirtSettings

NAME_ONE = 'in seatrial.toml, [providers.libvirt] image = "…"'

IMPORT = 900.0
"""Seconds for copying a large image into the pool."""


@dataclass(frozen=True, slots=True)
class Media:
    """Copies in the pool, as paths for QEMU. A path follows from its file's own path, size and time."""

    image: str
    kernel: str
    """Empty: the image boots by its own loader."""
    initrd: str
    image_format: str
    image_size: int

    @property
    def name(self) -> str:
        """The file to boot: the kernel, else the image."""
        return "the kernel" if self.kernel else "the image"


Named = tuple[images.Image, Path | None, Path | None]


async def brought(hypervisor: Hypervisor, settings: LibvirtSettings, named: Named) -> tuple[Media, list[str]]:
    """Copies in the pool of image, kernel and initrd, readable by QEMU, and the old copies deleted."""
    image, kernel, initrd = named

    def copied(connection: Any) -> tuple[list[str], list[str]]:
        pool = volumes.pool_of(connection, settings)
        for dead in probes.forgotten_files(pool):
            volumes.delete(pool, dead)
        paths = [copies.cached(connection, pool, one) if one else "" for one in (image.path, kernel, initrd)]
        return paths, copies.prune(connection, pool)

    paths, pruned = await hypervisor.call("copying images into the pool", copied, timeout=IMPORT)
    return Media(paths[0], paths[1], paths[2], image.format, image.size), pruned


def looked_at(settings: LibvirtSettings, project: Path) -> Named:
    """The files named by the settings; CannotTell reports their problems."""
    if not settings.image:
        raise CannotTell(
            f"providers.libvirt has no image: name a disk image (qcow2 or raw): {NAME_ONE}; "
            "`make backends` of the Seatrial sources makes one for tests"
        )
    image = images.image_at(project / Path(settings.image).expanduser(), boots_itself=not settings.kernel)
    kernel = images.kernel_at(project / Path(settings.kernel).expanduser(), "kernel") if settings.kernel else None
    initrd = images.kernel_at(project / Path(settings.initrd).expanduser(), "initrd") if settings.initrd else None
    return image, kernel, initrd
