"""A check with a matrix: each row has inputs, tools and a build of its own."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from tests.acceptance.harness import Project
from tests.acceptance.test_preflight_never_green import kept, statuses

__all__ = ["kept"]

SITES: dict[str, Any] = {
    "build": {
        "checks": {
            "site": {
                "run": "! grep -rq BAD sites/${{ matrix.site }}",
                "matrix": {"site": ["a", "b"]},
                "inputs": ["sites/${{ matrix.site }}/**", "${{ parameters.shared }}/*.css"],
            },
            "index": {"run": "true", "inputs": ["index.html"], "needs": ["site"]},
        }
    }
}


@pytest.fixture
def sites(kept: Project) -> Project:
    for name in ("sites/a/x.html", "sites/b/x.html", "shared/s.css", "index.html"):
        (kept.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (kept.folder / name).write_text("ok")
    (kept.folder / ".gitignore").write_text("kept\nstate\n.seatrial\nxdg\n")
    who = {f"GIT_{one}_{key}": "a@example.org" for one in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    document = {"pipeline": {"parameters": {"shared": "shared"}, "stages": SITES}}
    kept.write("pipeline.json", document)
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run(["git", *argv], cwd=kept.folder, env={**os.environ, **who}, check=True)
    return kept


def run(project: Project, *arguments: str) -> dict[str, str]:
    done = project.seatrial("preflight", "--format", "json", *arguments)
    assert done.stdout, done.stderr
    return {
        one["name"]: "cached" if one.get("cached") else one["status"]
        for stage in json.loads(done.stdout)["stages"].values()
        for one in stage["checks"]
    }


def test_a_change_runs_its_own_row(sites: Project) -> None:
    assert run(sites) == {"site[site=a]": "passed", "site[site=b]": "passed", "index": "passed"}
    assert set(run(sites).values()) == {"cached"}
    (sites.folder / "sites/b/x.html").write_text("BAD")
    assert run(sites) == {"site[site=a]": "cached", "site[site=b]": "failed", "index": "skipped"}
    (sites.folder / "sites/b/x.html").write_text("ok")
    (sites.folder / "shared/s.css").write_text("new")
    assert run(sites) == {"site[site=a]": "passed", "site[site=b]": "passed", "index": "cached"}


def test_changed_since_selects_rows(sites: Project) -> None:
    (sites.folder / "sites/b/x.html").write_text("new")
    listed = sites.seatrial("preflight", "--list", "--changed-since", "HEAD").stdout
    assert "build/site[site=b]" in listed
    assert "because sites/b/x.html changed" in listed
    assert "because it comes after build/site[site=b]" in listed
    assert run(sites, "--changed-since", "HEAD") == {
        "site[site=a]": "skipped", "site[site=b]": "passed", "index": "passed",
    }  # fmt: skip


def test_a_parameter_of_the_command_line_counts(sites: Project) -> None:
    (sites.folder / "other").mkdir()
    (sites.folder / "other/o.css").write_text("x")
    run(sites)
    assert run(sites, "--set", "shared=other") == {
        "site[site=a]": "passed",
        "site[site=b]": "passed",
        "index": "cached",
    }


def test_check_names_the_pattern_of_a_row_like_no_file(sites: Project) -> None:
    (sites.folder / "sites/b/x.html").unlink()
    done = sites.seatrial("check", "pipeline.json")
    assert done.returncode == 0
    assert done.stderr.count("matches no file") == 1
    assert "'sites/b/**' matches no file of the source" in done.stderr


def test_tools_and_variables_have_values_of_their_row(kept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept.folder / "in.txt").write_text("x")
    (kept.folder / "v1").write_text("1")
    (kept.folder / "v2").write_text("1")
    check = {
        "run": "true", "inputs": ["in.txt"], "matrix": {"v": [1, 2]},
        "tools": [["cat", "v${{ matrix.v }}"]], "env_inputs": ["SEEN_${{ matrix.v }}"],
    }  # fmt: skip
    stages = {"s": {"checks": {"c": check}}}
    assert set(statuses(kept, stages).values()) == {"passed"}
    (kept.folder / "v2").write_text("2")
    assert statuses(kept, stages) == {"s/c[v=1]": "cached", "s/c[v=2]": "passed"}
    monkeypatch.setenv("SEEN_1", "x")
    assert statuses(kept, stages) == {"s/c[v=1]": "passed", "s/c[v=2]": "cached"}


@pytest.mark.parametrize(
    "line, place, message",
    [
        ("inputs: [\"${{ steps['s/a'].outputs.x }}\"]", "6:22", "`steps` is known only at runtime"),
        ('inputs: [ok, "${{ secrets.TOKEN }}"]', "6:26", "`secrets` is known only at runtime"),
        ('inputs: ["${{ matrix.no }}"]', "6:22", "unknown matrix value 'no'"),
        ('title: "${{ matrix.sight }}"', "6:20", "unknown matrix value 'sight'"),
        ("if: matrix.no == 1", "6:17", "unknown matrix value 'no'"),
        ('tools: [[cat, "${{ run.id }}"]]', "6:27", "`run` is known only at runtime"),
        ('timeout: "${{ matrix.site }}"', "6:22", "must be known before the run"),
    ],
)
def test_what_is_known_too_late_is_refused_with_its_place(kept: Project, line: str, place: str, message: str) -> None:
    (kept.folder / "pipeline.yaml").write_text(
        "pipeline:\n  stages:\n    s:\n      checks:\n        c: {run: 'true', matrix: {site: [a]},\n"
        f"            {line}}}\n"
    )
    done = kept.seatrial("check", "pipeline.yaml")
    assert done.returncode == 2
    assert f"pipeline.yaml:{place}: " in done.stderr
    assert message in done.stderr.partition(f"{place}: ")[2].partition("\n")[0]
