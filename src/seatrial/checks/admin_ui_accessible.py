"""Whether the system's admin UI answers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from seatrial.checks.readings import status_of
from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.model.reading import Health
from seatrial.model.result import Observation, Verdict, failed, passed, unknown
from seatrial.model.values import Timeout
from seatrial.registry import check
from seatrial.spi import Context, Need, ServesAdmin


@check("admin_ui_accessible")
@dataclass(frozen=True, kw_only=True)
class AdminUi:
    """The admin UI answers with 2xx or 3xx on at least one healthy node."""

    timeout: Timeout = Timeout(10.0)
    """Time limit for each answer."""

    def rests_on(self) -> Collection[Need]:
        return (Need.ADMIN,)

    async def observe(self, ctx: Context) -> Observation:
        """Ask every node once, except those measured unhealthy."""
        urls = await ctx.system.admin_url(ctx) if isinstance(ctx.system, ServesAdmin) else {}
        if not urls:
            return unknown("the system declares no admin UI")
        status = await status_of(ctx)
        health = {name: one.healthy.value for name, one in status.nodes.items()}
        asked = [name for name in urls if health.get(name, Health.UNKNOWN) is not Health.NOT_OK]
        expected = "2xx or 3xx on a healthy node"
        if not asked:
            return failed({}, expected, f"no healthy node has an admin UI: {status.state.why}")
        found = dict(zip(asked, await asyncio.gather(*(self._ask(urls[name]) for name in asked)), strict=True))
        seen = {name: one.seen for name, one in found.items()}
        whys = "; ".join(f"{name}: {one.why or one.seen}" for name, one in found.items())
        up = [name for name, one in found.items() if one.verdict is Verdict.PASSED]
        if any(health.get(name) is Health.OK for name in up):
            return passed(seen, expected)
        if up:
            why = f"the admin UI answers on {', '.join(up)}, but their health could not be measured"
            return unknown(why, expected, seen)
        if all(one.verdict is Verdict.FAILED for one in found.values()):
            return failed(seen, expected, whys)
        return unknown(whys, expected, seen)

    async def _ask(self, url: str) -> Observation:
        from seatrial.links.http import request

        try:
            # Admin UIs often have self-signed certificates; this check only needs an answer.
            answer = await request("GET", url, timeout=self.timeout, verify=False)
        except (LinkDown, LinkLost, LinkRefused, TimeoutError) as error:
            return failed("no answer", why=str(error))
        except CannotTell as error:
            return unknown(str(error), seen="not asked")
        judge = passed if 200 <= answer.status < 400 else failed
        return judge(answer.status, why=f"{url} answers {answer.status}")
