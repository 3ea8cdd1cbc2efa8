"""The local git checkout around a folder: its repository, branch and commit, and whether it was pushed.

Small local questions to `git`, some milliseconds each, so that they can be asked while documents are read. They write
and fetch nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 10.0

TRACKED_SECONDS = 20.0
"""Seconds for git to list tracked files ignored by a .gitignore."""

_REMOTE = re.compile(r"(?:\w+://)?(?:[^@/]+@)?[^:/]+(?::\d+)?[:/]+(?P<name>[^/]+/[^/]+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A git work tree."""

    folder: Path
    """Its root."""
    repository: str = ""
    """`acme/notes`, by the remote `origin` (or the only one); empty: no remote of that form."""
    branch: str = ""
    """Empty: no branch is checked out."""
    head: str = ""
    """The checked-out commit."""
    pushed: str = ""
    """The commit of the branch at the remote, when it was last heard of; empty: the remote does not have the branch."""

    def file(self, path: str, ref: str = "") -> str | None:
        """The text of a file: from the work tree, or from a ref not checked out; None: it does not exist."""
        if not ref or ref == self.branch:
            try:
                return (self.folder / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                return None
        for name in (f"refs/remotes/origin/{ref}", ref):
            text = _git(self.folder, "show", f"{name}:{path}")
            if text is not None:
                return text
        return None

    def knows(self, ref: str) -> bool:
        """Whether the ref can be looked into here."""
        if ref == self.branch:
            return True
        names = (f"refs/remotes/origin/{ref}", ref)
        return any(_git(self.folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") for name in names)


def checkout_of(folder: Path) -> Checkout | None:
    """The work tree around a folder; None: there is none, or git is missing."""
    root = _line(folder, "rev-parse", "--show-toplevel")
    if not root:
        return None
    remotes = (_git(folder, "remote") or "").split()
    remote = "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else ""
    found = _REMOTE.search(_line(folder, "remote", "get-url", remote)) if remote else None
    branch = _line(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    pushed = ""
    if branch and remote:
        pushed = _line(folder, "rev-parse", "--verify", "--quiet", f"refs/remotes/{remote}/{branch}")
    return Checkout(
        folder=Path(root),
        repository=found["name"] if found else "",
        branch=branch,
        head=_line(folder, "rev-parse", "--verify", "--quiet", "HEAD"),
        pushed=pushed,
    )


def tracked_though_ignored(folder: str) -> frozenset[str]:
    """Their paths from the folder, those below it. Nothing where git cannot be asked: then .gitignore alone decides."""
    # Variables by which git speaks to its hooks (index, folder) belong to the hook's repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}
    argv = [
        "git", "--no-optional-locks", "-C", folder, "-c", "core.fsmonitor=false", "-c", "safe.directory=*",
        "ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, env=kept, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRACKED_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(one for one in os.fsdecode(done.stdout).split("\0") if one)


def _line(folder: Path, *arguments: str) -> str:
    return (_git(folder, *arguments) or "").strip()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
