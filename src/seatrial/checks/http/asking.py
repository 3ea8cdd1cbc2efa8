"""Sending a request, or filling in and submitting a page's form as a browser does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode, urljoin, urlsplit

from seatrial.checks.http.forms import Form, form_with, forms
from seatrial.checks.http.uploads import Sent, Upload
from seatrial.errors import LinkDown, LinkLost, LinkRefused
from seatrial.model.result import Category, Observation, failed
from seatrial.model.values import Duration

if TYPE_CHECKING:
    from seatrial.links.http.session import HttpSession, SessionAnswer

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
    timeout: Duration = Duration(10.0)
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
