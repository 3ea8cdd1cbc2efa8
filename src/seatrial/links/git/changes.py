"""Files of a folder changed since a commit, by git's own program.

A user's configuration must not change the answer: names come separated by NUL, no external diff and no text conversion
runs, a rename is a removed file and a new one, and `.gitignore` alone decides which files are ignored, not a list of
this user. `safe.directory` and the like stay as they are.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import UsageError, nearest
from seatrial.spi import Finished

PATIENCE = 60.0
"""Seconds for an answer of git."""

SETTINGS = (
    "core.quotePath=false", "core.excludesFile=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false",
    "diff.external=", "diff.orderFile=/dev/null", "diff.ignoreSubmodules=none", "diff.submodule=short",
    "submodule.recurse=false", "color.ui=false", "core.fileMode=true",
)  # fmt: skip

GITLINK = "160000"
"""The mode of a submodule."""

LINK = "120000"
"""The mode of a symbolic link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The differences between a commit and the work tree, by paths from the top of the repository."""

    top: Path
    base: str
    """The commit compared with: the point where the branch of the work tree left the reference's."""
    files: frozenset[str]
    """Changed, new (also without `git add`) and deleted files; of a renamed one both names."""
    folders: frozenset[str]
    """Submodules at another commit or with changes, and foreign repositories inside: their changed files are unknown.
    """
    known: frozenset[str]
    """All files whose changes git would report."""
    modules: frozenset[str]
    """All submodules: a file in one is as unchanged as the submodule is."""
    links: frozenset[str]
    """All links, to files and to folders."""


async def changes_since(folder: Path, reference: str) -> Changes:
    """The changes in a folder's repository since its branch left a reference's. UsageError with a remedy: no
    repository, no such commit, or no common ancestor."""
    if not reference.strip() or reference.startswith("-"):
        raise UsageError(f"{reference!r} names no commit; write a branch, a tag or a commit, such as origin/main")
    top = await _top(folder)
    base = await _base(top, reference)
    raw = await _told(top, "diff", "--raw", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative",
                      "--ignore-submodules=none", base, "--")  # fmt: skip
    tracked = list(_tracked(await _told(top, "ls-files", "-s", "-v", "-z")))
    new = (await _told(top, "ls-files", "--others", "-z", "--exclude-per-directory=.gitignore")).split("\0")
    modules = {path for mode, path, _ in tracked if mode == GITLINK}
    files = {one for one in new if one and not one.endswith("/")}
    # git ignores changes in files with these flags: the state is unknown, so it counts as a change.
    files |= {path for mode, path, looked_at in tracked if not looked_at and os.path.lexists(top / path)}
    folders = {one.rstrip("/") for one in new if one.endswith("/")}
    for modes, path in _diff(raw):
        (folders if GITLINK in modes else files).add(path)
    return Changes(
        top=top,
        base=base,
        files=frozenset(files),
        folders=frozenset(folders),
        known=frozenset({path for mode, path, _ in tracked if mode != GITLINK} | files),
        modules=frozenset(modules),
        links=frozenset({path for mode, path, _ in tracked if mode == LINK})
        | {one for one in files if (top / one).is_symlink()},
    )


async def _top(folder: Path) -> Path:
    done = await _git(folder, "rev-parse", "--show-toplevel")
    if done.ok and done.stdout.strip():
        return Path(done.stdout.removesuffix("\n"))
    said = _last(done)
    if "not a git repository" in said:
        said = f"{folder} is not in a git repository, so its changes are unknown"
    raise UsageError(f"{said}; leave --changed-since away, and everything runs")


async def _base(top: Path, reference: str) -> str:
    found = await _git(top, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    if not found.ok:
        names = (await _told(top, "for-each-ref", "--format=%(refname:short)")).split()
        hint = await _shallow(top) or (nearest(reference, names[:30], what="there are") if names else "")
        raise UsageError(f"unknown commit {reference!r} in {top}; {hint or 'the repository has no branches yet'}")
    head = await _git(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if not head.ok:
        raise UsageError(f"{top} has no commit yet, so nothing can be compared with {reference!r}")
    done = await _git(top, "merge-base", found.stdout.strip(), head.stdout.strip())
    if not done.ok:
        hint = await _shallow(top) or "compare with a branch this one came from"
        raise UsageError(f"{reference!r} and the checked-out commit in {top} have no common ancestor; {hint}")
    return done.stdout.strip()


async def _shallow(top: Path) -> str:
    """The remedy for history that was not fetched; empty if all was."""
    if (await _told(top, "rev-parse", "--is-shallow-repository")).strip() != "true":
        return ""
    return (
        "this is a shallow clone with only a part of the history: `git fetch --unshallow`, "
        "or `fetch-depth: 0` of actions/checkout"
    )


def _diff(raw: str) -> Iterator[tuple[tuple[str, str], str]]:
    """The modes before and after, and the path, of each entry of `diff --raw -z`."""
    parts = iter(raw.split("\0"))
    for about in parts:
        if about.startswith(":"):
            before, after = about[1:].split(" ")[:2]
            yield (before, after), next(parts)


def _tracked(listed: str) -> Iterator[tuple[str, str, bool]]:
    """Mode, path, and whether git looks for changes of it, of each entry of `ls-files -s -v -z`."""
    for one in listed.split("\0"):
        if one:
            about, _, path = one.partition("\t")
            tag, mode = about.split(" ")[:2]
            yield mode, path, not (tag.islower() or tag == "S")


async def _told(folder: Path, *arguments: str) -> str:
    done = await _git(folder, *arguments)
    if not done.ok:
        raise UsageError(f"git {arguments[0]} in {folder} ended with {done.exit_code}: {_last(done)}")
    return done.stdout


async def _git(folder: Path, *arguments: str) -> Finished:
    # Variables by which git speaks to its hooks (index, folder) belong to the hook's repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}
    settings = [word for one in SETTINGS for word in ("-c", one)]
    argv = ["--no-optional-locks", "-C", str(folder), *settings, *arguments]
    environment = {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
    try:
        git = await asyncio.create_subprocess_exec(
            "git", *argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise UsageError(f"cannot run git to find the changes: {error.strerror}; install it") from error
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await git.communicate()
    except BaseException as error:
        with suppress(ProcessLookupError):
            git.kill()
        await git.wait()
        if isinstance(error, TimeoutError):
            raise UsageError(f"git did not report the changes in {folder} within {PATIENCE:g} s") from error
        raise
    # The whole output, as bytes of file names: `links.process` keeps only both ends of long output, as text.
    return Finished(exit_code=git.returncode or 0, stdout=os.fsdecode(out), stderr=os.fsdecode(err))


def _last(done: Finished) -> str:
    """Git's complaint: its last line with any text."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines[-3:]).removeprefix("fatal: ") if lines else "it said nothing"
