"""Whether a webhook of Gitea or Forgejo was delivered, by the server's own list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from seatrial.checks.content import shown
from seatrial.errors import CannotTell
from seatrial.links.gitea import Gitea
from seatrial.links.gitea.deliveries import SHOWN, Delivery, GiteaPages
from seatrial.links.gitea.place import InRepository
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.model.values import Expression
from seatrial.registry import check
from seatrial.spi import Context
from seatrial.spi.context import is_true


@check("git_webhook")
@dataclass(frozen=True, kw_only=True)
class GitWebhook(InRepository):
    """A webhook of Gitea or Forgejo was delivered: the server's own list says so. It needs a `user` with the right
    `admin` on the repository, and the password as `token`: the API has no such list, only the server's pages."""

    expression_names: ClassVar[tuple[str, ...]] = ("delivery",)

    hook: int | None = None
    """The id of the webhook: an element of `${{ steps.ID.outputs.hooks }}`; default: the only one."""
    event: str = ""
    """Only deliveries of this event, such as `push`."""
    since: float | None = None
    """Only deliveries since this time, `${{ steps.ID.outputs.time }}` of a step `mark`. The server has whole seconds:
    one of the same second counts."""
    exists: bool = True
    """Whether there must be such a delivery."""
    that: Expression = Expression("")
    """Only deliveries for which this CEL is true, over `delivery`: `id`, `uuid`, `state` (`delivered`, `failed`,
    `pending`), `time`, `event`, `url`, `status`, `headers`, `payload`, `answer`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_repository()
        if not self.user:
            yield "user", "missing: the server shows deliveries to a user with a password only, not to a token"

    def asks_others(self, ctx: Context) -> bool:
        return True

    async def observe(self, ctx: Context) -> Observation:
        async with self.gitea(ctx) as gitea:
            hook = await self._hook(gitea)
        server, user, password = gitea.server, self.user, self.token

        async def log_in() -> GiteaPages:
            return GiteaPages(server, user, password)

        pages = await ctx.keep(("gitea pages", server, user, password), log_in)
        every = await pages.deliveries(self.repository, hook)
        deliveries = [one for one in every if await self._matches(ctx, one)]
        wanted = f"{'a' if self.exists else 'no'} delivery" + (f" of {self.event}" if self.event else "")
        if not deliveries:
            return self._none(hook, every, wanted)
        # The newest one that arrived: an earlier attempt may have failed.
        best = next((one for one in deliveries if one.state == "delivered"), deliveries[0])
        seen = shown(ctx, str(best))
        if not self.exists:
            return failed(seen, wanted, f"webhook {hook} of {self.repository} has one")
        if best.state != "delivered" and "state" not in self.that:
            how = "waits for its delivery" if best.state == "pending" else "was not delivered"
            return failed(seen, wanted, f"webhook {hook} of {self.repository} {how}")
        return passed(seen, wanted)

    def _none(self, hook: int, every: list[Delivery], wanted: str) -> Observation:
        seen = f"{len(every)} other deliveries" if every else "no delivery"
        if len(every) >= SHOWN and not self._reaches_back(every):
            return unknown(f"the server shows its newest {len(every)} deliveries only, and none of them is it", wanted)
        if not self.exists:
            return passed(seen, wanted)
        last = f"; the last one: {every[0]}" if every else ""
        return failed(seen, wanted, f"webhook {hook} of {self.repository} has no such delivery{last}")

    def _reaches_back(self, every: list[Delivery]) -> bool:
        """Whether the list has all since then."""
        return self.since is not None and _seconds(every[-1]) < self.since

    async def _matches(self, ctx: Context, delivery: Delivery) -> bool:
        if self.event and delivery.event != self.event:
            return False
        if self.since is not None and _seconds(delivery) < int(self.since):
            return False
        return not self.that or await is_true(ctx, self.that, delivery=delivery.seen())

    async def _hook(self, gitea: Gitea) -> int:
        if self.hook is not None:
            return self.hook
        await self.existing(gitea)
        hooks = await gitea.pages(f"/repos/{self.repository}/hooks")
        if len(hooks) != 1:
            what = ", ".join(f"{row['id']} ({row['config'].get('url')})" for row in hooks)
            raise CannotTell(
                f"{self.repository} has {f'several webhooks: {what}; name the `hook`' if hooks else 'no webhook'}"
            )
        return int(hooks[0]["id"])


def _seconds(delivery: Delivery) -> float:
    """Its time, as the page has it: in whole seconds."""
    try:
        return datetime.fromisoformat(delivery.time).timestamp()
    except ValueError as error:
        raise CannotTell(f"the delivery {delivery.uuid} has no time that can be read: {delivery.time!r}") from error
