"""Make the node images of the real back ends from Debian packages: `python3 -m scripts.node_images [--force] [NAME …]`.

`container`, `postgres`, `toolbox`, `dockhand` and `webapp` go into podman's and docker's store as
localhost/seatrial-node, -postgres, -toolbox, -dockhand and -webapp-base; `vm` and `cloud` are linked in `.images/`.
All are kept in the user's cache folder by a checksum of these scripts. Standard library only; needs root.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__" and not __package__:
    sys.path[0] = str(ROOT)

from scripts.images import cache, engines, toolbox, webapp  # noqa: E402 - found by the line above
from scripts.images.cache import Failed  # noqa: E402
from scripts.images.recipes import RECIPES as MACHINES  # noqa: E402
from scripts.images.recipes import Recipe  # noqa: E402

RECIPES = {**MACHINES, **{one.name: one for one in (toolbox.RECIPE, webapp.DOCKHAND, webapp.WEBAPP)}}


def main(argv: Sequence[str] | None = None) -> int:
    """Make the requested images; 0, or 1 with the reasons on standard error."""
    parser = argparse.ArgumentParser(prog="node_images", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(RECIPES)}; all when none is named")
    parser.add_argument("--force", action="store_true", help="make them anew even when their inputs did not change")
    parser.add_argument("--into", type=Path, default=ROOT / ".images", help="where the links go (default: .images)")
    asked = parser.parse_args(argv)
    if unknown := [name for name in asked.names if name not in RECIPES]:
        parser.error(f"{', '.join(unknown)}: no such image; there are {', '.join(RECIPES)}")
    failed = False
    for name in asked.names or RECIPES:
        try:
            provide(RECIPES[name], asked.into, asked.force)
        except Failed as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return int(failed)


def provide(recipe: Recipe, into: Path, force: bool) -> None:
    """Make one image unless it exists, and put it in its place; Failed with the reason."""

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            raise Failed("to make it root is needed (it installs packages into a new system): sudo make backends")
        recipe.check(folder)
        log = folder / "build.log"
        recipe.make(folder, log, lambda text: say(f"{recipe.name}: {text}"))
        for file in recipe.files:
            (folder / file).chmod(0o644)

    key = recipe.key()
    made = cache.made(recipe.name, key, make, force=force, say=say)
    for file in recipe.files:
        cache.link(made / file, into / file)
    if not recipe.virtual:
        tar = made / recipe.files[0]
        engines.deliver(tar, key, image=recipe.image, changes=recipe.changes, force=force, say=say)


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
