"""A request, or a page's form to fill in and submit as a browser does, and the expectations of its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlencode, urljoin, urlsplit

from seatrial.checks.content import held, holds, shown, unreadable
from seatrial.checks.http.forms import Form, form_with, forms
from seatrial.checks.http.uploads import Sent, Upload
from seatrial.errors import LinkDown, LinkLost, LinkRefused
from seatrial.expressions.text import uses
from seatrial.model.result import Category, Observation, failed, passed, unknown
from seatrial.model.values import Expression, Timeout
from seatrial.spi import Context

if TYPE_CHECKING:
    from seatrial.links.http import Answer
    from seatrial.links.http.session import HttpSession, SessionAnswer

BODY_NAMES = ("body", "json")
"""Names of an expression for the body of the answer."""

PARTIAL = 206

BODIES = ("body", "json", "form", "submit")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request."""

    url: str = ""
    """The URL, or a part of one relative to the last answer's; by default the same."""
    method: str = "GET"
    """The request's method."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers to send."""
    body: str = ""
    """A body to send."""
    json: Any = None
    """A JSON body to send."""
    form: Mapping[str, str] = field(default_factory=dict)
    """Form fields to send."""
    submit: Mapping[str, str] | None = None
    """Fields to fill in: the URL is a page. Seatrial sends its first form with these fields (and those of `files`) as a
    browser does, with its hidden fields and the page's cookies."""
    files: Mapping[str, str | Upload] = field(default_factory=dict)
    """Files to upload (multipart): field to path, relative to the document, or to a mapping."""
    redirects: Literal["auto", "keep", "follow"] = "auto"
    """`keep` redirects as the answer, or `follow` them as a browser does; `auto`: follow after `submit`."""
    max_redirects: int = 10
    """Maximum number of redirects to follow; more are a failure."""
    timeout: Timeout = Timeout(10.0)
    """Time limit for each complete answer."""

    def wrong_asking(self) -> Iterable[tuple[str, str]]:
        bodies = [name for name in BODIES if getattr(self, name) not in ("", None, {})]
        if self.submit == {}:
            bodies.append("submit")
        for extra in bodies[1:]:
            yield extra, f"`{bodies[0]}` already is the body: keep one of them"
        if self.files and bodies and bodies[0] not in ("form", "submit"):
            yield "files", f"`{bodies[0]}` already is the body: `files` can be used with `form` or `submit` only"
        if self.submit is not None and self.method != "GET":
            yield "method", "with `submit` the form decides the method: remove `method`"
        if self.max_redirects < 1:
            yield "max_redirects", "must be at least 1; use `redirects: keep` to follow none"

    async def ask(
        self, session: HttpSession, url: str, files: Mapping[str, Sent], expected: object, **more: Any
    ) -> SessionAnswer | Observation:
        """Send it. Failed without a complete answer or a matching form; CannotTell for mistakes of the test."""
        follows = self.redirects == "follow" or (self.redirects == "auto" and self.submit is not None)
        more |= {"timeout": self.timeout, "follow": self.max_redirects if follows else 0}
        try:
            if self.submit is not None:
                return await self._submitted(session, url, files, more)
            return await session.ask(self.method, url, headers=self.headers, **self._content(files), **more)
        except TimeoutError as error:
            return failed("no answer", expected, str(error), Category.TIMEOUT)
        except (LinkDown, LinkLost, LinkRefused) as error:
            return failed("no answer", expected, str(error))

    def _content(self, files: Mapping[str, Sent]) -> dict[str, Any]:
        parts = {name: (one.name, one.content, one.type) for name, one in files.items()}
        content = {"content": self.body.encode(), "json": self.json, "data": dict(self.form), "files": parts}
        return {key: value for key, value in content.items() if value or (key == "json" and value is not None)}

    async def _submitted(
        self, session: HttpSession, url: str, files: Mapping[str, Sent], more: Mapping[str, Any]
    ) -> SessionAnswer | Observation:
        page = await session.ask("GET", url, headers=self.headers, **more)
        fields = sorted({*(self.submit or ()), *files})
        expected = f"a form with {', '.join(fields)}" if fields else "a form"
        if page.astray or page.answer.status >= 400:
            why = page.astray or f"{page.url} answers {page.answer.status}"
            return failed(page.answer.status, expected, f"the form's page: {why}")
        form = form_with(forms(page.answer.text), fields)
        if isinstance(form, str):
            return failed("no such form", expected, f"{page.url}: {form}")
        target = urljoin(page.url, form.action) if form.action else page.url
        headers = {"Referer": page.url, **self.headers}  # with TLS, Django requires the origin of a form
        values = form.filled(self.submit or {})
        if form.method != "POST":
            query = urlsplit(target)._replace(query=urlencode(values), fragment="").geturl()
            return await session.ask("GET", query, headers=headers, **more)
        return await session.ask("POST", target, headers=headers, **_posted(form, values, files), **more)


