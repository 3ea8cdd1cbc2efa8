"""Whether an HTTP server answers one request, or several of one session, as expected; or whether a port is closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from seatrial.checks.http.certificates import Tls, wrong
from seatrial.checks.http.requests import Expected
from seatrial.checks.http.then import Then
from seatrial.checks.http.uploads import Sent, uploads
from seatrial.checks.tcp import observe_port
from seatrial.links.tcp import destination, place
from seatrial.model.result import Observation, Verdict
from seatrial.registry import check
from seatrial.spi import Context
from seatrial.spi.check import is_ours

if TYPE_CHECKING:
    from seatrial.links.http.session import HttpSession

ONLY_OPEN = ("body", "json", "form", "submit", "files", "status", "answer_headers", "location", "ends_at", "contains",
             "lacks", "that", "tls", "then")  # fmt: skip


@check("http")
@dataclass(frozen=True, kw_only=True)
class Http(Expected):
    """A URL answers with the right status, headers and body: `http:http://127.0.0.1:8080/health`."""

    url: str = field()
    """`http://…` or `https://…`."""
    then: tuple[Then, ...] | Then = ()
    """A request, or a list, to send after this one was answered as expected, with its cookies."""
    closed: bool = False
    """The URL's port must be closed."""
    connect_to: str | Mapping[str, str] = ""
    """`HOST` or `HOST:PORT` to connect to instead of the URL's, or a mapping from one to the other; the `Host` header
    and the certificate's name stay the URL's."""
    ca: str = ""
    """A file of certificates to trust, relative to the document."""
    tls_name: str = ""
    """The name required in the certificate, if not the URL's."""
    verify: bool = True
    """Whether the certificate must be trusted."""
    tls: Tls | None = None
    """Expectations of the certificate."""

    text_pattern: ClassVar[str] = ":https?://.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        if not rest.startswith((":http://", ":https://")):
            raise ValueError(f"missing URL in {rest!r}; allowed: http:URL, like http:http://127.0.0.1:8080/health")
        return {"url": rest[1:]}

    def asks_others(self, ctx: Context) -> bool:
        return not is_ours(ctx, urlsplit(self.url).hostname or "")

    def check_fields(self) -> Iterable[tuple[str, str]]:
        try:
            _port(self.url)
        except ValueError as error:
            yield "url", str(error)
        yield from self.wrong_asking()
        try:
            for name, to in self._instead().items():
                place(name), place(to)
        except ValueError as error:
            yield "connect_to", str(error)
        if self.closed:
            for key in ONLY_OPEN:
                if getattr(self, key) not in ("", None, (), {}):
                    yield key, f"`{key}` cannot be used with `closed: true`"
        if self.tls is not None and self.url[:5] == "http:" and self.redirects != "follow":
            yield "tls", "an http URL has no certificate; use https, or `redirects: follow` if it redirects to https"
        known = set(self.files)
        for at, one in enumerate(self._then(), 1):
            known |= set(one.files)
            if one.same_as and one.same_as not in known:
                have = ", ".join(sorted(known)) or "none"
                yield "then", f"request {at}: `same_as: {one.same_as}` is not an uploaded file; uploads: {have}"

    async def observe(self, ctx: Context) -> Observation:
        """Send the request once; failed without an answer, CannotTell for a mistake of the test."""
        from seatrial.links.http import Web
        from seatrial.links.http.session import HttpSession

        if self.closed:
            parts = urlsplit(self.url)
            host, port = destination(parts.hostname or "", _port(self.url), self._instead())
            return await observe_port(host, port, closed=True, timeout=self.timeout)
        async with Web() as web:
            ca = str(ctx.document_folder / self.ca) if self.ca else ""
            options = {"verify": self.verify, "ca": ca, "tls_name": self.tls_name, "connect_to": self._instead()}
            return await self._visited(ctx, HttpSession(web, options))

    async def _visited(self, ctx: Context, session: HttpSession) -> Observation:
        files: dict[str, Sent] = await uploads(ctx, self.files)
        last = await self.ask(session, self.url, files, self.wanted())
        if isinstance(last, Observation):
            return last
        seen = await self.judge(ctx, last, files)
        if seen.verdict is Verdict.PASSED and self.tls is not None:
            seen = wrong(self.tls, last.answer.certificate, last.url) or seen
        for one in self._then():
            if seen.verdict is not Verdict.PASSED:
                break
            files |= await uploads(ctx, one.files)
            last, seen = await one.follow(ctx, session, last, files)
        return seen

    def _then(self) -> tuple[Then, ...]:
        return self.then if isinstance(self.then, tuple) else (self.then,)

    def _instead(self) -> Mapping[str, str]:
        """The addresses to connect to, by host."""
        if isinstance(self.connect_to, str):
            return {urlsplit(self.url).hostname or "": self.connect_to} if self.connect_to else {}
        return {name.lower(): to for name, to in self.connect_to.items()}


def _port(url: str) -> int:
    """The port of a URL; ValueError if it is not an HTTP URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"invalid URL {url!r}; allowed: http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH")
    return parts.port or (443 if parts.scheme == "https" else 80)
