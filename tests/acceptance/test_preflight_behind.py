"""What stands behind the command of a check counts: variables, launchers, scripts; and what stays in the sources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project
from tests.acceptance.test_preflight_never_green import kept, one, statuses

__all__ = ["kept"]


def inputs(project: Project, **files: str) -> None:
    (project.folder / "in.txt").write_text("x")
    for name, text in files.items():
        put(project.folder / name, text)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    "variable, run",
    [("MODE", 'test "$MODE" != bad'), ("MODE", "[ ${MODE:-x} != bad ]"),
     ("MODE", ["sh", "-c", "! echo $MODE | grep bad"]), ("CI", "! env | grep -q ^CI=bad"),
     ("PYTHONWARNINGS", "! env | grep -q ^PYTHONWARNINGS=bad"), ("LC_ALL", ["sh", "look.sh"])],
)  # fmt: skip
def test_a_variable_that_a_command_reads_counts_undeclared(
    kept: Project, monkeypatch: pytest.MonkeyPatch, variable: str, run: Any
) -> None:
    inputs(kept, **{"look.sh": "! env | grep -q ^LC_ALL=bad\n"})
    check = {"run": run, "inputs": ["in.txt"]}
    monkeypatch.setenv(variable, "C")
    assert [one(kept, check) for _ in "12"] == ["passed", "cached"]
    monkeypatch.setenv(variable, "bad")
    assert one(kept, check) == "failed"


PACKAGE = json.dumps({"scripts": {"lint": "node scripts/lint.js", "prelint": "sh scripts/pre.sh"}})


@pytest.mark.parametrize(
    "run, file",
    [("npm run lint", "scripts/lint.js"), ("npm run lint", "scripts/pre.sh"), (["make", "lint"], "tool/lint.sh"),
     ("make lint", "rules.mk"), ("npm ci", "package-lock.json"), ("yarn", "yarn.lock"),
     ("poetry run python a.py", "a.py"), ("uv run a.py && uv run python a.py", "a.py"),
     ("go run ./tool", "tool/main.go"),
     ("go run ./tool", "lib/lib.go"), ("go test ./...", "go.sum"), ("cargo test", "Cargo.lock")],
)  # fmt: skip
def test_what_a_launcher_starts_counts(kept: Project, run: Any, file: str) -> None:
    """The launchers are stand-ins: what counts is which files they read."""
    for name in ("npm", "make", "poetry", "uv", "go", "cargo", "yarn"):
        put(kept.folder / "bin" / name, f"#!/bin/sh\n! grep -q BAD {kept.folder}/{file}\n")
        (kept.folder / "bin" / name).chmod(0o755)
    inputs(
        kept,
        **{
            "package.json": PACKAGE,
            "go.mod": "module m\n",
            "Makefile": "-include rules.mk\nlint:\n\t@sh tool/lint.sh\n",
        },
    )
    put(kept.folder / file, "ok\n")
    path = f"{kept.folder}/bin:{os.environ['PATH']}"
    check = {"run": run, "inputs": ["in.txt"], "env": {"PATH": path}}
    assert [one(kept, check) for _ in "12"] == ["passed", "cached"]
    put(kept.folder / file, "BAD\n")
    assert one(kept, check) == "failed"


def test_an_environment_outside_the_project_counts(kept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    record = kept.folder / "envs/app-x-py3.11/lib/python3.11/site-packages/tool-1.dist-info/RECORD"
    put(kept.folder / "bin/poetry", f"#!/bin/sh\n! grep -q BAD {record}\n")
    (kept.folder / "bin/poetry").chmod(0o755)
    put(record, "ok")
    inputs(kept)
    monkeypatch.setenv("POETRY_VIRTUALENVS_PATH", str(kept.folder / "envs"))
    check = {"run": "bin/poetry run tool", "inputs": ["in.txt"]}
    assert [one(kept, check) for _ in "12"] == ["passed", "cached"]
    put(record, "BAD")
    assert one(kept, check) == "failed"


def test_a_version_that_go_looks_up_is_not_kept(kept: Project) -> None:
    put(kept.folder / "bin/go", "#!/bin/sh\n")
    (kept.folder / "bin/go").chmod(0o755)
    inputs(kept)
    for version, second in (("latest", "passed"), ("main", "passed"), ("v1.2.3", "cached")):
        check = {"run": f"bin/go run example.org/tool@{version} x", "inputs": ["in.txt"]}
        assert [one(kept, check) for _ in "12"] == ["passed", second]


# What an older result leaves


def listed(project: Project) -> list[str]:
    return sorted(path.relative_to(project.folder).as_posix() for path in (project.folder / "dist").rglob("*"))


NAMES = "mkdir -p dist; for name in $(cat src.txt); do mkdir -p dist/$name; echo $name >dist/$name/f; done"
LISTING = {"run": NAMES, "inputs": ["src.txt"], "artifacts": ["dist/**"]}


@pytest.fixture
def listing(kept: Project) -> Project:
    """Two results are in the cache; the sources have the newer, larger one."""
    for text in ("a", "a b"):
        (kept.folder / "src.txt").write_text(text)
        assert one(kept, LISTING) == "passed"
    (kept.folder / "src.txt").write_text("a")
    return kept


def test_an_older_result_takes_the_files_of_the_newer_one_away(listing: Project) -> None:
    assert one(listing, LISTING) == "cached"
    assert listed(listing) == ["dist/a", "dist/a/f"]


def test_a_changed_or_foreign_file_stays(listing: Project) -> None:
    (listing.folder / "dist/b/f").write_text("edited")
    (listing.folder / "dist/mine").write_text("mine")
    assert one(listing, LISTING) == "cached"
    assert listed(listing) == ["dist/a", "dist/a/f", "dist/b", "dist/b/f", "dist/mine"]


def test_a_tracked_file_stays(listing: Project) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=listing.folder, check=True)
    subprocess.run(["git", "add", "dist/b/f"], cwd=listing.folder, check=True)
    assert one(listing, LISTING) == "passed"  # another place: a repository
    (listing.folder / "src.txt").write_text("a b")
    assert one(listing, LISTING) == "passed"
    (listing.folder / "src.txt").write_text("a")
    assert one(listing, LISTING) == "cached"
    assert "dist/b/f" in listed(listing)


def test_a_file_that_another_check_declares_stays(listing: Project) -> None:
    other = {"run": "true", "artifacts": ["dist/b/*"]}
    stages = {"s": {"checks": {"c": LISTING, "other": other}}}
    assert statuses(listing, stages)["s/c"] == "cached"
    assert "dist/b/f" in listed(listing)


# Work trees


@pytest.fixture
def trees(kept: Project) -> tuple[Project, Project]:
    """Two work trees of one repository, which share the cache."""
    first = kept.folder / "one"
    first.mkdir()
    for name, text in (("src.txt", "ok"), (".gitignore", "dist\n.seatrial\n"), ("seatrial.toml", "")):
        (first / name).write_text(text)
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}  # fmt: skip
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["worktree", "add", "-q", "../two"]):
        subprocess.run(["git", *argv], cwd=first, env={**os.environ, **who}, check=True)
    return Project(first), Project(kept.folder / "two")


def test_work_trees_share_results(trees: tuple[Project, Project]) -> None:
    first, second = trees
    check = {"run": "mkdir -p dist; cp src.txt dist/b", "inputs": ["src.txt"], "artifacts": ["dist/**"]}
    assert one(first, check) == "passed"
    assert one(second, check) == "cached"
    assert (second.folder / "dist/b").read_text() == "ok"
    (second.folder / "src.txt").write_text("other")
    assert [one(second, check), one(first, check)] == ["passed", "cached"]


def test_a_result_that_names_its_folder_is_not_shared(trees: tuple[Project, Project]) -> None:
    first, second = trees
    check = {"run": "mkdir -p dist; pwd >dist/where", "inputs": ["src.txt"], "artifacts": ["dist/**"]}
    assert [one(first, check), one(second, check)] == ["passed", "passed"]
    assert [one(first, check), one(second, check)] == ["cached", "cached"]
    assert (first.folder / "dist/where").read_text() == f"{first.folder}\n"
    outputs = {"run": "pwd", "inputs": ["src.txt"], "outputs": {"where": "stdout"}}
    assert [one(first, outputs), one(second, outputs)] == ["passed", "passed"]


def test_a_clone_and_a_copy_share_nothing(trees: tuple[Project, Project]) -> None:
    first, _ = trees
    check = {"run": "true", "inputs": ["src.txt"]}
    assert one(first, check) == "passed"
    subprocess.run(["git", "clone", "-q", str(first.folder), str(first.folder.parent / "three")], check=True)
    shutil.copytree(first.folder, first.folder.parent / "four")
    for name in ("three", "four"):
        assert one(Project(first.folder.parent / name), check) == "passed"
