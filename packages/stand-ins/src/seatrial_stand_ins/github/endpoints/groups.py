"""Concurrency groups: who holds them, and who waits."""

from __future__ import annotations

from urllib.parse import quote, unquote

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, not_found
from seatrial_stand_ins.github.live import LiveJob, LiveRun
from seatrial_stand_ins.github.shapes import Json

REPOSITORY = "/repos/{owner}/{repo}"
HERE = f"{REPOSITORY}/actions/concurrency_groups"


async def groups(asked: Asked) -> Answer:
    """The held groups."""
    listed = asked.repository.groups.names()
    shown = [{"group_name": name, "group_url": _url(asked, name), "last_acquired_at": None} for name in listed]
    return Answer(json={"total_count": len(shown), "concurrency_groups": shown})


async def group(asked: Asked) -> Answer:
    """One, with its members."""
    name = unquote(asked.variables["concurrency_group_name"])
    if asked.repository.groups.holder(name) is None:
        raise not_found()
    members = _members(asked, name)
    about = {"group_name": name, "group_url": _url(asked, name), "total_count": len(members)}
    return Answer(json={**about, "group_members": members})


async def groups_of_run(asked: Asked) -> Answer:
    """The groups of a run and its jobs, with the holding or waiting part of the run."""
    run = asked.run()
    asked_for = dict.fromkeys(name for name in (run.last.group, *(job.group for job in run.last.jobs)) if name)
    shown = [
        {
            "group_name": name,
            "group_url": _url(asked, name),
            "group_members": [
                {**one, "position": position, "position_url": f"{_url(asked, name)}?ahead_of={run.run_id}"}
                for position, one in enumerate(_members(asked, name))
                if one["run_id"] == run.run_id
            ],
        }
        for name in asked_for
    ]
    return Answer(json={"total_count": len(shown), "concurrency_groups": shown})


def _url(asked: Asked, name: str) -> str:
    below = asked.shapes.repository_url(asked.repository.name)
    return f"{below}/actions/concurrency_groups/{quote(name, safe='')}"


def _members(asked: Asked, name: str) -> list[Json]:
    known = asked.repository.groups
    found = {"in_progress": known.holder(name), "pending": known.waiting(name)}
    return [_member(asked, one, status) for status, one in found.items() if one is not None]


def _member(asked: Asked, member: object, status: str) -> Json:
    assert isinstance(member, LiveRun | LiveJob)
    live = member.run if isinstance(member, LiveJob) else member
    run = asked.shapes.run(asked.repository, live.record)
    shown = {"run_id": run["id"], "run_name": run["name"], "run_url": run["url"], "run_html_url": run["html_url"]}
    if isinstance(member, LiveJob):
        job = asked.shapes.job(live.record, member.record)
        shown |= {f"job_{name}": job[name] for name in ("id", "name", "url", "html_url")}
    return {**shown, "status": status}


ENDPOINTS = (
    Endpoint("GET", HERE, groups, "actions:read"),
    Endpoint("GET", f"{HERE}/{{concurrency_group_name}}", group, "actions:read"),
    Endpoint("GET", f"{REPOSITORY}/actions/runs/{{run_id}}/concurrency_groups", groups_of_run, "actions:read"),
)
