"""Where paths in settings begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.links.paths import project_folder


def test_paths_begin_at_the_nearest_folder_with_settings_else_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project_folder() == below
    (tmp_path / "a" / "seatrial.toml").touch()
    assert project_folder() == tmp_path / "a"
