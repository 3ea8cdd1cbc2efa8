"""Pull requests of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.links.gitea import Gitea, GiteaRefused

BUSY = 405
"""The status of a merge that is not possible, or not possible yet: the server is still looking for conflicts."""


def described(pull: Mapping[str, Any]) -> dict[str, Any]:
    """A pull request as expressions see it."""
    merged = bool(pull["merged"])
    return {
        "number": int(pull["number"]),
        "title": str(pull["title"]),
        "body": str(pull.get("body") or ""),
        "state": "merged" if merged else str(pull["state"]),
        "draft": bool(pull.get("draft")),
        "mergeable": bool(pull.get("mergeable")),
        "author": str((pull.get("user") or {}).get("login") or ""),
        "head": str((pull.get("head") or {}).get("ref") or ""),
        "base": str((pull.get("base") or {}).get("ref") or ""),
        "commit": str((pull.get("head") or {}).get("sha") or ""),
        "merge_commit": str(pull.get("merge_commit_sha") or "") if merged else "",
        "labels": [str(label["name"]) for label in pull.get("labels") or ()],
        "url": str(pull["html_url"]),
    }


async def pull_request(gitea: Gitea, repository: str, number: int) -> dict[str, Any] | None:
    """One by its number; None: there is none."""
    told = await gitea.get(f"/repos/{repository}/pulls/{number}")
    return None if told is None else described(told)


async def pull_requests(gitea: Gitea, repository: str) -> list[dict[str, Any]]:
    """All of them, the newest first."""
    rows = await gitea.pages(f"/repos/{repository}/pulls", state="all")
    return sorted(map(described, rows), key=lambda pull: -pull["number"])


async def merge(gitea: Gitea, repository: str, number: int, how: str, commit: str) -> str:
    """Merge one at its commit; returns why it is not possible now, or an empty text."""
    body = {"Do": how, **({"head_commit_id": commit} if commit else {})}
    try:
        await gitea.change("POST", f"/repos/{repository}/pulls/{number}/merge", body)
    except GiteaRefused as error:
        if error.status in (BUSY, 409):
            return str(error)
        raise
    return ""
