"""Git working trees, by git's own program: changes, ignored files, and the identity of a checkout.

A user's configuration must not change the answer about changes: names come separated by NUL, no external diff and no
text conversion runs, a rename is a removed file and a new one, and `.gitignore` alone decides which files are ignored,
not a list of this user. `safe.directory` and the like stay as they are.

Questions about a checkout take some milliseconds each, so that they can be asked while documents are read. They write
and fetch nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import UsageError, nearest
from seatrial.spi import Finished

PATIENCE = 60.0
"""Seconds for an answer of git."""

GIT_SECONDS = 10.0
"""Seconds for a small question about a checkout."""

TRACKED_SECONDS = 20.0
"""Seconds for git to list tracked files ignored by a .gitignore."""

_REMOTE = re.compile(r"(?:\w+://)?(?:[^@/]+@)?[^:/]+(?::\d+)?[:/]+(?P<name>[^/]+/[^/]+?)(?:\.git)?/?$")

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
        raise UsageError(f"git {arguments[0]} in {folder} {done.ended}: {_last(done)}")
    return done.stdout


async def _git(folder: Path, *arguments: str) -> Finished:
    settings = [word for one in SETTINGS for word in ("-c", one)]
    argv = ["--no-optional-locks", "-C", str(folder), *settings, *arguments]
    environment = {**_environment(), "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
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


def _environment() -> dict[str, str]:
    """Without the variables by which git speaks to its hooks (index, folder): they belong to the hook's repository."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}


def _last(done: Finished) -> str:
    """Git's complaint: its last line with any text."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines[-3:]).removeprefix("fatal: ") if lines else "it said nothing"


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
            text = _answer(self.folder, "show", f"{name}:{path}")
            if text is not None:
                return text
        return None

    def knows(self, ref: str) -> bool:
        """Whether the ref can be looked into here."""
        if ref == self.branch:
            return True
        names = (f"refs/remotes/origin/{ref}", ref)
        return any(_answer(self.folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") for name in names)


def checkout_of(folder: Path) -> Checkout | None:
    """The work tree around a folder; None: there is none, or git is missing."""
    root = _line(folder, "rev-parse", "--show-toplevel")
    if not root:
        return None
    remotes = (_answer(folder, "remote") or "").split()
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


def tracked(folder: str, paths: Sequence[str]) -> frozenset[str]:
    """Which of these files of a folder git tracks; all of them where git cannot be asked about a repository."""
    top = next((up for up in (Path(folder), *Path(folder).parents) if (up / ".git").exists()), None)
    if top is None:
        return frozenset()
    told = _answer(Path(folder), "--literal-pathspecs", "ls-files", "-z", "--cached", "--", *paths)
    return frozenset(paths if told is None else (one for one in told.split("\0") if one))


def repository_of(folder: Path) -> str:
    """The repository of a folder and the folder's path in it: the same in all its work trees. Empty: there is none."""
    top = next((up for up in (folder, *folder.parents) if (up / ".git").exists()), None)
    if top is None:
        return ""
    own = top / ".git"
    try:
        if own.is_file():
            own = top / own.read_text().removeprefix("gitdir:").strip()
        shared = own / "commondir"
        common = own / shared.read_text().strip() if shared.is_file() else own
    except OSError:
        return ""
    return f"{os.path.realpath(common)} {folder.relative_to(top)}"


def tracked_though_ignored(folder: str) -> frozenset[str]:
    """Their paths from the folder, those below it. Nothing where git cannot be asked: then .gitignore alone decides."""
    argv = [
        "git", "--no-optional-locks", "-C", folder, "-c", "core.fsmonitor=false", "-c", "safe.directory=*",
        "ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=TRACKED_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(one for one in os.fsdecode(done.stdout).split("\0") if one)


def _line(folder: Path, *arguments: str) -> str:
    return (_answer(folder, *arguments) or "").strip()


def _answer(folder: Path, *arguments: str) -> str | None:
    try:
        argv = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
