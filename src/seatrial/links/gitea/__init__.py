"""Gitea and Forgejo by their HTTP API: one server, with a token, or a user and password."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from seatrial.errors import CannotTell, LinkDown, UsageError
from seatrial.links.http import Answer, Web

__all__ = ["Activity", "Denied", "Gitea", "GiteaRefused", "Listed", "Mark", "Taken", "server_of"]

PAGE = 50
"""Entries asked for in each page: the most that a server gives by default."""

PAGES = 200
"""Pages read of a list at most: 10,000 entries."""

_MARK = re.compile(r"seatrial trial ([0-9a-z]+) run ([0-9a-z]+)")


class GiteaRefused(CannotTell):
    """The server answers, and refuses the request."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Denied(GiteaRefused):
    """The server does not know the token or the user, or they lack a right."""


class Taken(GiteaRefused):
    """There is such a repository or user already."""

    category = "test"


@dataclass(frozen=True, slots=True)
class Mark:
    """The text by which a repository or a user of a run is recognised."""

    trial: str
    run: str

    def __str__(self) -> str:
        return f"seatrial trial {self.trial} run {self.run}"

    @classmethod
    def of(cls, text: object) -> Mark | None:
        """The mark within a text; None: it has none."""
        found = _MARK.findall(str(text or ""))
        return cls(*found[-1]) if found else None  # a text of the user's own comes before it


def server_of(url: str) -> str:
    """The server of a URL of its pages or its API."""
    bare = url.strip().rstrip("/")
    return bare.removesuffix("/api/v1")


