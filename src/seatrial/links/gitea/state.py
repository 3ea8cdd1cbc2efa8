"""The state of a repository, for the diagnostics of a suite that did not pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.gitea import Gitea
from seatrial.links.gitea.deliveries import Delivery, GiteaPages
from seatrial.links.gitea.pulls import pull_requests
from seatrial.links.http import bare

BRANCHES, COMMITS, PULLS = 10, 20, 10
"""Rows in the page."""

PAYLOAD = 4000
"""Characters kept of the body of a delivery and of its answer."""


async def repository_page(gitea: Gitea, id: int, name: str) -> str:
    """Its branches, newest commits, pull requests and webhooks; the lines before the first empty one are a summary."""
    there = await gitea.repository_by_id(id) if id else await gitea.repository(name)
    if there is None:
        return f"repository {name} at {gitea.place} does not exist\n"
    home = f"/repos/{there['full_name']}"
    branches = await gitea.pages(f"{home}/branches")
    commits = await gitea.get(f"{home}/commits", limit=COMMITS, stat="false", files="false") if branches else []
    pulls = await pull_requests(gitea, str(there["full_name"]))
    hooks = await gitea.pages(f"{home}/hooks")
    renamed = "" if there["full_name"] == name else f", now called {there['full_name']}"
    counts = ", ".join(
        (_count(len(branches), "branch", "es"), _count(len(pulls), "pull request"), _count(len(hooks), "webhook"))
    )
    lines = [f"repository {name} at {gitea.place}{renamed}: {counts}"]
    lines += [f"  branch {row['name']}: {_commit(row['commit'])}" for row in branches[:BRANCHES]]
    lines += [f"  pull request {row['number']} {row['state']}: {row['title']}" for row in pulls[:PULLS]]
    lines += [
        f"  webhook {row['id']} of {', '.join(row['events'])} to {bare(str(row['config'].get('url')))}" for row in hooks
    ]
    lines += ["", f"newest commits of {there['default_branch']}:"]
    lines += [f"  {row['sha']} {_line(row['commit']['message'])}" for row in commits or ()]
    lines += ["", "pull requests:", json.dumps(pulls, indent=1)]
    shown = [{key: row.get(key) for key in ("id", "active", "events", "branch_filter", "updated_at")} for row in hooks]
    lines += ["", "webhooks:", json.dumps(shown, indent=1)]
    return "".join(f"{line}\n" for line in lines)


async def deliveries_page(gitea: Gitea, user: str, password: str, name: str) -> str:
    """The newest deliveries of each webhook of a repository; the lines before the first empty one are a summary."""
    hooks = await gitea.pages(f"/repos/{name}/hooks")
    lines, details = list[str](), list[str]()
    async with GiteaPages(gitea.server, user, password) as pages:
        for hook in hooks:
            try:
                deliveries = await pages.deliveries(name, int(hook["id"]))
            except CannotTell as error:
                lines.append(f"  webhook {hook['id']}: its deliveries are not known: {error}")
                continue
            lines += _summary(int(hook["id"]), deliveries)
            details += [json.dumps(_cut(delivery.seen()), indent=1) for delivery in deliveries]
    return "".join(f"{line}\n" for line in ([f"deliveries of {name}:", *lines, "", *details] if hooks else ()))


def _summary(hook: int, deliveries: Sequence[Delivery]) -> list[str]:
    states = [delivery.state for delivery in deliveries]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "none"
    failed = next((delivery for delivery in deliveries if delivery.state == "failed"), None)
    return [f"  webhook {hook}: {counts}", *([f"    the last failure: {failed}"] if failed else [])]


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    texts = {"payload": json.dumps(row["payload"]), "answer": str(row["answer"])}
    cut = {
        key: f"{text[:PAYLOAD]}… ({len(text)} characters)" for key, text in texts.items() if len(text) > PAYLOAD
    }  # fmt: skip
    return {**row, **cut}


def _commit(commit: Mapping[str, Any]) -> str:
    author = (commit.get("author") or {}).get("name") or "?"
    return f"{str(commit['id'])[:12]} by {author} at {commit.get('timestamp')}: {_line(commit.get('message'))}"


def _count(number: int, what: str, more: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else more}"


def _line(message: object) -> str:
    return str(message or "").strip().partition("\n")[0][:100]
