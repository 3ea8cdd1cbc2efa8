"""The keys of steps and checks about a server of Gitea or Forgejo, and a repository there."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from seatrial.errors import CannotTell
from seatrial.links.gitea import Gitea
from seatrial.links.gitea.contamination import GiteaAuditor
from seatrial.spi import Context

NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def wrong_server(server: str) -> Iterable[tuple[str, str]]:
    """The problems with the URL of a server."""
    parts = urlsplit(server)
    if server and (parts.scheme not in ("http", "https") or not parts.hostname):
        yield "server", "invalid URL; allowed: http://HOST[:PORT], https://HOST[:PORT]"
    elif "@" in parts.netloc:
        yield "server", "write the login as `user` and `token`, not into the URL"


@dataclass(frozen=True, kw_only=True)
class AtGitea:
    """A server and a login."""

    server: str = ""
    """The server's URL, such as `${{ services.gitea.url }}`; default: $E2E_GITEA_API_URL."""
    token: str
    """A token, such as `${{ secrets.GITEA_TOKEN }}`; with a `user`, that user's password or token."""
    user: str = ""
    """A user name, if the `token` is a password."""

    def wrong_place(self) -> Iterable[tuple[str, str]]:
        """The problems with the server and the login."""
        yield from wrong_server(self.server)
        if not self.token:
            yield "token", "empty: give a token, such as `${{ secrets.GITEA_TOKEN }}`"

    def gitea(self, ctx: Context) -> Gitea:
        """A client of the server."""
        ctx.secret(self.token.strip())
        server = self.server or ctx.environment()["E2E_GITEA_API_URL"]
        made, since = Gitea(server, self.token, self.user), int(time.time())

        def auditor() -> GiteaAuditor:
            own = Gitea(server, self.token, self.user)
            return GiteaAuditor(own, ctx.trial_id, since, asyncio.create_task(own.repositories()))

        ctx.audit(("gitea", made.place), auditor)
        return made


@dataclass(frozen=True, kw_only=True)
class OfRepository:
    """The key that is the first: results show it."""

    repository: str
    """The repository, as `OWNER/NAME`: `${{ steps.ID.outputs.full_name }}` of a step `git_repository`."""

    def wrong_name(self) -> Iterable[tuple[str, str]]:
        """The problem with the name."""
        parts = self.repository.split("/")
        if len(parts) != 2 or not all(NAME.fullmatch(part) and part.strip(".") for part in parts):
            yield "repository", "invalid name; allowed: OWNER/NAME"


@dataclass(frozen=True, kw_only=True)
class InRepository(AtGitea, OfRepository):
    """A repository at a server."""

    def wrong_repository(self) -> Iterable[tuple[str, str]]:
        """The same, and those with the repository."""
        yield from self.wrong_place()
        yield from self.wrong_name()

    async def existing(self, gitea: Gitea) -> Mapping[str, Any]:
        """The repository; CannotTell when there is none, or none that this login may see: the server does not say
        which."""
        there = await gitea.repository(self.repository)
        if there is None:
            raise CannotTell(f"{gitea.place} has no repository {self.repository}, or this login may not see it")
        return there
