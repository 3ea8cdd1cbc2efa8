"""Whether an HTTP server answers as it should, or a port is closed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seatrial.checks.content import held, holds, shown
from seatrial.checks.tcp import observe_port
from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.model.result import Category, Observation, failed, passed
from seatrial.model.values import Duration, Expression
from seatrial.registry import check
from seatrial.spi import Context

if TYPE_CHECKING:
    from seatrial.links.http import Answer

TEXT = "A text, or a list of texts, that the body must {}."


@check("http")
@dataclass(frozen=True, kw_only=True)
class Http:
    """A URL answers with the right status, headers and body: `http:http://127.0.0.1:8080/health`."""

    url: str = field(metadata={"doc": "`http://…` or `https://…`; redirects are not followed."})
    method: str = field(default="GET", metadata={"doc": "The request's method."})
    headers: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "Headers to send."})
    body: str = field(default="", metadata={"doc": "A body to send."})
    json: Any = field(default=None, metadata={"doc": "A JSON body to send."})
    form: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "Form fields to send."})
    files: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "Files to upload (multipart): field to path, relative to the document."}
    )
    status: int | tuple[int, ...] = field(
        default=(), metadata={"doc": "The status, or a list of them; else any below 400."}
    )
    answer_headers: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "Headers that the answer must have, with these values."}
    )
    contains: str | tuple[str, ...] = field(default=(), metadata={"doc": TEXT.format("contain")})
    lacks: str | tuple[str, ...] = field(default=(), metadata={"doc": TEXT.format("not contain")})
    that: Expression = field(
        default=Expression(""), metadata={"doc": "CEL over `json`, `status`, `headers` (lower-case names), `body`."}
    )
    timeout: Duration = field(default=Duration(10.0), metadata={"doc": "How long the whole answer may take."})
    closed: bool = field(default=False, metadata={"doc": "The URL's port must be closed."})
    ca: str = field(default="", metadata={"doc": "A file of certificates to trust, relative to the document."})
    tls_name: str = field(default="", metadata={"doc": "The name that the certificate must have, if not the URL's."})
    verify: bool = field(default=True, metadata={"doc": "Whether the certificate must be trusted."})

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<url>`."""
        if not rest.startswith((":http://", ":https://")):
            raise ValueError(f"{rest!r} names no URL; allowed: http:URL, like http:http://127.0.0.1:8080/health")
        return {"url": rest[1:]}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """A URL that can be asked, and one body at most."""
        try:
            _port(self.url)
        except ValueError as error:
            yield "url", str(error)
        bodies = [name for name in ("body", "json", "form") if getattr(self, name) not in ("", None, {})]
        for extra in bodies[1:]:
            yield extra, f"`{bodies[0]}` is the body already: keep one of them"
        if self.files and bodies and bodies[0] != "form":
            yield "files", f"`{bodies[0]}` is the body already: files go with `form` only"

    async def observe(self, ctx: Context) -> Observation:
        """Ask once; no answer is failed, a mistake of our own unknown (CannotTell)."""
        from seatrial.links.http import request

        if self.closed:
            parts = urlsplit(self.url)
            return await observe_port(parts.hostname or "", _port(self.url), closed=True, timeout=self.timeout)
        try:
            answer = await request(
                self.method,
                self.url,
                headers=self.headers,
                timeout=self.timeout,
                verify=self.verify,
                ca=str(ctx.document_folder / self.ca) if self.ca else "",
                tls_name=self.tls_name,
                **self._content(ctx),
            )
        except TimeoutError as error:
            return replace(failed("no answer", self._wanted(), str(error)), category=str(Category.TIMEOUT))
        except (LinkDown, LinkLost, LinkRefused) as error:
            return failed("no answer", self._wanted(), str(error))
        return await self._judge(ctx, answer)

    def _content(self, ctx: Context) -> dict[str, Any]:
        content: dict[str, Any] = {}
        if self.body:
            content["content"] = self.body.encode()
        if self.json is not None:
            content["json"] = self.json
        if self.form:
            content["data"] = dict(self.form)
        if self.files:
            try:
                paths = {name: ctx.document_folder / path for name, path in self.files.items()}
                content["files"] = {name: (path.name, path.read_bytes()) for name, path in paths.items()}
            except OSError as error:
                raise CannotTell(f"the file to upload cannot be read: {error}") from error
        return content

    def _wanted(self) -> object:
        if self.status == ():
            return "a status below 400"
        return list(self.status) if isinstance(self.status, tuple) else self.status

    async def _judge(self, ctx: Context, answer: Answer) -> Observation:
        allowed = (self.status,) if isinstance(self.status, int) else self.status
        if answer.status not in allowed if allowed else answer.status >= 400:
            return failed(answer.status, self._wanted(), f"{self.url} answers {answer.status}: {shown(answer.text)}")
        for name, value in self.answer_headers.items():
            seen = answer.headers.get(name.lower())
            if seen != value:
                return failed({name: seen}, {name: value}, f"the header {name} is {seen!r}")
        wrong = held(answer.text, self.contains, self.lacks, "the body")
        if wrong is not None:
            return wrong
        if not self.that:
            return passed(answer.status, self._wanted())
        return await self._that(ctx, answer)

    async def _that(self, ctx: Context, answer: Answer) -> Observation:
        json: object = None
        is_json = False
        with contextlib.suppress(ValueError):
            json, is_json = answer.json(), True
        if not is_json and re.search(r"\bjson\b", self.that):
            return failed(shown(answer.text), self.that, "the body is no JSON")
        seen = json if is_json and len(str(json)) <= 1000 else shown(answer.text)
        names = {"status": answer.status, "headers": dict(answer.headers), "body": answer.text, "json": json}
        return await holds(ctx, self.that, seen, **names)


def _port(url: str) -> int:
    """The port of a URL; ValueError when it cannot be asked."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of HTTP; allowed: http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH")
    return parts.port or (443 if parts.scheme == "https" else 80)
