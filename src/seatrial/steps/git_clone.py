"""`git_clone`: a repository's files in a folder of the trial."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seatrial.links.git.cloning import clone
from seatrial.links.git.place import AtRepository
from seatrial.links.git.remote import is_branch
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context


@step("git_clone")
@dataclass(frozen=True, kw_only=True)
class GitClone(AtRepository):
    """Clone a repository into a folder of the trial, for commands. The folder is removed at the trial's end, and has
    no login in it."""

    decides: ClassVar[bool] = False

    branch: str = ""
    """The branch; default: the default branch."""
    history: bool = False
    """Also fetch the commits before the newest one."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_repository()
        if self.branch and not is_branch(self.branch):
            yield "branch", "invalid branch"

    def check_files(self, folder: Path) -> Iterable[tuple[str, str]]:
        """The key for SSH."""
        yield from self.wrong_key(folder)

    async def run(self, ctx: Context) -> Outputs:
        """CannotTell when the server does not answer, refuses the login, or has no such branch.

        Outputs: `path` (the folder), `commit`, `branch`.
        """
        folder = ctx.state / "git" / f"clone-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700, parents=True)
        commit, branch = await clone(self.remote(ctx), folder, self.branch, history=self.history)
        return {"path": str(folder), "commit": commit, "branch": branch}
