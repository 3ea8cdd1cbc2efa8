"""`git_pull_request`: open a pull request at Gitea or Forgejo, or merge one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.links.gitea import Gitea
from seatrial.links.gitea.place import InRepository
from seatrial.links.gitea.pulls import merge, pull_request
from seatrial.model.scenario import Outputs
from seatrial.model.values import Duration
from seatrial.registry import step
from seatrial.spi import Context


@step("git_pull_request")
@dataclass(frozen=True, kw_only=True)
class GitPullRequest(InRepository):
    """Open a pull request at Gitea or Forgejo, or merge one."""

    decides: ClassVar[bool] = False

    number: int | None = None
    """An existing pull request to merge."""
    head: str = ""
    """A new one: the branch with the changes."""
    base: str = ""
    """The branch to change; default: the default branch."""
    title: str = ""
    """Its title; default: the name of the branch."""
    body: str = ""
    """Its text."""
    merge: Literal["", "merge", "rebase", "rebase-merge", "squash", "fast-forward-only"] = ""
    """Merge it in this way."""
    within: Duration = Duration(30.0)
    """Time limit for the server to find that it can be merged."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_repository()
        if (self.number is None) is not bool(self.head):
            yield "", "give the `head` of a new pull request, or the `number` of an existing one"
        if self.number is not None and not self.merge:
            yield "merge", "missing: it says what to do with the existing pull request"
        for key in ("base", "title", "body"):
            if self.number is not None and getattr(self, key):
                yield key, f"`{key}` is for a new pull request"

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the server refuses to merge it; CannotTell when it does not answer or refuses anything else.

        Outputs: `number`, `url`, `title`, `state`, `head`, `base`, `commit`, `merge_commit`.
        """
        async with self.gitea(ctx) as gitea:
            there = await self.existing(gitea)
            number = self.number
            if number is None:
                body = {
                    "head": self.head, "base": self.base or there["default_branch"], "title": self.title or self.head,
                    "body": self.body,
                }  # fmt: skip
                number = int((await gitea.change("POST", f"/repos/{self.repository}/pulls", body))["number"])
            if self.merge:
                await self._merge(ctx, gitea, number)
            pull = await self._look(gitea, number)
        return {key: pull[key] for key in ("number", "url", "title", "state", "head", "base", "commit", "merge_commit")}

    async def _look(self, gitea: Gitea, number: int) -> dict[str, Any]:
        pull = await pull_request(gitea, self.repository, number)
        if pull is None:
            raise CannotTell(f"{self.repository} at {gitea.place} has no pull request {number}")
        return pull

    async def _merge(self, ctx: Context, gitea: Gitea, number: int) -> None:
        pull = await self._look(gitea, number)
        if pull["state"] != "open":
            raise StepFailed(f"pull request {number} of {self.repository} is {pull['state']} already")
        last = [""]

        async def try_it() -> bool | None:
            last[0] = await merge(gitea, self.repository, number, self.merge, pull["commit"])
            return None if last[0] else True

        try:
            await ctx.poll(try_it, deadline=self.within, what=f"the merge of pull request {number}")
        except Overrun:
            raise StepFailed(f"pull request {number} of {self.repository} was not merged: {last[0]}") from None
