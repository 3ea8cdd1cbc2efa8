"""Many at once: each dispatch has a run of its own, and is told which."""

from __future__ import annotations

import asyncio

import httpx

from github_server.workflows import REPOSITORY
from seatrial_stand_ins.github import ForeignRuns, GitHubServer, LateRuns


def test_fifty_dispatches_at_once_among_foreign_ones_are_each_told_their_own_run(server: GitHubServer) -> None:
    server.plant(ForeignRuns(before=1, after=0))
    server.plant(LateRuns(looks=1))

    async def all_of_them() -> list[tuple[str, int]]:
        said = {"authorization": f"Bearer {server.token}"}
        async with httpx.AsyncClient(base_url=server.url, headers=said, trust_env=False, timeout=30) as http:

            async def one(place: int) -> tuple[str, int]:
                body = {"ref": "main", "inputs": {"who": f"w{place}"}, "return_run_details": True}
                answer = await http.post(f"/repos/{REPOSITORY}/actions/workflows/free.yml/dispatches", json=body)
                return f"w{place}", int(answer.json()["workflow_run_id"])

            return list(await asyncio.gather(*map(one, range(50))))

    told = asyncio.run(all_of_them())
    runs = {run.run_id: run for run in server.runs(REPOSITORY)}
    assert len(runs) == 100
    assert len({run.number for run in runs.values()}) == 100
    for who, number in told:
        assert (runs[number].inputs["who"], runs[number].actor) == (who, "ada")
    server.wait_for(lambda: all(run.last.over for run in runs.values()))
