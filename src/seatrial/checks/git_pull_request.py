"""Whether a pull request at Gitea or Forgejo is as expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from seatrial.checks.content import holds
from seatrial.links.gitea.place import InRepository
from seatrial.links.gitea.pulls import pull_request, pull_requests
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Expression
from seatrial.registry import check
from seatrial.spi import Context


@check("git_pull_request")
@dataclass(frozen=True, kw_only=True)
class GitPullRequest(InRepository):
    """A pull request at Gitea or Forgejo is open, merged or closed, and as an expression says."""

    expression_names: ClassVar[tuple[str, ...]] = ("pull",)

    number: int | None = None
    """Its number."""
    head: str = ""
    """Instead of a number: the newest one from this branch."""
    base: str = ""
    """The same: into this branch."""
    state: Literal["", "open", "merged", "closed"] = ""
    """Its state; `closed` is closed without a merge."""
    exists: bool = True
    """Whether there must be one."""
    that: Expression = Expression("")
    """CEL over `pull`: `number`, `title`, `body`, `state`, `draft`, `mergeable`, `author`, `head`, `base`, `commit`,
    `merge_commit`, `labels`, `url`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_repository()
        if self.number is not None and (self.head or self.base):
            yield "number", "a number is enough: leave `head` and `base` away"
        if not self.exists and self.that:
            yield "that", "`that` cannot be used with `exists: false`"

    def asks_others(self, ctx: Context) -> bool:
        return True

    async def observe(self, ctx: Context) -> Observation:
        async with self.gitea(ctx) as gitea:
            await self.existing(gitea)
            if self.number is not None:
                one = await pull_request(gitea, self.repository, self.number)
                pulls = [one] if one is not None else []
            else:
                pulls = await pull_requests(gitea, self.repository)
        pulls = [
            pull
            for pull in pulls
            if self.head in ("", pull["head"]) and self.base in ("", pull["base"])
            and (self.exists or self.state in ("", pull["state"]))
        ]  # fmt: skip
        wanted = self._expected()
        if not pulls:
            return (failed if self.exists else passed)("no pull request", wanted, f"{self.repository} has no such one")
        pull = next((pull for pull in pulls if pull["state"] == self.state), pulls[0])
        seen = f"pull request {pull['number']} is {pull['state']}"
        if not self.exists or self.state not in ("", pull["state"]):
            return failed(seen, wanted, f"{seen}: {pull['title']} ({pull['head']} into {pull['base']})")
        if not self.that:
            return passed(seen, wanted)
        return await holds(ctx, self.that, seen, pull=pull)

    def _expected(self) -> str:
        which = f" {self.number}" if self.number is not None else ""
        which += f" from {self.head}" if self.head else ""
        which += f" into {self.base}" if self.base else ""
        what = " ".join(filter(None, ("pull request" + which, self.state)))
        return what if self.exists else f"no {what}"
