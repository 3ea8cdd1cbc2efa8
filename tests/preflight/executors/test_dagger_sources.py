"""Dagger gets exactly the files that count, by as few patterns as they need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from seatrial.errors import CannotTell, ToolMissing
from seatrial.preflight.document import Check
from seatrial.preflight.executors.dagger.images import archive_of
from seatrial.preflight.executors.dagger.sources import context_files, files_of, patterns_of
from seatrial.preflight.job import Job


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def job(source: Path, *inputs: str, cwd: str = "", needs: Sequence[str] = (), copy: bool = False) -> Job:
    check = Check(run="true", image="x", inputs=inputs, cwd=cwd, source="copy" if copy else "overlay")
    return Job(name="s/c", check=check, source=source, needs={"s/before": needs} if needs else {})


def test_a_check_with_inputs_gets_them_and_the_artifacts_before_it(tmp_path: Path) -> None:
    made(tmp_path, "src/a.py", "src/b.txt", "docs/x", "dist/y.js", ".git/HEAD", ".seatrial/z")
    (tmp_path / ".gitignore").write_text("dist/\n")
    assert files_of(job(tmp_path, "src/**", "!src/*.txt", needs=["dist/**"])) == {"src/a.py", "dist/y.js"}


def test_a_check_without_inputs_or_with_a_copy_gets_a_fresh_checkout(tmp_path: Path) -> None:
    made(tmp_path, "src/a.py", "node_modules/x.js", ".git/HEAD", ".seatrial/z")
    (tmp_path / ".gitignore").write_text("node_modules/\n")
    fresh = {"src/a.py", ".gitignore", ".git/HEAD"}
    assert files_of(job(tmp_path)) == fresh
    assert files_of(job(tmp_path, "src/**", "node_modules/x.js", copy=True)) == fresh | {"node_modules/x.js"}


def test_a_folder_without_files_is_missing(tmp_path: Path) -> None:
    made(tmp_path, "src/a.py", "w/b")
    with pytest.raises(ToolMissing, match="the folder 'w' is not in the sources"):
        files_of(job(tmp_path, "src/**", cwd="w"))


@pytest.mark.parametrize(
    "wanted, patterns",
    [
        (["src/a.py", "src/deep/b.py", "top"], ["**"]),
        (["src/a.py", "src/deep/b.py"], ["src"]),
        (["src/deep/b.py"], ["src/deep"]),
        (["src/a.py"], ["src/a.py"]),
    ],
)
def test_a_whole_folder_is_one_pattern(tmp_path: Path, wanted: list[str], patterns: list[str]) -> None:
    made(tmp_path, "src/a.py", "src/deep/b.py", "src/__pycache__/a.pyc", "top")
    include, exclude = patterns_of(tmp_path, wanted)
    assert include == patterns
    assert "**/__pycache__" in exclude
    assert patterns_of(tmp_path, []) == ([], [])


def test_a_cache_of_a_tool_that_is_wanted_is_not_left_out(tmp_path: Path) -> None:
    made(tmp_path, ".venv/x", "a")
    assert patterns_of(tmp_path, [".venv/x"])[0] == [".venv"]
    assert "**/.venv" not in patterns_of(tmp_path, [".venv/x"])[1]


def test_special_letters_of_a_name_are_meant_literally(tmp_path: Path) -> None:
    made(tmp_path, "app/[id]/page.tsx", "app/i/page.tsx")
    assert patterns_of(tmp_path, ["app/[id]/page.tsx"])[0] == [r"app/\[id\]"]


def test_a_builds_context_is_without_what_dockerignore_excludes(tmp_path: Path) -> None:
    made(tmp_path, "Dockerfile", "a/b", "a/c.log", ".git/HEAD")
    (tmp_path / ".dockerignore").write_text("**/*.log\n")
    assert set(context_files(tmp_path)) == {"Dockerfile", "a/b", ".dockerignore"}


def test_an_image_of_an_archive_is_looked_for_from_the_source(tmp_path: Path) -> None:
    made(tmp_path, "image.tar")
    assert archive_of("oci-archive:image.tar", tmp_path) == tmp_path / "image.tar"
    assert archive_of("docker.io/library/alpine", tmp_path) is None
    with pytest.raises(CannotTell, match="no file"):
        archive_of("docker-archive:gone.tar", tmp_path)
