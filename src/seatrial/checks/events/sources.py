"""Where events are read: an HTTP API with pages, a database, a log of JSON lines. CannotTell for anything less than all
of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from seatrial.checks.sql import LIMIT as ROWS
from seatrial.checks.sql import ask
from seatrial.errors import CannotTell, StepFailed, nearest
from seatrial.links.http import Answer, Web, bare
from seatrial.model import json_text
from seatrial.model.result import Observation
from seatrial.model.values import Expression, Timeout
from seatrial.spi import Context
from seatrial.spi.check import is_ours

Event = Mapping[str, Any]

MOST = 10_000
"""Events read at most."""

LOG = 16 * 1024 * 1024
"""Bytes of a log read at most."""

_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


@dataclass(frozen=True, kw_only=True)
class HttpEvents:
    """An HTTP API."""

    expression_names: ClassVar[tuple[str, ...]] = ("json", "headers", "url")

    url: str
    """The URL of the first page."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers to send, such as `Authorization: Bearer ${{ secrets.TOKEN }}`."""
    items: Expression = Expression("json")
    """CEL over `json`, `headers`, `url` of a page: the list of its events."""
    next: Expression = Expression("")
    """The same: the URL of the next page, or empty text or null at the end. By default the `Link` header says it."""
    total: Expression = Expression("")
    """The same: the number of all events, as the server counts them. With fewer events the list is incomplete."""
    most_pages: int = 100
    """Maximum number of pages; with more the list is incomplete."""
    timeout: Timeout = Timeout(10.0)
    """Time limit for each page."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            yield "url", "invalid URL; allowed: http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH"
        if self.most_pages < 1:
            yield "most_pages", "must be at least 1"

    def asks_others(self, ctx: Context) -> bool:
        return not is_ours(ctx, urlsplit(self.url).hostname or "")

    def __str__(self) -> str:
        return bare(self.url)

    async def read(self, ctx: Context) -> list[Event]:
        """All events, in the order of the pages."""
        events: list[Event] = []
        url, seen, total = self.url, set[str](), None
        async with Web() as web:
            while url:
                if url in seen:
                    raise CannotTell(f"page {len(seen)} of {self} leads back to {bare(url)}: the list has no end")
                seen.add(url)
                if len(seen) > self.most_pages:
                    raise CannotTell(f"{self} has more than {self.most_pages} pages: the list is incomplete")
                if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
                    raise CannotTell(f"page {len(seen)} of {self} is on another server, {bare(url)}: not read")
                names = await self._page(web, url, len(seen))
                found = await self._value(ctx, self.items, names, len(seen))
                if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
                    raise CannotTell(f"`{self.items}` of page {len(seen)} of {self} is not a list of maps")
                events += found
                if len(events) > MOST:
                    raise CannotTell(f"{self} has more than {MOST} events: ask for fewer")
                if self.total:
                    total = await self._value(ctx, self.total, names, len(seen))
                url = await self._next(ctx, names, len(seen))
        if total is not None and (not isinstance(total, int | float) or total != len(events)):
            raise CannotTell(f"{self} has {total!r} events by its own count, and shows {len(events)}: incomplete")
        return events

    async def _page(self, web: Web, url: str, number: int) -> dict[str, Any]:
        try:
            answer: Answer = await web.request("GET", url, headers=self.headers, timeout=self.timeout, shown=bare(url))
        except TimeoutError as error:
            raise CannotTell(f"page {number}: {error}") from error
        if answer.status != 200:
            raise CannotTell(f"page {number} of {self} answers {answer.status}")
        try:
            return {"json": answer.json(), "headers": dict(answer.headers), "url": url}
        except ValueError as error:
            raise CannotTell(f"page {number} of {self} is not JSON: {error}") from error

    async def _value(self, ctx: Context, expression: str, names: Mapping[str, Any], number: int) -> Any:
        try:
            return await ctx.evaluate(expression, **names)
        except CannotTell as error:
            raise CannotTell(f"page {number} of {self}: {error}") from error

    async def _next(self, ctx: Context, names: Mapping[str, Any], number: int) -> str:
        if self.next:
            led = await self._value(ctx, self.next, names, number)
            if led is not None and not isinstance(led, str):
                raise CannotTell(f"`{self.next}` of page {number} of {self} is {led!r}, expected a URL")
        else:
            link = _NEXT.search(names["headers"].get("link", ""))
            led = link[1] if link else ""
        return urljoin(names["url"], led) if led else ""


@dataclass(frozen=True, kw_only=True)
class SqlEvents:
    """A query to a database; each row is an event."""

    url: str
    """As in the check `sql`."""
    query: str
    """One statement that only reads, with an `ORDER BY`. Its columns are the fields of an event."""
    json: str | tuple[str, ...] = ()
    """Columns with JSON as text."""
    timeout: Timeout = Timeout(10.0)
    """Time limit for connection and query."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if "://" not in self.url:
            yield "url", "invalid database URL; allowed: postgresql://USER@HOST/NAME, sqlite:///FILE"

    def asks_others(self, ctx: Context) -> bool:
        return not is_ours(ctx, urlsplit(self.url).hostname or "")

    def __str__(self) -> str:
        return "the query"

    async def read(self, ctx: Context) -> list[Event]:
        """All events, in the order of the rows."""
        found = await ask(self.url, self.query, self.timeout, ctx.document_folder)
        if isinstance(found, Observation):
            raise CannotTell(found.why)
        columns, rows = found
        if len(rows) > ROWS:
            raise CannotTell(f"the query returns more than {ROWS} rows: ask for fewer")
        events = [dict(zip(columns, row, strict=True)) for row in rows]
        for name in (self.json,) if isinstance(self.json, str) else self.json:
            if name not in columns:
                raise CannotTell(f"the query returns no column {name!r}; {nearest(name, columns, what='columns')}")
            for event in events:
                value = event.get(name)
                try:
                    event[name] = json_text.loads(value) if isinstance(value, str) else value
                except ValueError as error:
                    raise CannotTell(f"column {name!r} is not JSON: {error}") from error
        return list(events)


