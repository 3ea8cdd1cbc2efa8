from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seatrial.links.git import checkout_of


def git(folder: Path, *arguments: str) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *author, *arguments], check=True, capture_output=True)


def commit(folder: Path, text: str) -> None:
    (folder / "file").write_text(text)
    git(folder, "add", "file")
    git(folder, "commit", "-m", text)


@pytest.mark.parametrize("remote", [
    "https://github.com/acme/notes.git", "https://github.com/acme/notes", "git@github.com:acme/notes.git",
    "ssh://git@github.com:22/acme/notes.git", "https://x:token@github.com/acme/notes/",
])  # fmt: skip
def test_the_repository_is_told_by_its_remote(remote: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "remote", "add", "origin", remote)
    found = checkout_of(tmp_path)
    assert found is not None
    assert (found.repository, found.branch, found.head) == ("acme/notes", "main", "")


def test_it_knows_what_was_pushed_and_what_other_refs_hold(tmp_path: Path) -> None:
    there, here = tmp_path / "there.git", tmp_path / "here"
    here.mkdir()
    git(tmp_path, "init", "--bare", str(there))
    git(here, "init", "-b", "main")
    git(here, "remote", "add", "origin", str(there))
    commit(here, "first")
    git(here, "push", "-u", "origin", "main")
    pushed = checkout_of(here)
    assert pushed is not None
    assert pushed.head == pushed.pushed != ""
    commit(here, "second")
    ahead = checkout_of(here)
    assert ahead is not None
    assert (ahead.pushed, ahead.head != pushed.head) == (pushed.head, True)
    git(here, "checkout", "-b", "other")
    other = checkout_of(here)
    assert other is not None
    assert (other.branch, other.pushed) == ("other", "")
    (here / "file").write_text("not committed")
    assert other.file("file", "other") == "not committed"
    assert other.file("file", "main") == "first", "what is at the remote counts"
    assert other.file("nothing", "main") is None
    assert (other.knows("main"), other.knows("nowhere")) == (True, False)


def test_a_folder_outside_of_any_checkout_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert checkout_of(tmp_path) is None
