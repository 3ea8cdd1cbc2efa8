"""What a trial did at a server of Gitea or Forgejo beside its own repositories."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from seatrial.errors import SeatrialError
from seatrial.links.gitea import Denied, Gitea, Listed
from seatrial.spi import Blame, Context, Finding, OtherTrial
from seatrial.spi.output import lines_with

WRITES = frozenset({
    "create_repo", "commit_repo", "push_tag", "delete_tag", "delete_branch", "merge_pull_request", "rename_repo",
    "transfer_repo", "create_pull_request", "publish_release",
})  # fmt: skip
"""Kinds of activity that change a repository."""


LAG = 1.5
"""Seconds after a push in which a quiet server writes its list of activities."""

CATCHES_UP = 45.0
"""Seconds that a busy server has for a push of which the trial's own output tells."""

REFUSED = "error: failed to push some refs to '"
"""What git prints after a push that the server refused."""


class GiteaAuditor:
    """Of one trial, at one server."""

    before_sweep = True  # afterwards the other trial may have removed its repository

    def __init__(
        self, gitea: Gitea, trial: str, since: float, before: asyncio.Task[list[Listed]] | None = None
    ) -> None:
        """`since`: the whole second in which it begins; `before`: the repositories at that moment. The server tells
        whole seconds, so they tell what was made earlier in the same one."""
        self._gitea, self._trial, self._since, self._before = gitea, trial, since, before
        self._others: dict[str, OtherTrial] = {}

    async def findings(self, ctx: Context) -> Sequence[Finding]:
        """Repositories without a mark that are new, and those of others that were written."""
        found: list[Finding] = []
        await asyncio.sleep(LAG)
        try:
            repositories = await self._gitea.repositories()
            if awaited := await self._pushed(repositories, ctx):
                found += [self._unseen(name) for name in awaited if not await self._listed(name)]
                repositories = await self._gitea.repositories()
        except Denied as error:
            ctx.log(f"nobody looks for contamination of {self._where}: {error}")
            return ()
        before = await self._names_before()
        for one in repositories:
            if one.mark is not None and one.mark.trial != self._trial:
                self._others[one.mark.trial] = OtherTrial(id=one.mark.trial, run=one.mark.run)
            made = _seconds(one.created)
            is_new = made >= self._since and not (made < self._since + 1 and one.name in before)
            if is_new and one.mark is None:
                found.append(await self._made(one))
            elif _seconds(one.updated) >= self._since and not self._is_own(one):
                found += await self._written(one)
        return found

    async def _names_before(self) -> Collection[str]:
        try:
            return {one.name for one in await self._before} if self._before is not None else ()
        except SeatrialError:
            return ()

    def _is_own(self, one: Listed) -> bool:
        return one.mark is not None and one.mark.trial == self._trial

    async def _pushed(self, repositories: Sequence[Listed], ctx: Context) -> Sequence[str]:
        """The repositories of others to which this trial pushed, by its own output."""

        def lines() -> tuple[list[str], list[str]]:
            done, refused = (lines_with(rf"^{start}\S*{self._host}", ctx.folder) for start in ("To ", REFUSED))
            return [*done], [*refused]

        done, refused = await asyncio.to_thread(lines)
        others = [one.name for one in repositories if not self._is_own(one)]
        return [
            name for name in others
            if _number(self._pushed_to(name), done) > _number(self._pushed_to(name, REFUSED, "'"), refused)
        ]  # fmt: skip

    async def _listed(self, name: str) -> bool:
        """Whether the server's list has a push to this repository, once it had time to catch up."""
        end = asyncio.get_running_loop().time() + CATCHES_UP
        while not await self._writers(name):
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(0.2)
        return True

    def _unseen(self, name: str) -> Finding:
        return Finding(
            what=f"Repository {name}", change="changed", where=self._where, mark="not this trial's",
            blame=Blame.PERHAPS,
            evidence=f"the output of this trial shows a push, and the server lists none within {CATCHES_UP:g} s",
            advice="look at the repository; write to the trial's own, `${{ steps.ID.outputs.clone_url }}`",
        )  # fmt: skip

    def others(self) -> Sequence[OtherTrial]:
        return list(self._others.values())

    async def close(self) -> None:
        if self._before is not None:
            self._before.cancel()
            await asyncio.gather(self._before, return_exceptions=True)
        await self._gitea.web.close()

    async def _made(self, one: Listed) -> Finding:
        who, at = next(iter(await self._writers(one.name)), ("", _seconds(one.created)))
        mine = self._trial in f"{one.name} {who}"
        return Finding(
            what=f"Repository {one.name}", change="made", where=self._where,
            mark="no run's mark", by=_by(who, at), at=at,
            blame=Blame.THIS if mine else Blame.NOBODY,
            evidence="it, or who made it, carries the id of this trial, and it still exists" if mine else "",
            advice="make it by the step `git_repository`, which removes it", words=(one.name,),
            traces=(self._pushed_to(one.name),),
        )  # fmt: skip

    async def _written(self, one: Listed) -> list[Finding]:
        writers = await self._writers(one.name)
        if not writers:
            return []
        who, at = next((pair for pair in writers if self._trial in pair[0]), writers[0])
        mine = self._trial in who
        return [
            Finding(
                what=f"Repository {one.name}",
                change="changed",
                where=self._where,
                mark=f"mark of the trial {one.mark.trial}" if one.mark else "no run's mark",
                by=_by(who, at),
                at=at,
                blame=Blame.THIS if mine else Blame.NOBODY,
                evidence=f"{who} is the account of this trial" if mine else "",
                advice="write to the trial's own repository, `${{ steps.ID.outputs.clone_url }}`",
                words=(one.name,),
                traces=(self._pushed_to(one.name),),
                proven=True,
            )
        ]

    async def _writers(self, name: str) -> list[tuple[str, float]]:
        """Who changed a repository since the beginning, the last one first."""
        told = await self._gitea.get(f"/repos/{quote(name)}/activities/feeds", limit=50) or ()
        found: list[tuple[str, float]] = []
        for row in told:
            at = _seconds(row.get("created"))
            if row.get("op_type") in WRITES and at >= self._since:
                user: Mapping[str, Any] = row.get("act_user") or {}
                found.append((str(user.get("login") or "somebody"), at))
        return found

    @property
    def _where(self) -> str:
        return f"the Git server {self._gitea.place}"

    def _pushed_to(self, name: str, before: str = "To ", after: str = "") -> str:
        """What git prints after a push."""
        return rf"^{before}\S*{self._host}\S*[/:]{re.escape(name)}(?:\.git)?/?{after}$"

    @property
    def _host(self) -> str:
        """An expression for the server within a URL, with or without its port."""
        host = re.escape(self._gitea.place.partition("/")[0])
        return rf"(?:{host}|{host.partition(':')[0]}\b)"


def _number(expression: str, lines: Sequence[str]) -> int:
    return sum(re.search(expression, line) is not None for line in lines)


def _by(who: str, at: float) -> str:
    return f"{who or 'somebody'} at {datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"


def _seconds(time: object) -> float:
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0
