"""A user without a name, a home or a home to write to, as containers have them."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.links import paths


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No passwd entry, no variables."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    for name in ("HOME", "LOGNAME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "SEATRIAL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr(os.path, "expanduser", lambda path: os.environ.get("HOME", path))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))


def test_without_a_home_the_state_is_in_a_private_folder_of_this_user(tmp_path: Path) -> None:
    private = tmp_path / f"seatrial-{os.getuid()}"
    assert paths.home() == private
    assert paths.state_folder() == private / ".local/state/seatrial"
    assert paths.cache_folder("x") == private / ".cache/seatrial/x"
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_written_to_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/") or Path(path) != Path("/"))
    assert paths.state_folder() == tmp_path / f"seatrial-{os.getuid()}" / ".local/state/seatrial"
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert paths.state_folder() == home / ".local/state/seatrial"


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/"), lambda path: path.mkdir(mode=0o755), Path.touch])
def test_a_folder_that_others_can_change_is_not_taken(make, tmp_path: Path) -> None:
    make(tmp_path / f"seatrial-{os.getuid()}")
    with pytest.raises(CannotTell, match="set HOME or XDG_STATE_HOME"):
        paths.state_folder()


def test_asyncssh_is_given_a_name_and_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOGNAME", "")
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("HOME")
    paths.name_user()
    assert os.environ["LOGNAME"] == "seatrial"
    assert os.environ["HOME"] == str(tmp_path / f"seatrial-{os.getuid()}")


def test_a_user_with_both_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    monkeypatch.setenv("HOME", "/home/me")
    paths.name_user()
    assert "LOGNAME" not in os.environ
    assert os.environ["HOME"] == "/home/me"