@dataclass(slots=True)
class Gitea:
    """A client of one server. Methods raise CannotTell when it does not answer, and GiteaRefused when it refuses."""

    server: str
    """Its URL, with or without `/api/v1`."""
    token: str = ""
    """A token; with a `user`, that user's password or token."""
    user: str = ""
    timeout: float = 60.0
    """Seconds for each answer."""
    web: Web = field(default_factory=Web)

    def __post_init__(self) -> None:
        self.server, self.token = server_of(self.server), self.token.strip()  # a secret of a file ends with a line end
        if "@" in urlsplit(self.server).netloc:
            raise UsageError(f"the URL of {self.place} has a login: write it as `user` and `token`, not into the URL")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.web.close()

    @property
    def place(self) -> str:
        """`HOST:PORT` of the server, for names; with its path, if it has one."""
        parts = urlsplit(self.server)
        return parts.netloc.rpartition("@")[2] + parts.path

    def headers(self) -> dict[str, str]:
        """The headers of the login."""
        if self.user:
            both = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
            return {"Authorization": f"Basic {both}"}
        return {"Authorization": f"token {self.token}"} if self.token else {}

    async def ask(self, method: str, path: str, **content: Any) -> Answer:
        """One request to the API; `path` begins with `/`. An answer of status 404 or of a redirect is returned, all
        other ones from 300 are errors."""
        url = f"{self.server}/api/v1{path}"
        try:
            answer = await self.web.request(method, url, headers=self.headers(), timeout=self.timeout, **content)
        except TimeoutError as error:
            raise LinkDown(str(error)) from error
        if answer.status < 400 or answer.status == 404:
            return answer
        said = f"{method} {url}: status {answer.status}, {_message(answer)}"
        if answer.status in (401, 403):
            raise Denied(
                f"{self.place} denies {'the login' if answer.status == 401 else 'this'}: {said}", answer.status
            )
        if answer.status in (409, 422):
            kind = Taken if answer.status == 409 or "already exists" in said else GiteaRefused
            raise kind(f"{self.place} refuses this: {said}", answer.status)
        raise GiteaRefused(f"{self.place} cannot do this: {said}", answer.status)

    async def get(self, path: str, **query: object) -> Any:
        """The JSON of an answer; None: there is nothing at this path, or nothing that this login may see."""
        answer = await self.ask("GET", f"{path}?{urlencode(query)}" if query else path)
        return None if answer.status >= 300 else self._json(answer, path)

    async def change(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Change something; the JSON of the answer, if it has any."""
        answer = await self.ask(method, path, **({"json": body} if body is not None else {}))
        if answer.status >= 300:
            what = "it does not exist, or this login may not see it"
            raise GiteaRefused(f"{self.place}: {method} {path}: {what} ({_message(answer)})", answer.status)
        return self._json(answer, path) if answer.body.strip() else None

    def _json(self, answer: Answer, path: str) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise CannotTell(f"{self.server}/api/v1{path} is not the API of Gitea or Forgejo: no JSON") from error

    async def pages(self, path: str, key: str = "", **query: object) -> list[Mapping[str, Any]]:
        """All entries of a list, `key`: the list within each answer."""
        found: list[Mapping[str, Any]] = []
        for page in range(1, PAGES + 1):
            told = await self.get(path, page=page, limit=PAGE, **query)
            rows = (told or {}).get(key) if key else told
            if not rows:
                return found
            found += rows
        raise CannotTell(f"{self.place} has more than {len(found)} entries at {path}: the rest was not read")

    async def me(self) -> str:
        """The name of the user whose login this is; empty: the token may not say it."""
        try:
            answer = await self.ask("GET", "/user")
        except Denied as error:
            if error.status == 401:
                raise
            return ""
        told = self._json(answer, "/user") if answer.status == 200 else None
        if not isinstance(told, Mapping) or "login" not in told:
            to = answer.headers.get("location", "")
            why = f"it leads to {to}: is that the server's URL?" if to else f"status {answer.status} at /api/v1/user"
            raise CannotTell(f"{self.server} is not a server of Gitea or Forgejo: {why}")
        return str(told["login"])

    async def repository(self, full_name: str) -> Mapping[str, Any] | None:
        """A repository by `OWNER/NAME`; None: there is none of this name, or none that this login may see."""
        told: Mapping[str, Any] | None = await self.get(f"/repos/{quote(full_name)}")
        return told

    async def repository_by_id(self, id: int) -> Mapping[str, Any] | None:
        """A repository by its id, whatever its name is now; None as for `repository`."""
        told: Mapping[str, Any] | None = await self.get(f"/repositories/{id}")
        return told

    async def repositories(self) -> list[Listed]:
        """Every repository that this login may see."""
        return [
            Listed(
                id=int(row["id"]),
                name=str(row["full_name"]),
                url=str(row["html_url"]),
                created=str(row["created_at"]),
                updated=str(row["updated_at"]),
                mark=Mark.of(row.get("description")),
            )
            for row in await self.pages("/repos/search", "data", sort="id", order="asc")
        ]

    async def accounts(self) -> list[Listed]:
        """Every user that this login may see; an administrator's sees all."""
        return [
            Listed(
                id=int(row["id"]),
                name=str(row["login"]),
                url=str(row.get("html_url", "")),
                created=str(row["created"]),
                updated=str(row.get("last_login", "")),
                mark=Mark.of(row.get("full_name")),
            )
            for row in await self.pages("/users/search", "data", sort="oldest")
        ]

    async def activities(self, full_name: str) -> list[Activity]:
        """What was done in a repository lately, the newest first."""
        rows = await self.get(f"/repos/{quote(full_name)}/activities/feeds", limit=PAGE)
        return [
            Activity(
                login=str((row.get("act_user") or {}).get("login") or ""),
                kind=str(row["op_type"]),
                ref=str(row.get("ref_name") or ""),
                time=str(row["created"]),
            )
            for row in rows or ()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing that a user did in a repository."""

    login: str
    """The user; one that `git_repository` made (`account`) has its trial's id in the name."""
    kind: str
    """In the server's words, such as `commit_repo`."""
    ref: str
    """The branch, as `refs/heads/NAME`."""
    time: str
    """RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A repository or a user in a list of the server."""

    id: int
    name: str
    """`OWNER/NAME` of a repository, the login of a user."""
    url: str
    created: str
    """RFC 3339."""
    updated: str
    mark: Mark | None
    """The run that made it; None: none of Seatrial's did."""


def _message(answer: Answer) -> str:
    """What the server says to people."""
    try:
        told = answer.json()
        text = str(told.get("message") or told)
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(text.split())[:300] or "without a reason"
