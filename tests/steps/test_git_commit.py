"""The step `git_commit` at a repository of git's own."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.errors import CannotTell, StepFailed
from seatrial.steps.git_commit import GitCommit


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an empty repository `origin.git`."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    return tmp_path


def commit(place: Path, **keys: Any) -> Any:
    step = GitCommit(url=str(place / "origin.git"), **keys)
    assert list(step.check_fields()) == []
    ctx: Any = SimpleNamespace(
        document_folder=place,
        state=place / "state",
        secret=lambda text: None,
        log=lambda text, level="": None,
        output=lambda source, text: None,
    )
    return asyncio.run(step.run(ctx))


def tree(place: Path, branch: str = "main") -> list[str]:
    return git(place / "origin.git", "ls-tree", "-r", "--format=%(objectmode) %(path)", branch).splitlines()


def test_files_are_written_copied_and_removed_and_the_outputs_say_it(place: Path) -> None:
    (place / "app" / "bin").mkdir(parents=True)
    (place / "app" / "a.yaml").write_text("a: 1\n")
    (place / "app" / "bin" / "run").write_text("#!/bin/sh\n")
    (place / "app" / "bin" / "run").chmod(0o755)
    (place / "app" / "link").symlink_to("a.yaml")
    first = commit(
        place,
        files={"notes": "one", "umlaut/ä b.txt": "x\r\n"},
        copy={"deploy": "app"},
        branch="main",
        message="First\n\nWhy",
    )
    assert tree(place) == [
        "100644 deploy/a.yaml", "100755 deploy/bin/run", "120000 deploy/link", "100644 notes",
        '100644 "umlaut/\\303\\244 b.txt"',
    ]  # fmt: skip
    assert (first["parent"], first["branch"]) == ("", "main")
    # A file becomes a folder, a folder goes.
    second = commit(
        place, branch="next", files={"notes/two": "two"}, remove=("deploy/bin", "umlaut/"), author="Anna Å <a@b>"
    )
    assert tree(place, "next") == ["100644 deploy/a.yaml", "120000 deploy/link", "100644 notes/two"]
    assert second["parent"] == first["commit"] == git(place / "origin.git", "rev-parse", "main").strip()
    assert sorted(second["files"]) == ["deploy/bin/run", "notes", "notes/two", "umlaut/ä b.txt"]
    assert git(place / "origin.git", "log", "-1", "--format=%an %ae %cn %B", first["commit"]).strip() == (
        "Seatrial seatrial@localhost Seatrial First\n\nWhy"
    )
    assert git(place / "origin.git", "log", "-1", "--format=%an %ae", "next").strip() == "Anna Å a@b"


def test_a_link_in_the_repository_leads_nowhere(place: Path) -> None:
    (place / "evil").mkdir()
    (place / "evil" / "out").symlink_to(place)
    commit(place, copy={".": "evil"}, branch="main", files={".gitattributes": "* filter=evil\n"})
    commit(place, files={"out/written": "x"})
    assert not (place / "written").exists()
    assert "100644 out/written" in tree(place)


def test_nothing_to_commit_is_unknown_and_a_refused_push_has_failed(place: Path) -> None:
    first = commit(place, branch="main", files={"a": "1"})
    for keys in ({"files": {"a": "1"}}, {"remove": ("b",)}, {"branch": "x", "from_": "y", "files": {"a": "2"}}):
        with pytest.raises(CannotTell, match=r"nothing to commit|cannot be removed|no branch y"):
            commit(place, **keys)
    empty = commit(place, allow_empty=True)
    assert (empty["parent"], empty["files"]) == (first["commit"], [])
    hook = place / "origin.git" / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected branch >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(StepFailed, match="protected branch"):
        commit(place, files={"a": "2"})
    assert git(place / "origin.git", "rev-parse", "main").strip() == empty["commit"]


def test_commits_at_the_same_time_are_all_there(place: Path) -> None:
    commit(place, branch="main", files={"a": "1"})
    steps = [GitCommit(url=str(place / "origin.git"), files={f"f{n}": "x"}) for n in range(4)]
    ctx: Any = SimpleNamespace(
        document_folder=place,
        secret=lambda text: None,
        log=lambda text, level="": None,
        output=lambda source, text: None,
    )

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step.run(ctx))

    asyncio.run(together())
    assert [line.split()[1] for line in tree(place)] == ["a", "f0", "f1", "f2", "f3"]


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"files": {"../a": "x"}}, "files"),
        ({"files": {"a/.git/config": "x"}}, "files"),
        ({"remove": ("/a",)}, "remove"),
        ({"files": {"a": "x"}, "branch": "-f"}, "branch"),
        ({"files": {"a": "x"}, "from_": "a..b"}, "from"),
        ({"files": {"a": "x"}, "author": "Anna"}, "author"),
        ({"files": {"a": "x"}, "message": " "}, "message"),
        ({}, ""),
    ],
)
def test_what_git_would_misread_is_refused_before_the_run(keys: dict[str, Any], key: str) -> None:
    assert [name for name, _ in GitCommit(url="/a", **keys).check_fields()] == [key]
