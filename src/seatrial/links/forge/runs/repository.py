"""The forge, the repository and the token: from a document, the environment, or the checkout."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, UsageError
from seatrial.links.forge.protocol import Forge
from seatrial.links.git.checkout import Checkout, checkout_of

GITHUB = "https://api.github.com"

LITERAL = "a token does not belong into a document: write ${{ secrets.NAME }}, or leave it out and set GH_TOKEN"

_NAME = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_LATER = re.compile(r"\$\{\{\s*(?:secrets|env)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
"""Templates that are never written down: the environment has their values when they are needed."""


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


async def open_forge(
    place: Mapping[str, Any],
    token: str,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    *,
    patience: float = 0.0,
) -> tuple[Forge, str]:
    """The forge of a record (`forge`, `api_url`, `repository`), and its token, to be hidden. `patience`: seconds to
    wait when the forge limits our requests."""
    kind = str(place.get("forge", "github"))
    if kind != "github":
        raise CannotTell(f"unknown forge {kind!r}; known: github")
    from seatrial.links.forge.github import GitHub, find_token

    api_url = str(place["api_url"])
    found = await find_token(token, api_url, environment)
    return GitHub(api_url, str(place["repository"]), found, say, limited=patience), found


def template_of(given: str, environment: Mapping[str, str]) -> str:
    """The template of the environment variable that has the token which a document gave: what may be written down in
    its place. Empty: whoever needs it again asks where everybody does."""
    if not given:
        return ""
    name = next((name for name, value in environment.items() if value == given and name.isidentifier()), "")
    return f"${{{{ secrets.{name} }}}}" if name else ""


def held_back(value: Any) -> tuple[Any, dict[str, str]]:
    """A structure with its secrets and environment variables hidden behind marks, and the templates of the marks."""
    marks: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        mark = f"\x00{len(marks)}\x00"
        marks[mark] = match[0]
        return mark

    return _mapped(value, lambda text: _LATER.sub(hide, text)), marks


def put_back(value: Any, marks: Mapping[str, str]) -> Any:
    """The marks as templates again."""

    def back(text: str) -> str:
        for mark, template in marks.items():
            text = text.replace(mark, template)
        return text

    return _mapped(value, back)


def filled_in(value: Any, environment: Mapping[str, str], seen: Callable[[str], None] = lambda value: None) -> Any:
    """Secrets and environment variables in a structure from the ledger; CannotTell when one is not set. `seen` is told
    every value."""

    def find(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise CannotTell(f"the environment variable {match[1]} is needed to give this back; set it and run clean")
        seen(environment[match[1]])
        return environment[match[1]]

    return _mapped(value, lambda text: _LATER.sub(find, text))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(one, change) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(one, change) for one in value]
    return value
