"""The forge, the repository and the token: from a document, the environment, or the checkout."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, UsageError
from seatrial.links.forge.protocol import Forge
from seatrial.links.forge.runs.order import Say
from seatrial.links.git import Checkout, checkout_of

GITHUB = "https://api.github.com"

LITERAL = "a token does not belong into a document: write ${{ secrets.NAME }}, or leave it out and set GH_TOKEN"

_NAME = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository on a forge, and a branch."""

    api_url: str
    repository: str
    ref: str
    checkout: Checkout | None = None
    """The local work tree, when it is one of this repository."""
    forge: str = "github"

    @property
    def record(self) -> dict[str, str]:
        """For the ledger."""
        return {"forge": self.forge, "api_url": self.api_url, "repository": self.repository}


def find_place(
    folder: Path, environment: Mapping[str, str], *, repository: str = "", api_url: str = "", ref: str = ""
) -> Place:
    """From the document, else the environment, else the checkout around the folder; UsageError if none names it."""
    checkout = checkout_of(folder)
    name = repository or environment.get("GITHUB_REPOSITORY", "") or (checkout.repository if checkout else "")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"invalid repository {name!r}: write `repository: OWNER/NAME`, or set GITHUB_REPOSITORY"
            if name
            else f"no repository is named: write `repository: OWNER/NAME` (no remote of {folder} says it)"
        )
    url = (api_url or environment.get("GITHUB_API_URL", "") or GITHUB).rstrip("/")
    if not re.match(r"https?://[^/]", url):
        raise UsageError(
            f"invalid API URL {url!r}: write `api_url: {GITHUB}`, or https://HOST/api/v3 of an Enterprise Server"
        )
    # A checkout without a remote of that form may still be the repository: its branch and files count, its commits do
    # not.
    ours = checkout if checkout is not None and checkout.repository in ("", name) else None
    branch = ref or (ours.branch if ours else "") or environment.get("GITHUB_REF_NAME", "")
    if not branch:
        raise UsageError("no branch is checked out: write `ref:`, the branch or tag of the workflow")
    return Place(api_url=url, repository=name, ref=branch, checkout=ours)


@asynccontextmanager
async def open_forge(
    place: Mapping[str, Any],
    token: str,
    environment: Mapping[str, str],
    say: Say,
    *,
    patience: float = 0.0,
    unanswered: Say = lambda text: None,
) -> AsyncIterator[tuple[Forge, str]]:
    """The forge of a record (`forge`, `api_url`, `repository`), and its token, to be hidden. `patience`: seconds to
    wait when the forge limits our requests. `unanswered` gets the reason when a cancellation
    finds it without an answer."""
    kind = str(place.get("forge", "github"))
    if kind != "github":
        raise CannotTell(f"unknown forge {kind!r}; known: github")
    from seatrial.links.forge.github import GitHub, find_token

    api_url = str(place["api_url"])
    token = await find_token(token, api_url, environment)
    forge = GitHub(api_url, str(place["repository"]), token, say, limited=patience)
    try:
        yield forge, token
    except asyncio.CancelledError:
        if forge.trouble:
            unanswered(forge.trouble)
        raise
    finally:
        await forge.close()