def _posted(form: Form, values: list[tuple[str, str]], files: Mapping[str, Sent]) -> dict[str, Any]:
    if form.multipart or files:
        parts: list[tuple[str, Any]] = [(name, (None, value.encode())) for name, value in values]
        parts += [(name, (one.name, one.content, one.type)) for name, one in files.items()]
        return {"files": parts}
    data: dict[str, list[str]] = {}
    for name, value in values:
        data.setdefault(name, []).append(value)
    return {"data": data}


@dataclass(frozen=True, kw_only=True)
class Expected(Asked):
    """A request, and the expectations of its answer."""

    may_be_empty: ClassVar[tuple[str, ...]] = ("body", "headers", "json", "form", "submit")
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
    """A text, or a list of texts, forbidden in the body. A body that is not readable as text is unknown."""
    that: Expression = Expression("")
    """CEL over `json`, `status`, `headers` (lower-case names), `body`, `url` (of the answer), `uploads` (by field:
    `name`, `size`, `sha256`)."""

    def wrong_asking(self) -> Iterable[tuple[str, str]]:
        yield from super().wrong_asking()
        if self.method.upper() == "HEAD":
            read = {"contains": self.contains, "lacks": self.lacks, "that": any(uses(self.that, n) for n in BODY_NAMES)}
            yield from ((key, "an answer to HEAD has no body: use `method: GET`") for key, used in read.items() if used)

    def wanted(self) -> object:
        """The expected status, for results."""
        if self.status == ():
            return "a status below 400"
        return list(self.status) if isinstance(self.status, tuple) else self.status

    async def judge(self, ctx: Context, visited: SessionAnswer, files: Mapping[str, Sent]) -> Observation:
        answer = visited.answer
        wrong = (
            self._led_wrong(visited)
            or self._answered_wrong(ctx, visited)
            or held(ctx, answer.text, self.contains, self.lacks, "the body", self._unread(answer))
            or self._elsewhere(visited)
        )
        if wrong is not None:
            return wrong
        if not self.that:
            return passed(_seen(visited), self.wanted())
        names = names_of(ctx, self.that, visited, files, self._unread(answer))
        if isinstance(names, Observation):
            return names
        json = names["json"]
        seen = json if json is not None and len(str(json)) <= 1000 else shown(ctx, answer.text)
        return await holds(ctx, self.that, seen, **names)

    def _unread(self, answer: Answer) -> str:
        """Why the text of the answer is not the page's; empty: it is. A part that was asked for is taken as it is."""
        if answer.status == PARTIAL and not self.status and not _is_whole(answer.headers.get("content-range", "")):
            return "it is a part of the whole (206): set `status: 206` to judge the part"
        return answer.undecoded

    def _elsewhere(self, visited: SessionAnswer) -> Observation | None:
        """Unknown if the body is a redirect's that nobody asked for: what it lacks, the page may have."""
        expected = self.status or self.location or self.redirects == "keep"
        if expected or not visited.location or not (self.lacks or uses(self.that, "body")):
            return None
        how = "set `redirects: follow` to judge the page there, or `status` to judge this answer"
        return unknown(f"{visited.url} answers {visited.answer.status} and leads to {visited.location}: {how}")

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


def _is_whole(content_range: str) -> bool:
    """Whether `bytes 0-20/21` covers everything."""
    found = re.fullmatch(r"bytes 0-(\d+)/(\d+)", content_range.strip())
    return found is not None and int(found[1]) + 1 == int(found[2])


def names_of(
    ctx: Context, expression: str, visited: SessionAnswer, files: Mapping[str, Sent], undecoded: str = ""
) -> dict[str, Any] | Observation:
    """The names an expression can use; an observation if it uses the body, and the body cannot be read so."""
    answer, json = visited.answer, None
    unread = undecoded or answer.undecoded or unreadable(answer.text)
    if unread and uses(expression, "body"):
        return unknown(f"the body of {visited.url} cannot be read: {unread}", expression)
    try:
        json = answer.json()
    except JSONDecodeError:
        if uses(expression, "json"):
            why = f"the body of {visited.url} is not JSON"
            if unread:
                return unknown(f"{why}: {unread}", expression)
            return failed(shown(ctx, answer.text), expression, why)
    except ValueError as error:
        if uses(expression, "json"):
            return unknown(f"the JSON of {visited.url} cannot be judged: {error}", expression)
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
