"""Fifty dispatches of one workflow at once, from two processes, among others' runs: each is followed to its own run, or
refused; never to another's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.acceptance.github_project import DEADLINES, REPOSITORY, Port
from tests.acceptance.harness import Document

from seatrial_stand_ins.github import ForeignRuns, GitHubServer, LateRuns, Run, Script, Scripted

WORD = """
name: Word
run-name: Word ${{ inputs.correlation_id }}
on:
  workflow_dispatch:
    inputs:
      word: {type: string, required: true}
      correlation_id: {type: string, default: ""}
jobs:
  say:
    runs-on: ubuntu-latest
    steps:
      - {name: Say it, run: ./say}
"""

SILENT = "\n".join(line for line in WORD.splitlines() if "correlation_id" not in line)

EACH = 25


def said(run: Run) -> Mapping[str, Mapping[str, object]]:
    """What a run leaves tells whose it is."""
    return {"word": {"word.json": {"word": run.inputs["word"]}}}


def dispatches(process: int) -> Document:
    """A suite that dispatches the workflow so often at once, each time with a word of its own."""
    steps = [
        {
            "step": "dispatch_workflow", "id": f"w{process}-{number}", "workflow": "word.yml", "allow_failure": True,
            "repository": REPOSITORY, "ref": "main", "inputs": {"word": f"w{process}-{number}"}, "artifacts": ["word"],
            "deadlines": {**DEADLINES, "queue": 200, "run": 200, "visible": 40, "download": 200},
        }
        for number in range(EACH)
    ]  # fmt: skip
    return {"test_suites": {"trial": {"provider": "local", "workflow": [{"step": "parallel", "steps": steps}]}}}


def run(server: GitHubServer, folder: Path) -> dict[str, Document]:
    """Run both processes at once; of each dispatch how its step ended."""
    ports = [Port(folder / f"p{number}", server) for number in range(2)]
    for port in ports:
        port.folder.mkdir()
    running = [
        port.start("run", port.write("trial.json", dispatches(number)), "--format", "none")
        for number, port in enumerate(ports)
    ]
    for process in running:
        process.communicate(timeout=300)
    ended = [event["data"] for port in ports for event in port.events() if event["kind"] == "step_finished"]
    for port in ports:
        assert port.left() == []
        assert server.token not in port.told()
    return {row["id"]: row for row in ended if row["type"] == "dispatch_workflow"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("details", "workflow"),
    [("offered", SILENT), ("refused", WORD)],
    ids=["by the answer", "by the name, as the field is refused"],
)
def test_each_of_fifty_is_followed_to_its_own_run(details: str, workflow: str, tmp_path: Path) -> None:
    runner = Scripted(scripts={"word.yml": Script(artifacts=said)})
    with GitHubServer(runner, run_details=details, check_answers=False) as server:  # type: ignore[arg-type]
        server.add_repository(REPOSITORY, files={".github/workflows/word.yml": workflow})
        server.plant(LateRuns(seconds=0.3))
        server.plant(ForeignRuns(actor="same", inputs={"word": "foreign"}, times=10))
        ended = run(server, tmp_path)
    assert len(ended) == 2 * EACH
    assert {id: row["verdict"] for id, row in ended.items() if row["verdict"] != "passed"} == {}
    assert {id: row["outputs"]["word"] for id, row in ended.items()} == {id: id for id in ended}
    assert len({row["outputs"]["run_id"] for row in ended.values()}) == 2 * EACH


@pytest.mark.slow
def test_where_nothing_tells_them_apart_none_is_followed(tmp_path: Path) -> None:
    runner = Scripted(scripts={"word.yml": Script(artifacts=said)})
    with GitHubServer(runner, run_details="refused", check_answers=False) as server:
        server.add_repository(REPOSITORY, files={".github/workflows/word.yml": SILENT})
        server.plant(ForeignRuns(actor="same", inputs={"word": "foreign"}, times=10))
        ended = run(server, tmp_path)
        assert all(run.conclusion == "success" for run in server.runs(REPOSITORY)), "another's run was cancelled"
    assert {row["verdict"] for row in ended.values()} == {"unknown"}, json.dumps(ended)[:2000]
    for row in ended.values():
        assert re.search(r"runs of word.yml on main are younger than our request, .*; none is followed", row["error"])
        assert "put `${{ inputs.correlation_id }}` into its `run-name`" in row["error"]


def test_one_that_is_alone_is_followed_by_its_age(tmp_path: Path) -> None:
    runner = Scripted(scripts={"word.yml": Script(artifacts=said)})
    with GitHubServer(runner, run_details="ignored") as server:
        server.add_repository(REPOSITORY, files={".github/workflows/word.yml": SILENT})
        server.plant(ForeignRuns(actor="grace", inputs={"word": "foreign"}))
        server.plant(LateRuns(seconds=0.3))
        port = Port(tmp_path, server)
        told = dispatches(0)
        first = told["test_suites"]["trial"]["workflow"][0]["steps"][0]
        told["test_suites"]["trial"]["workflow"] = [{**first, "allow_failure": False}]
        row = port.verdict(told)
    assert row.verdict == "passed", row
    (ended,) = [e["data"] for e in port.events() if e["kind"] == "step_finished" and e["data"].get("id") == "w0-0"]
    assert ended["outputs"]["word"] == "w0-0"
