"""The folder for temporary files of a trial."""

import subprocess

import pytest

from seatrial.engine import temporary
from seatrial.errors import CannotTell, LeftBehind
from seatrial.model.resource import Resource
from seatrial.testing import context, virtual_time


def resource(path, trial="t1"):
    detail = {"path": str(path)}
    return Resource(kind="folder", name=path.name, owner=temporary.OWNER, run="r1", trial=trial, detail=detail)


def test_only_the_trials_own_folder_is_removed(tmp_path):
    own, other, link = tmp_path / "t1-tmp", tmp_path / "t2-tmp", tmp_path / "t3-tmp"
    own.mkdir()
    other.mkdir()
    (own / "link").symlink_to(other)
    link.symlink_to(other)
    temporary.remove(resource(own))
    temporary.remove(resource(own))
    assert not own.exists()
    for stranger, trial in ((other, "t1"), (link, "t3")):
        with pytest.raises(LeftBehind, match="not removed"):
            temporary.remove(resource(stranger, trial))
    assert other.is_dir()


@pytest.mark.parametrize("given", ["GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME"])
def test_settings_of_the_user_are_read_from_where_git_reads_them(tmp_path, given):
    file = tmp_path / 'a "b"' / "git" / "config"
    file.parent.mkdir(parents=True)
    file.write_text("[user]\n\tname = Ann\n")
    place = file if given == "GIT_CONFIG_GLOBAL" else file.parents[1]
    folder = tmp_path / "t1-tmp"
    temporary.make(folder, {given: str(place), "HOME": str(tmp_path)})
    environment = {"PATH": "/usr/bin:/bin", **temporary.variables(folder)}
    argv = ["git", "config", "user.name"]
    assert subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True).stdout == "Ann\n"


def test_what_is_in_its_place_is_neither_used_nor_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def inside():
        async with context(tmp_path / "run") as ctx:
            place = temporary.folder_of(ctx.trial_id)
            place.mkdir()
            with pytest.raises(CannotTell, match="remove it"):
                ctx.environment()
            return place

    with virtual_time() as clock:
        assert clock.run(inside()).is_dir()
