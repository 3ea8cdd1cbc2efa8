"""One visitor of a web site: keeps cookies and follows redirects as a browser does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx

from seatrial.links.http import REDIRECTS, Answer, Web

CONTENT = ("content", "data", "files", "json")


@dataclass(frozen=True, slots=True)
class Hop:
    """One redirect: the URL that sent it, the status, and its target, as a complete URL."""

    url: str
    status: int
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAnswer:
    """The end of a request, and its redirects."""

    answer: Answer
    url: str
    """The last answer."""
    hops: tuple[Hop, ...] = ()
    """The redirects followed."""
    astray: str = ""
    """Why the last redirect was not followed although it should have been; empty: none was left."""

    @property
    def location(self) -> str:
        """Where the last answer leads, as a whole URL; empty when it leads nowhere."""
        return leads_to(self.url, self.answer)


@dataclass(slots=True)
class HttpSession:
    """A visitor's requests on kept connections; options of the connection are those of `Web.request`."""

    web: Web
    options: Mapping[str, Any] = field(default_factory=dict)
    _cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, follow: int = 0, **more: Any
    ) -> SessionAnswer:
        """Send a request, and follow at most so many redirects; errors are those of `Web.request`."""
        sent, hops = dict(headers or {}), list[Hop]()
        url, seen = urldefrag(url).url, set[tuple[str, str, str]]()
        while True:
            cookie = self._cookie(url)
            step = (method, url, cookie)
            given = {} if not cookie or any(name.lower() == "cookie" for name in sent) else {"Cookie": cookie}
            answer = await self.web.request(method, url, headers={**sent, **given}, **self.options, **more)
            self._keep(url, answer)
            to = leads_to(url, answer)
            if not to or not follow:
                return SessionAnswer(answer=answer, url=url, hops=tuple(hops))
            seen.add(step)
            hops.append(Hop(url, answer.status, to))
            if not (astray := _astray(hops, follow)):
                if (answer.status == 303 and method != "HEAD") or (answer.status in (301, 302) and method == "POST"):
                    method = "GET"
                    more = {name: value for name, value in more.items() if name not in CONTENT}
                    sent = {name: value for name, value in sent.items() if not name.lower().startswith("content-")}
                if _strange(url, to):
                    sent = {n: v for n, v in sent.items() if n.lower().startswith(("accept", "content-", "user-agent"))}
                if (method, to, self._cookie(to)) in seen:
                    circle = [hop.url for hop in hops] + [to]
                    astray = f"redirects go in a circle: {' → '.join(circle[circle.index(to) :])}"
            if astray:
                return SessionAnswer(answer=answer, url=url, hops=tuple(hops), astray=astray)
            url = to

    def _cookie(self, url: str) -> str:
        """The `Cookie` header for a URL."""
        if not self._cookies:
            return ""
        request = httpx.Request("GET", url)
        self._cookies.set_cookie_header(request)
        return str(request.headers.get("cookie", ""))

    def _keep(self, url: str, answer: Answer) -> None:
        if answer.cookies:
            lines = [("set-cookie", line) for line in answer.cookies]
            request = httpx.Request("GET", url)
            self._cookies.extract_cookies(httpx.Response(answer.status, headers=lines, request=request))


def leads_to(url: str, answer: Answer) -> str:
    """Where a redirect leads, as a whole URL; empty for another answer."""
    to = answer.headers.get("location", "") if answer.status in REDIRECTS else ""
    try:
        return urldefrag(urljoin(url, to)).url if to else ""
    except ValueError:  # unreadable: the code that wants to go there gets the error
        return to


def _astray(hops: list[Hop], follow: int) -> str:
    to = hops[-1].location
    if len(hops) > follow:
        return f"there are more than {follow} redirects, the last to {to}"
    try:
        parts = urlsplit(to)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    return "" if good else f"{hops[-1].url} leads to {to!r}, and this is not an HTTP URL"


def _strange(url: str, to: str) -> bool:
    """Whether it leads to another host, or out of TLS: private headers are not sent there."""
    here, there = urlsplit(url), urlsplit(to)
    return here.hostname != there.hostname or (here.scheme, there.scheme) == ("https", "http")
