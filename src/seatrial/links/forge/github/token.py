"""The token for GitHub: from the document, the environment, or a logged-in `gh`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process

GH_SECONDS = 15.0

NAMES = ("GH_TOKEN", "GITHUB_TOKEN")
ENTERPRISE_NAMES = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
"""Asked first where the API is not github.com's, as `gh` does."""

PUBLIC = ("api.github.com", "github.com")


async def find_token(given: str, api_url: str, environment: Mapping[str, str]) -> str:
    """The given token, else the environment's, else `gh auth token`; CannotTell names the variable to set."""
    if given.strip():
        return given.strip()
    host = host_of(api_url)
    names = NAMES if host in PUBLIC else (*ENTERPRISE_NAMES, *NAMES)
    for name in names:
        if value := environment.get(name, "").strip():
            return value
    try:
        done = await process.run(
            ["gh", "auth", "token", "--hostname", host], env=dict(environment), timeout=GH_SECONDS, grace=0.5
        )
    except (ToolMissing, TimeoutError):
        done = None
    if done is not None and done.ok and done.stdout.strip():
        return done.stdout.strip()
    raise CannotTell(
        f"no token for {host}: set {' or '.join(NAMES)}, give `token: ${{{{ secrets.NAME }}}}`, "
        f"or log in with `gh auth login --hostname {host}`"
    )


def host_of(api_url: str) -> str:
    """The host name of a server in `gh`: `github.com` for `https://api.github.com`."""
    netloc = urlsplit(api_url).netloc.rpartition("@")[2]
    return "github.com" if netloc in PUBLIC else netloc
