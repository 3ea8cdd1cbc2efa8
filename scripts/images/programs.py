"""Programs to make images: none outlives this process, none leaves a mount behind, and an error shows their output."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.images.cache import Failed

# mmdebstrap mounts /proc, /sys and /dev in its system: all mounts end with the namespaces, however this process ends.
BOUND = ("setpriv", "--pdeathsig", "KILL", "--")
CONFINED = (*BOUND, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "lz4": "lz4",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "tar": "tar",
}


def need(*names: str) -> None:
    """Failed when a program is missing; names the packages to install."""
    missing = [name for name in names if not shutil.which(name, path=_path())]
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        raise Failed(f"{', '.join(missing)} not found: apt-get install {packages} (or `make backends`, which does)")


def need_room(folder: Path, megabytes: int) -> None:
    """Failed when the folder's disk has less than this free."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise Failed(
            f"{folder} has {free} MB free, {megabytes} MB are needed: free some, or name a larger place in "
            "SEATRIAL_CACHE_DIR"
        )


def run(argv: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None, confined: bool = False) -> None:
    """Run a program to its end with its output in the log. Failed with the end of the output when it fails."""
    command = [*(CONFINED if confined else BOUND), *map(str, argv)]
    with log.open("ab") as out:
        begin = out.tell()
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment(env), check=False
        ).returncode
    if code:
        printed = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
        tail = "\n".join(f"    {line}" for line in printed[-15:])
        raise Failed(f"{argv[0]} ended with {code}; its last words:\n{tail}")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, with the folders of root's programs, in the C locale (the only one there)."""
    return {**os.environ, "PATH": _path(), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(more or {})}


def _path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
