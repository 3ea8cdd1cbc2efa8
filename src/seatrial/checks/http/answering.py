"""Expectations of an answer: its status, headers, body, and redirects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urljoin

from seatrial.checks.content import held, holds, shown
from seatrial.checks.http.uploads import Sent
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Expression
from seatrial.spi import Context

if TYPE_CHECKING:
    from seatrial.links.http.session import SessionAnswer


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Expectations of an answer."""

    expression_names: ClassVar[tuple[str, ...]] = ("json", "status", "headers", "body", "url", "uploads")

    status: int | tuple[int, ...] = ()
    """The expected status, or a list of them; by default any below 400."""
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers required in the answer, with these values."""
    location: str = ""
    """The target of the first redirect; a part of a URL is relative to the requested one."""
    ends_at: str = ""
    """The final URL after all redirects, or a part of one."""
    contains: str | tuple[str, ...] = ()
    """A text, or a list of texts, required in the body."""
    lacks: str | tuple[str, ...] = ()
    """A text, or a list of texts, forbidden in the body."""
    that: Expression = Expression("")
    """CEL over `json`, `status`, `headers` (lower-case names), `body`, `url` (of the answer), `uploads` (by field:
    `name`, `size`, `sha256`)."""

    def wanted(self) -> object:
        """The expected status, for results."""
        if self.status == ():
            return "a status below 400"
        return list(self.status) if isinstance(self.status, tuple) else self.status

    async def judge(self, ctx: Context, visited: SessionAnswer, files: Mapping[str, Sent]) -> Observation:
        wrong = (
            self._led_wrong(visited)
            or self._answered_wrong(ctx, visited)
            or held(ctx, visited.answer.text, self.contains, self.lacks, "the body")
        )
        if wrong is not None:
            return wrong
        if not self.that:
            return passed(_seen(visited), self.wanted())
        names = names_of(self.that, visited, files)
        if names is None:
            return failed(shown(ctx, visited.answer.text), self.that, "the body is not JSON")
        json = names["json"]
        seen = json if json is not None and len(str(json)) <= 1000 else shown(ctx, visited.answer.text)
        return await holds(ctx, self.that, seen, **names)

    def _led_wrong(self, visited: SessionAnswer) -> Observation | None:
        asked = visited.hops[0].url if visited.hops else visited.url
        if visited.astray:
            return failed(_way(visited), self.ends_at or "an end of redirects", visited.astray)
        if self.location:
            wanted = urljoin(asked, self.location)
            led = visited.hops[0].location if visited.hops else visited.location
            if led != wanted:
                told = f"leads to {led}" if led else f"answers {visited.answer.status} without a redirect"
                return failed(led or visited.answer.status, wanted, f"{asked} {told}, expected a redirect to {wanted}")
        if self.ends_at and visited.url != (wanted := urljoin(asked, self.ends_at)):
            return failed(_way(visited), wanted, f"redirects ended at {visited.url}, expected {wanted}")
        return None

    def _answered_wrong(self, ctx: Context, visited: SessionAnswer) -> Observation | None:
        answer = visited.answer
        allowed = (self.status,) if isinstance(self.status, int) else self.status
        if answer.status not in allowed if allowed else answer.status >= 400:
            after = f" after {len(visited.hops)} redirect{'s' * (len(visited.hops) > 1)}" if visited.hops else ""
            why = f"{visited.url} answers {answer.status}{after}: {shown(ctx, answer.text)}"
            return failed(_seen(visited), self.wanted(), why)
        for name, value in self.answer_headers.items():
            seen = answer.headers.get(name.lower())
            if seen != value:
                return failed({name: seen}, {name: value}, f"header {name} is {seen!r}, expected {value!r}")
        return None


def names_of(expression: str, visited: SessionAnswer, files: Mapping[str, Sent]) -> dict[str, Any] | None:
    """The names an expression can use; None if it uses JSON and the body is not JSON."""
    answer, json = visited.answer, None
    try:
        json = answer.json()
    except ValueError:
        if re.search(r"\bjson\b", expression):
            return None
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": answer.text,
        "json": json,
        "url": visited.url,
        "uploads": {name: one.facts for name, one in files.items()} if "uploads" in expression else {},
    }


def _seen(visited: SessionAnswer) -> object:
    status = visited.answer.status
    return {"status": status, "url": visited.url} if visited.hops else status


def _way(visited: SessionAnswer) -> list[str]:
    """The URLs of a chain of redirects, in order."""
    return [*(hop.url for hop in visited.hops), *([] if visited.astray else [visited.url])]
