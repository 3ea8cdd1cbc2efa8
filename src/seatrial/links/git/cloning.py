"""Clones for commands: a work tree in a folder, without a login, a hook or a filter in it."""

from __future__ import annotations

from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.git.remote import HEADS, Remote
from seatrial.links.git.writing import default_branch

SETTINGS = {"core.hooksPath": "/dev/null", "advice.detachedHead": "false"}


async def clone(remote: Remote, folder: Path, branch: str, *, history: bool) -> tuple[str, str]:
    """Clone a branch (empty: the default branch) into an empty folder; its commit and its name."""
    name = branch or await default_branch(remote)
    if not await remote.head(name):
        raise CannotTell(f"{remote.bare_url} has no branch {name}")
    await remote.git(folder, "init", "--quiet", "--template=", ".")
    await remote.git(folder, "remote", "add", "origin", remote.bare_url)
    depth = [] if history else ["--depth=1"]
    ref = f"+{HEADS}{name}:refs/remotes/origin/{name}"
    await remote.git(folder, "fetch", "--quiet", "--no-tags", *depth, "origin", ref)
    await remote.git(folder, "checkout", "--quiet", "-B", name, f"refs/remotes/origin/{name}", "--", more=SETTINGS)
    return (await remote.git(folder, "rev-parse", "HEAD")).decode().strip(), name
