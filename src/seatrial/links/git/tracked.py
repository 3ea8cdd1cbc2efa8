"""Which files git tracks although a .gitignore leaves them out; one short question, which whoever asks waits for."""

from __future__ import annotations

import os
import subprocess

PATIENCE = 20.0
"""Seconds that git may take to answer."""


def tracked_though_ignored(folder: str) -> frozenset[str]:
    """Their paths from the folder, those below it. Nothing where git cannot be asked: then .gitignore alone decides."""
    # The variables by which a hook of git speaks to git (its index, its folder) are of that hook's repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}
    argv = [
        "git", "--no-optional-locks", "-C", folder, "-c", "core.fsmonitor=false", "-c", "safe.directory=*",
        "ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, env=kept, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(one for one in os.fsdecode(done.stdout).split("\0") if one)
