"""`git_commit`: a commit at a repository over HTTP, SSH or in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from seatrial.errors import UsageError
from seatrial.links.git.place import AtRepository
from seatrial.links.git.remote import is_branch, is_path
from seatrial.links.git.writing import FILE, LINK, PROGRAM, Change, NewFile, push_change
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context

_AUTHOR = re.compile(r"([^<>\n]*[^<>\s])\s*<([^<>\s]+)>")


@step("git_commit")
@dataclass(frozen=True, kw_only=True)
class GitCommit(AtRepository):
    """Write and remove files of a repository in one commit, and push it."""

    decides: ClassVar[bool] = False

    branch: str = ""
    """The branch; a new one is made. By default the default branch; a repository without a commit needs a name here."""
    from_: str = ""
    """The branch that a new branch starts from; default: the default branch."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files to write: the path in the repository, and the content."""
    copy: Mapping[str, str] = field(default_factory=dict)
    """Files to copy: the path in the repository, and a file or folder, relative to the document."""
    remove: tuple[str, ...] = ()
    """Files and folders to remove."""
    message: str = "Change by Seatrial"
    """The message."""
    author: str = "Seatrial <seatrial@localhost>"
    """The author and committer."""
    sign_with: str = ""
    """Sign the commit with this SSH key: the file of a private key, relative to the document."""
    allow_empty: bool = False
    """Make a commit also when nothing changes."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_repository()
        for key in ("branch", "from_"):
            if (text := getattr(self, key)) and not is_branch(text):
                yield key.rstrip("_"), "invalid branch"
        for key in ("files", "copy", "remove"):
            for path in getattr(self, key):
                bare = path.rstrip("/") if key != "files" else path
                if not is_path(bare) and not (key == "copy" and path in (".", "/")):
                    yield key, f"invalid path {path!r}; allowed: FOLDER/FILE from the top of the repository"
                elif any(part.lower() == ".git" for part in bare.split("/")):
                    yield key, f"invalid path {path!r}: `.git` is Git's own"
        if not (self.files or self.copy or self.remove or self.allow_empty):
            yield "", "nothing to commit: give `files`, `copy` or `remove`, or `allow_empty: true`"
        if not _AUTHOR.fullmatch(self.author.strip()):
            yield "author", "invalid author; allowed: NAME <ADDRESS>"
        if not self.message.strip():
            yield "message", "empty: a commit needs a message"

    def check_files(self, folder: Path) -> Iterable[tuple[str, str]]:
        """Files that do not exist."""
        for source in self.copy.values():
            if not (folder / source).exists():
                yield "copy", f"{source} does not exist in {folder}"
        for key in ("ssh_key", "sign_with"):
            yield from self.wrong_key(folder, key)

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the server refuses the push; CannotTell when it does not answer or refuses the login, and
        when there is nothing to commit.

        Outputs: `commit`, `parent` (empty: none), `branch`, `files` (the changed paths).
        """
        found = _AUTHOR.fullmatch(self.author.strip())
        name, email = found.groups() if found else (self.author, "")
        folder, remote = ctx.document_folder, self.remote(ctx)
        write = dict[str, NewFile]()
        for path, source in self.copy.items():
            write |= _copied(path, folder / source)
        write |= {path: NewFile(content.encode()) for path, content in self.files.items()}
        change = Change(
            write=write, remove=self.remove, message=self.message, name=name, email=email,
            signing_key=str(folder / self.sign_with) if self.sign_with else "", allow_empty=self.allow_empty,
        )  # fmt: skip
        pushed = await push_change(remote, self.branch, self.from_, change)
        ctx.output("git", f"To {remote.bare_url}\n   {pushed.commit[:12]} -> {pushed.branch}\n")
        ctx.log(f"commit {pushed.commit[:12]} on {pushed.branch} of {remote.bare_url}: {', '.join(pushed.files[:5])}")
        return {
            "commit": pushed.commit, "parent": pushed.parent, "branch": pushed.branch, "files": list(pushed.files)
        }  # fmt: skip


def _copied(path: str, source: Path) -> dict[str, NewFile]:
    """A file, or all files below a folder except those of Git; links in a folder stay links."""
    if source.is_file():
        return {path.rstrip("/"): _read(source)}
    top, found = path.strip("/"), dict[str, NewFile]()
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name != ".git" and not (Path(folder) / name).is_symlink())
        links = [name for name in os.listdir(folder) if (Path(folder) / name).is_symlink()]
        for name in sorted({*files, *links}):
            file = Path(folder) / name
            inside = "/".join(part for part in (top, file.relative_to(source).as_posix()) if part not in ("", "."))
            found[inside] = NewFile(os.fsencode(file.readlink()), LINK) if file.is_symlink() else _read(file)
    if not found:
        raise UsageError(f"{source} is an empty folder or does not exist: there is nothing to copy")
    return found


def _read(file: Path) -> NewFile:
    if not file.is_file():
        raise UsageError(f"{file} is neither a file nor a folder nor a link: Git cannot have it")
    return NewFile(file.read_bytes(), PROGRAM if os.access(file, os.X_OK) else FILE)
