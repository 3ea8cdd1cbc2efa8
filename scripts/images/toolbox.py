"""A container image with Python and Node, in which software is built and checked.

A file of its own: the other images are made anew whenever `recipes.py` or `system.py` changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from scripts.images import engines, system
from scripts.images.programs import run
from scripts.images.recipes import Recipe

# Debian's own npm would bring 300 packages more; who needs npm takes it from where its packages come from.
PACKAGES = ("python3-venv", "nodejs", "ca-certificates")


def _toolbox(folder: Path, log: Path, say: Callable[[str], None]) -> None:
    root = folder / "root"
    say("installing packages")
    system.debian(root, PACKAGES, log)
    say("packing")
    run(["tar", "--numeric-owner", "--xattrs", "-C", root, "-cf", folder / "toolbox.tar", "."], log)
    shutil.rmtree(root)


RECIPE = Recipe(
    name="toolbox",
    files=("toolbox.tar",),
    programs=("mmdebstrap", "tar", "setpriv", "unshare"),
    megabytes=900,
    inputs=("toolbox.py",),
    make=_toolbox,
    image=engines.TOOLBOX,
    changes=('CMD ["/bin/bash"]',),
)