@dataclass(frozen=True, kw_only=True)
class LogEvents:
    """A file with an event on each line, as JSON."""

    path: str
    """The path; on this host relative to the document."""
    on: str = ""
    """The node with the file (a selector of one node); by default this host."""
    other_lines: bool = False
    """Whether lines without JSON are allowed, and left out."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        return ()

    def asks_others(self, ctx: Context) -> bool:
        return False

    def __str__(self) -> str:
        return self.path

    async def read(self, ctx: Context) -> list[Event]:
        """All events, in the order of the lines; the beginning of an event in the last line is not finished yet."""
        text = await self._on_node(ctx) if self.on else self._on_host(ctx)
        events: list[Event] = []
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                event = json_text.loads(line)
            except json.JSONDecodeError:
                event = None
            except ValueError as error:
                raise CannotTell(f"line {number} of {self.path} is ambiguous: {error}") from error
            if isinstance(event, dict):
                events.append(event)
            elif number < len(lines) and not self.other_lines:
                why = "set `other_lines: true` to leave such lines out"
                raise CannotTell(f"line {number} of {self.path} is not a JSON object; {why}")
        return events

    def _on_host(self, ctx: Context) -> str:
        path = ctx.document_folder / self.path
        try:
            if path.stat().st_size > LOG:
                raise CannotTell(f"{self.path} has more than {LOG} bytes")
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError as error:
            raise StepFailed(f"{self.path} does not exist") from error
        except OSError as error:
            raise CannotTell(f"{self.path} could not be read: {error.strerror}") from error

    async def _on_node(self, ctx: Context) -> str:
        nodes = await ctx.select(self.on)
        if len(nodes) != 1:
            raise CannotTell(f"selector {self.on!r} matches {len(nodes)} nodes; the events are of one")
        script = 'test -e "$1" || exit 44; cat -- "$1"'
        done = await ctx.link(nodes[0]).run(["sh", "-c", script, "sh", self.path], env={"LC_ALL": "C"}, timeout=30)
        if done.exit_code == 44:
            raise StepFailed(f"{self.path} does not exist on {nodes[0].name}")
        if not done.ok:
            raise CannotTell(f"{self.path} on {nodes[0].name} could not be read: {done.stderr.strip()[-300:]}")
        if done.dropped:
            raise CannotTell(f"{self.path} on {nodes[0].name} is too long: {done.dropped} bytes were not kept")
        return done.stdout
