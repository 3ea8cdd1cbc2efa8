"""A copy of the sources is what a fresh checkout would be, and what the check declares and uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.preflight.document import Check
from seatrial.preflight.executors.container import gather
from seatrial.preflight.job import Job


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def files_in(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_symlink() or one.is_file()}


def copy_of(source: Path, *, inputs: tuple[str, ...] = (), given: Mapping[str, Path] | None = None) -> set[str]:
    check = Check(run="true", source="copy", inputs=inputs)
    job = Job(name="s/c", check=check, source=source, given=given or {})
    gather(job, source.parent / "copy")
    return files_in(source.parent / "copy")


def test_ignored_files_are_in_it_only_when_an_input_names_them(tmp_path: Path) -> None:
    source = tmp_path / "src"
    made(source, "a.py", "node_modules/x.js", "dist/y.js", ".seatrial/ledger/z", ".git/HEAD", "w/.gitignore")
    (source / ".gitignore").write_text("node_modules/\ndist/\n")
    kept = {"a.py", ".gitignore", "w/.gitignore", ".git/HEAD"}
    assert copy_of(source, inputs=("a.py", "dist/**", "!dist/no", "nothing/**")) == kept | {"dist/y.js"}


def test_what_it_uses_is_put_in_over_what_is_there(tmp_path: Path) -> None:
    source = tmp_path / "src"
    made(source, "w/a.ts", "w/dist/a.js")
    made(tmp_path, "kept/a.js")
    found = copy_of(source, given={"w/dist/a.js": tmp_path / "kept/a.js", "w/dist/b/c.js": tmp_path / "kept/a.js"})
    assert found == {"w/a.ts", "w/dist/a.js", "w/dist/b/c.js"}
    assert (tmp_path / "copy/w/dist/a.js").read_text() == "kept/a.js"
    assert (source / "w/dist/a.js").read_text() == "w/dist/a.js"


def test_links_are_copied_as_links_and_nothing_is_written_through_them(tmp_path: Path) -> None:
    source, outside = tmp_path / "src", tmp_path / "outside"
    made(source, "real/a")
    made(outside, "b")
    (source / "here").symlink_to("real")
    (source / "there").symlink_to(outside)
    (source / "nowhere").symlink_to("gone")
    assert copy_of(source) == {"real/a", "here", "there", "nowhere"}
    assert (tmp_path / "copy/here").is_symlink()
    assert files_in(outside) == {"b"}


def test_what_it_uses_is_not_written_through_a_link(tmp_path: Path) -> None:
    source, outside = tmp_path / "src", tmp_path / "outside"
    made(source, "a")
    made(outside, "b")
    (source / "dist").symlink_to(outside)
    with pytest.raises(CannotTell, match="the path follows a link out of the sources"):
        copy_of(source, given={"dist/x": source / "a"})
    assert files_in(outside) == {"b"}


def test_a_source_without_files_is_an_empty_copy(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    assert copy_of(tmp_path / "src") == set()
