"""What the web app of the examples needs here: a node with a container engine of its own, and the app's base image."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from scripts.images import engines, system
from scripts.images.programs import run
from scripts.images.recipes import Recipe

DOCKHAND_PACKAGES = (
    *("openssh-server", "procps", "iproute2", "python3", "xfsprogs"),
    *("podman", "crun", "netavark", "aardvark-dns", "catatonit", "iptables"),
)
WEBAPP_PACKAGES = ("python3", "python3-starlette", "python3-uvicorn", "python3-multipart", "python3-psycopg")
PROGRAMS = ("mmdebstrap", "tar", "setpriv", "unshare")


def _dockhand(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    """`dockhand.tar`: a node that runs containers itself; it has to be started as a privileged one."""
    root = folder / "root"
    say("installing packages")
    system.debian(root, DOCKHAND_PACKAGES, log)
    system.lean_ssh(root)
    system.put("containers.conf", root / "etc/containers/containers.conf")
    system.put("containers-up", root / "etc/rc.local", 0o755)
    _packed(folder, "dockhand.tar", log, say)


def _webapp(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    """`webapp.tar`: Python with what the app imports, where nothing can be downloaded."""
    say("installing packages")
    system.debian(folder / "root", WEBAPP_PACKAGES, log)
    _packed(folder, "webapp.tar", log, say)


def _packed(folder: Path, tar: str, log: Path, say: Callable[[str], None]) -> None:
    say("packing")
    run(["tar", "--numeric-owner", "--xattrs", "-C", folder / "root", "-cf", folder / tar, "."], log)
    shutil.rmtree(folder / "root")


DOCKHAND = Recipe(
    name="dockhand",
    files=("dockhand.tar",),
    programs=PROGRAMS,
    megabytes=900,
    inputs=("webapp.py", "guest/containers-up", "guest/containers.conf", "guest/sshd.conf"),
    make=_dockhand,
    image=engines.DOCKHAND,
    changes=('CMD ["/usr/sbin/sshd", "-D", "-e"]', "VOLUME /var/lib/containers"),
)
WEBAPP = Recipe(
    name="webapp",
    files=("webapp.tar",),
    programs=PROGRAMS,
    megabytes=700,
    inputs=("webapp.py",),
    make=_webapp,
    image=engines.WEBAPP,
)
