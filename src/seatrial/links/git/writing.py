"""Commits made at a repository: no work tree is checked out, so a repository has no say over this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.git.remote import HEADS, GitRefused, Remote

TURNS = 5
"""Pushes tried while others push to the same branch."""

FILE, PROGRAM, LINK = "100644", "100755", "120000"


class NothingToCommit(CannotTell):
    """The branch has the change already, or it cannot be made: a mistake in the document."""

    category = "test"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write."""

    content: bytes
    mode: str = FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The content of a commit."""

    write: Mapping[str, NewFile] = field(default_factory=dict)
    """By path from the top of the repository."""
    remove: Sequence[str] = ()
    """Paths of files and folders."""
    message: str = ""
    name: str = ""
    """The author, who is the committer, too."""
    email: str = ""
    signing_key: str = ""
    """The file of an SSH key; empty: no signature."""
    allow_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A commit at the server."""

    commit: str
    parent: str
    """Empty: it is the first one."""
    branch: str
    files: tuple[str, ...]
    """The changed paths."""


async def push_change(remote: Remote, branch: str, start: str, change: Change) -> Pushed:
    """Commit on a branch (empty: the default branch) and push. A new branch begins at the branch `start` (empty: the
    default branch). StepFailed when the server refuses the push; CannotTell for everything else."""
    name = branch or await default_branch(remote)
    with tempfile.TemporaryDirectory(prefix="seatrial-git-") as temporary:
        folder = Path(temporary)
        await remote.git(folder, "init", "--quiet", "--bare", "--template=", ".")
        for turn in range(1, TURNS + 1):
            parent = await _fetched(remote, folder, name, start)
            pushed = await _committed(remote, folder, name, parent, change)
            try:
                await remote.git(folder, "push", "--quiet", "--", remote.bare_url, f"{pushed.commit}:{HEADS}{name}")
            except GitRefused as error:
                if "[remote rejected]" in error.said and "cannot lock ref" not in error.said:
                    raise StepFailed(f"{remote.bare_url} refuses the push: {_refusal(error.said)}") from error
                overtaken = any(word in error.said for word in ("fetch first", "non-fast-forward", "cannot lock ref"))
                if not overtaken or turn == TURNS:
                    raise
            else:
                return pushed
    raise AssertionError("the last turn returns or raises")


def _refusal(said: str) -> str:
    """What the server says about it."""
    lines = [line.strip() for line in said.splitlines()]
    return "; ".join(line for line in lines if line.startswith(("remote:", "! [")) and line != "remote:")


async def default_branch(remote: Remote) -> str:
    """The name of the default branch, also of a repository without a commit."""
    told = await remote.git(None, "ls-remote", "--symref", "--", remote.bare_url, "HEAD")
    for line in told.decode(errors="replace").splitlines():
        if line.startswith(f"ref: {HEADS}"):
            return line.removeprefix(f"ref: {HEADS}").partition("\t")[0]
    raise CannotTell(f"{remote.bare_url} has no commit and names no default branch: give the `branch`")


async def _fetched(remote: Remote, folder: Path, branch: str, start: str) -> str:
    """The commit to build on, fetched; empty: the repository has none."""
    for name, wanted in ((branch, False), (start, bool(start))):
        if sha := await remote.head(name):
            ref = f"{HEADS}{name}" if name else "HEAD"
            await remote.git(folder, "fetch", "--quiet", "--no-tags", "--depth=1", "--", remote.bare_url, ref)
            told = await remote.git(folder, "rev-parse", "FETCH_HEAD")
            return told.decode().strip() or sha
        if wanted:
            raise CannotTell(f"{remote.bare_url} has no branch {name} to start from")
    return ""


async def _committed(remote: Remote, folder: Path, branch: str, parent: str, change: Change) -> Pushed:
    """Make the commit in the folder's repository."""
    await remote.git(folder, "read-tree", parent or "--empty")
    entries = [f"0 {'0' * 40}\t{path}" for gone in change.remove for path in await _files(remote, folder, gone)]
    hashes = await _stored(remote, folder, [file.content for file in change.write.values()])
    entries += [f"{file.mode} {sha}\t{path}" for (path, file), sha in zip(change.write.items(), hashes, strict=True)]
    lines = "".join(f"{entry}\0" for entry in entries).encode(errors="surrogateescape")
    await remote.git(folder, "update-index", "--replace", "-z", "--index-info", given=lines)
    tree = (await remote.git(folder, "write-tree")).decode().strip()
    # The tree without any file, where there is no parent.
    before = f"{parent}^{{tree}}" if parent else (await remote.git(folder, "mktree", given=b"")).decode().strip()
    told = await remote.git(folder, "diff-tree", "-r", "-z", "--name-only", "--no-renames", before, tree)
    files = tuple(name for name in told.decode(errors="replace").split("\0") if name)
    if not files and not change.allow_empty:
        what = "there is nothing to commit: the branch has all of this already"
        raise NothingToCommit(f"{what}; to make an empty commit, set `allow_empty: true`")
    settings = {"user.name": change.name, "user.email": change.email}
    signing = []
    if change.signing_key:
        settings |= {"gpg.format": "ssh", "user.signingKey": change.signing_key}
        signing = ["-S"]
    parents = ["-p", parent] if parent else []
    made = await remote.git(
        folder, "commit-tree", *signing, *parents, "-F", "-", tree, more=settings, given=change.message.encode()
    )
    return Pushed(commit=made.decode().strip(), parent=parent, branch=branch, files=files)


async def _stored(remote: Remote, folder: Path, contents: Sequence[bytes]) -> list[str]:
    """The ids of contents, which are in the repository from now on."""
    place = folder / "seatrial-contents"
    place.mkdir(exist_ok=True)
    files = [place / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    names = "".join(f"{file}\n" for file in files).encode()
    told = await remote.git(folder, "hash-object", "-w", "--no-filters", "--stdin-paths", given=names)
    return told.decode().split()


async def _files(remote: Remote, folder: Path, path: str) -> list[str]:
    """The files at a path or below it, in the index."""
    told = await remote.git(folder, "--literal-pathspecs", "ls-files", "-z", "--cached", "--", path.rstrip("/"))
    found = [name for name in told.decode(errors="surrogateescape").split("\0") if name]
    if not found:
        raise NothingToCommit(f"{path} cannot be removed: the branch has no such file or folder")
    return found
