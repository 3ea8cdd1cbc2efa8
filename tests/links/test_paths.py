"""Which project a folder belongs to, and files that are replaced whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.links.paths import project_folder, project_of, write_once, write_whole


def test_paths_begin_at_the_nearest_folder_with_settings_else_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project_folder() == below
    (tmp_path / "a" / "seatrial.toml").touch()
    assert project_folder() == tmp_path / "a"


def test_settings_come_before_the_working_directory_and_that_before_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    monkeypatch.chdir("/proc")
    assert project_of(below) == below
    (tmp_path / "a" / "b" / ".git").touch()
    assert project_of(below) == tmp_path / "a" / "b"
    monkeypatch.chdir(tmp_path)
    assert project_of(below) == tmp_path
    assert project_of(below, here=below) == below
    (tmp_path / "a" / "seatrial.toml").touch()
    assert project_of(below, here=below) == tmp_path / "a"


def test_a_file_that_is_replaced_is_never_half_there_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_whole(file, "old")
    write_whole(file, b"new", 0o600)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o600)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(folder, "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "state.json"]


def test_a_file_that_is_written_once_keeps_what_the_first_wrote_unless_that_was_cut_off(tmp_path: Path) -> None:
    file, aside = tmp_path / "mark", tmp_path / "aside"
    assert write_once(file, b"first", aside) == b"first"
    assert write_once(file, b"other", aside) == b"first"
    file.write_bytes(b"")
    assert write_once(file, b"again", aside) == b"again" == file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["mark"]
