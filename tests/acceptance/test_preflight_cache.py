"""`seatrial preflight` and its cache through the real command: cold, warm, one file changed, and what is never kept."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project


@pytest.fixture
def cached(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for at in range(10):
        (project.folder / f"in{at}").mkdir()
        (project.folder / f"in{at}/a.txt").write_text("1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.folder / "kept"))
    return project


def told(project: Project, checks: dict[str, Any], *arguments: str, **more: Any) -> dict[str, Any]:
    """The checks of a run by name, as JSON."""
    document: Document = {"pipeline": {"stages": {"s": {"checks": checks}}, **more}}
    project.write("pipeline.json", document)
    done = project.seatrial("preflight", "--format", "json", *arguments)
    assert done.stdout, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["stages"]["s"]["checks"]}


def taken(found: dict[str, Any]) -> list[str]:
    return [name for name, one in found.items() if one.get("cached")]


def test_cold_warm_and_one_file_changed(cached: Project) -> None:
    checks = {
        f"c{at}": {"run": f"cat in{at}/*; mkdir -p out{at}; cp in{at}/a.txt out{at}/", "inputs": [f"in{at}/**"],
                   "artifacts": [f"out{at}/*"]}
        for at in range(10)
    }  # fmt: skip
    times: dict[str, float] = {}
    names = list(checks)
    for what, expected in (("cold", list[str]()), ("warm", names), ("one file changed", names[:3] + names[4:])):
        if what == "one file changed":
            (cached.folder / "in3/a.txt").write_text("2")
        shutil.rmtree(cached.folder / "out5", ignore_errors=True)
        began = time.monotonic()
        found = told(cached, checks)
        times[what] = round(time.monotonic() - began, 2)
        assert taken(found) == expected, what
        assert (cached.folder / "out5/a.txt").read_text() == "1", what
    print(times)
    done = cached.seatrial("preflight")
    assert done.stdout.count("(cached)") == 10
    assert taken(told(cached, checks, "--no-cache")) == []
    assert cached.left() == []


def test_what_may_not_be_kept_runs_every_time_and_says_why(cached: Project) -> None:
    (cached.folder / ".env").write_text("TOKEN=hunter2-hunter2\n")
    kept = {"inputs": ["in0/**"]}
    checks = {
        "fails": {"run": "exit 1", **kept},
        "may": {"run": "exit 1", **kept, "allow_failure": True},
        "unknown": {"run": ["no-such-tool"], **kept},
        "plain": {"run": "true"},
        "said": {"run": "true", **kept, "cache": False},
        "typo": {"run": "true", "inputs": ["inn/**"]},
        "tells": {"run": "echo $TOKEN", **kept, "outputs": {"it": "stdout"}},
        "writes": {"run": "mkdir -p o; echo $TOKEN | base64 >o/x", **kept, "artifacts": ["o/*"]},
        "changes": {"run": "date +%N >>in1/a.txt", "inputs": ["in1/**"]},
    }
    secrets = {"secrets": {"required": ["TOKEN"], "from": [{"file": ".env"}]}}
    assert taken(told(cached, checks, **secrets)) == []
    found = told(cached, checks, "--explain", **secrets)
    assert taken(found) == []
    why = {name: " ".join(one["cache"]) for name, one in found.items()}
    for name, words in {
        "plain": "declares no `inputs`",
        "said": "`cache: false`",
        "typo": "'inn/**' matches no file",
        "tells": "a secret is in its outputs",
        "writes": "a secret is in its artifact o/x",
        "changes": "while it ran, in1/a.txt changed",
        "unknown": "program 'no-such-tool' does not exist",
    }.items():
        assert words in why[name], (name, why[name])
    held = b"".join(one.read_bytes() for one in Path(cached.folder / "kept").rglob("*") if one.is_file())
    assert b"hunter2" not in held


def test_what_was_changed_while_it_ran_and_changed_back_is_not_kept(cached: Project) -> None:
    there_and_back = "echo good >in0/a.txt; grep good in0/a.txt; echo 1 >in0/a.txt"
    checks = {
        "c": {"run": f"cp in0/a.txt before; {there_and_back}", "inputs": ["in0/a.txt"]},
        "own": {"run": "cp in1/a.txt in1/b.txt", "inputs": ["in1/**"], "artifacts": ["in1/b.txt"]},
    }
    assert taken(told(cached, checks)) == []
    found = told(cached, checks, "--explain")
    assert taken(found) == []
    assert "while it ran, in0/a.txt was written" in " ".join(found["c"]["cache"])
    assert taken(told(cached, checks)) == ["own"], "what a check makes is written by it each time"


def test_explain_names_what_changed(cached: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    check = {"run": "cat in0/*", "inputs": ["in0/**"], "env": {"A": "1"}, "env_inputs": ["AROUND"]}
    assert told(cached, {"c": check}, "--explain")["c"]["cache"] == [
        "it has no stored result; only passed checks are stored"
    ]
    assert told(cached, {"c": check}, "--explain")["c"]["cache"] == ["none of its dependencies changed"]
    (cached.folder / "in0/a.txt").write_text("2")
    monkeypatch.setenv("AROUND", "1")
    found = told(cached, {"c": {**check, "run": "cat in0/a.txt", "env": {"A": "2"}}}, "--explain")
    assert found["c"]["cache"] == [
        "in0/a.txt changed",
        "the variable A changed",
        "the environment variable AROUND is new",
        "the command changed",
    ]


def test_the_folder_for_temporary_files_is_new_in_each_run_and_no_dependency(cached: Project) -> None:
    checks = {
        "named": {"run": 'cat in0/a.txt >"$TMPDIR/seen"', "inputs": ["in0/**"]},
        "declared": {"run": "cat in0/a.txt", "inputs": ["in0/**"], "env_inputs": ["TMPDIR"]},
        "run": {"run": 'echo "$SEATRIAL_RUN_ID"', "inputs": ["in0/**"]},
    }
    assert taken(told(cached, checks)) == []
    assert sorted(taken(told(cached, checks))) == ["declared", "named"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_files_that_are_read_and_not_declared_are_told_and_the_result_is_not_kept(cached: Project) -> None:
    checks = {"c": {"run": "cat in0/a.txt in1/a.txt; echo x >new; cat new", "inputs": ["in0/**"]}}
    assert taken(told(cached, checks)) == []
    assert taken(told(cached, checks)) == ["c"]
    done = cached.seatrial("preflight", "--trace-inputs")
    assert "warning: s/c read files outside its inputs; add to `inputs`: in1/a.txt\n" in done.stdout
    assert taken(told(cached, checks)) == []  # what was kept before is gone, too
    checks = {"c": {**checks["c"], "inputs": ["in0/**", "in1/a.txt"]}}
    told(cached, checks, "--trace-inputs")
    assert taken(told(cached, checks)) == ["c"]
