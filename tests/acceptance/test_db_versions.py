"""A list as the `db_version` of a sut file: the first version that `init` accepts is tested, and it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only

DEPLOYER = """\
#!/bin/sh
verb=$1; shift
case "$verb $*" in
init*--db-version\\ 8.9*) echo junk >made-by-init; echo "no such version 8.9" >&2; exit 1;;
init*--db-version\\ 7.7*) kill -9 $$;;
init*--db-version\\ 6.6*) sleep 60;;
init*) [ ! -e made-by-init ] || { echo "not empty" >&2; exit 1; };;
esac
echo "$verb $*" >>"$LOG"
"""


def run(project: Project, versions: Any, **system: Any) -> tuple[int, Document, list[str]]:
    deployer, log = project.folder / "dep.sh", project.folder / "log"
    deployer.write_text(DEPLOYER)
    deployer.chmod(0o755)
    command: Document = {
        "kind": "command", "env": {"LOG": str(log)}, "init": [str(deployer), "init"],
        "deploy": [str(deployer), "deploy", "${{ parameters.db_version }}"],
        "destroy": [str(deployer), "destroy", "${{ parameters.db_version }}"], **system,
    }  # fmt: skip
    project.write("sut.json", {"provider": "local", "db_version": versions, "system": command})
    tell = {"step": "custom_command", "id": "tell", "custom_command": "echo ${{ parameters.db_version }}"}
    project.write("wf.json", {"steps": [{"step": "init"}, tell]})
    document = {"provider": "local", "test_suites": [{"sut": "sut.json", "workflow": "wf.json"}]}
    done = project.seatrial("run", project.write("trial.json", document), "--format", "json")
    row = only(json.loads(done.stdout)["results"])
    return done.returncode, row, log.read_text().splitlines() if Path(log).exists() else []


def test_the_first_version_that_init_accepts_is_the_one_of_the_whole_suite(project: Project) -> None:
    code, row, calls = run(project, ["8.9", "8.1", "7.2"])
    assert code == 0, row
    assert calls[0] == "init --db-version 8.1"
    init, tell = row["workflow_steps"]
    assert init["outputs"] == {"db_version": "8.1"}
    assert tell["outputs"]["stdout"].strip() == "8.1"
    assert row["provenance"]["parameters"]["db_version"] == "8.1"
    log = only(list(project.folder.glob(".seatrial/runs/*/events.jsonl"))).read_text()
    assert "db_version 8.9 was refused, now 8.1 is tried" in log


def test_an_accepted_first_version_tries_no_other(project: Project) -> None:
    code, row, calls = run(project, ["8.1", "8.9"])
    assert code == 0, row
    assert calls[0] == "init --db-version 8.1"
    assert row["workflow_steps"][0]["outputs"] == {"db_version": "8.1"}


@pytest.mark.parametrize(
    "versions, system, verdict, words",
    [
        (["8.9", "8.9.1"], {}, "failed", ["8.9 ended", "8.9.1 ended"]),
        (["8.9"], {}, "failed", ["no such version 8.9"]),
        (["7.7", "8.1"], {}, "unknown", ["SIGKILL"]),
        (["6.6", "8.1"], {"timeouts": {"init": 0.5}}, "failed", ["did not end within 0.5 s"]),
        (["8.9", "8.1"], {"init": ["./missing", "init"]}, "unknown", ["not found"]),
    ],
)
def test_what_refuses_no_version_is_no_reason_for_another(
    versions: list[str], system: Document, verdict: str, words: list[str], project: Project
) -> None:
    _, row, calls = run(project, versions, **system)
    assert row["verdict"] == verdict, row
    assert all(word in row["error"] for word in words), row["error"]
    assert not calls


def test_a_workflow_without_init_is_warned_of(project: Project) -> None:
    run(project, ["8.1", "8.0"], status="""echo '{"state": "running"}'""")
    project.write("wf.json", {"steps": [{"step": "deploy"}]})
    done = project.seatrial("check", project.folder / "trial.json")
    assert "fallbacks of db_version are tried by the step `init`" in done.stdout + done.stderr
