"""A follow-up request: its URL from the last answer, repeated until a time limit, compared byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from seatrial.checks.http.requests import Expected, names_of
from seatrial.checks.http.uploads import Sent, compared
from seatrial.errors import CannotTell, Overrun
from seatrial.model.result import Observation, Verdict, unknown
from seatrial.model.values import Duration, Expression
from seatrial.spi import Context

if TYPE_CHECKING:
    from seatrial.links.http.session import HttpSession, SessionAnswer


@dataclass(frozen=True, kw_only=True)
class Then(Expected):
    """A follow-up request in the same session."""

    url_from: Expression = Expression("")
    """Instead of `url`: CEL over the last answer, such as `json.url` or `headers.location`."""
    same_as: str = ""
    """The body must equal, byte for byte, the file uploaded in this field."""
    within: Duration = Duration(0.0)
    """Repeat the request until it passes, for this time; by default send it once."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.url and self.url_from:
            yield "url_from", "`url` already is the URL: use `url` or `url_from`"
        yield from self.wrong_asking()

    async def follow(
        self, ctx: Context, session: HttpSession, before: SessionAnswer, files: Mapping[str, Sent]
    ) -> tuple[SessionAnswer, Observation]:
        """Repeat the request until it passes; returns the answer and its observation. Without an answer, the one
        before."""
        url = await self._url(ctx, before, files)
        if isinstance(url, Observation):
            return before, url
        last: list[tuple[SessionAnswer, Observation]] = []

        async def look() -> tuple[SessionAnswer, Observation] | None:
            last[:] = [await self._once(ctx, session, url, before, files)]
            return last[0] if last[0][1].verdict is Verdict.PASSED else None

        if not self.within:
            await look()
        else:
            try:
                await ctx.poll(look, deadline=self.within, what=f"{self.method} {url}")
            except Overrun:
                if not last:
                    raise
        visited, seen = last[0]
        if seen.verdict is Verdict.PASSED:
            return visited, seen
        for_long = f" within {self.within:g} s" if self.within else ""
        return visited, replace(seen, why=f"then {self.method} {url}{for_long}: {seen.why}")

    async def _url(self, ctx: Context, before: SessionAnswer, files: Mapping[str, Sent]) -> str | Observation:
        if not self.url_from:
            return urljoin(before.url, self.url)
        names = names_of(ctx, self.url_from, before, files)
        if isinstance(names, Observation):
            return names
        try:
            found = await ctx.evaluate(self.url_from, **names)
        except CannotTell as error:
            return unknown(f"`url_from`: {error}", self.url_from)
        if not isinstance(found, str) or not found:
            return unknown(f"`url_from` returns {found!r}, expected a URL", self.url_from)
        return urljoin(before.url, found)

    async def _once(
        self, ctx: Context, session: HttpSession, url: str, before: SessionAnswer, files: Mapping[str, Sent]
    ) -> tuple[SessionAnswer, Observation]:
        from seatrial.links.http import LIMIT

        own = {name: files[name] for name in self.files}
        if not self.same_as:
            visited = await self.ask(session, url, own, self.wanted())
        else:
            sent = files[self.same_as].content
            # Without compression, because the client would decompress. The limit is larger, to report the number of
            # surplus bytes.
            asking = replace(self, headers={"Accept-Encoding": "identity", **self.headers})
            visited = await asking.ask(session, url, own, self.wanted(), limit=max(LIMIT, 2 * len(sent)))
        if isinstance(visited, Observation):
            return before, visited
        seen = await self.judge(ctx, visited, files)
        if self.same_as and seen.verdict is Verdict.PASSED:
            seen = compared(files[self.same_as].content, visited.answer.body)
        return visited, seen
