"""Which files a check declares, and what they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.preflight.cache.hashes import SETTLED, Hashes
from seatrial.preflight.cache.tree import Tree

FILES = {
    ".gitignore": "*.log\n/dist/\n!keep.log\nsecret.env\n",
    "pyproject.toml": "",
    "app/views.py": "",
    "app/deep/models.py": "",
    "app/noise.log": "",
    "app/keep.log": "",
    "app/vendor/.gitignore": "*\n!kept.py\n",
    "app/vendor/lib.py": "",
    "app/vendor/kept.py": "",
    "dist/site.js": "",
    "dist/map/site.map": "",
    "secret.env": "",
    "sub/pyproject.toml": "",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text or name)
    return folder


def tree(source: Path) -> Tree:
    return Tree(source, Hashes(source.parent / "stat.json"))


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["pyproject.toml"], "pyproject.toml"),
        (["*.toml"], "pyproject.toml"),
        (["**/*.toml"], "pyproject.toml sub/pyproject.toml"),
        (["./app/*.py"], "app/views.py"),
        (["app/**/*.py"], "app/deep/models.py app/vendor/kept.py app/views.py"),
        (["app"], "app/deep/models.py app/keep.log app/vendor/kept.py app/views.py"),
        (["app/**", "!app/vendor/**", "!**/*.log"], "app/deep/models.py app/views.py"),
        (["dist/**"], "dist/map/site.map dist/site.js"),
        (["dist/*.js"], "dist/site.js"),
        (["secret.env"], "secret.env"),
        (["app/noise.log"], "app/noise.log"),
    ],
)
def test_patterns_begin_at_the_source_and_what_is_ignored_counts_only_where_it_is_named(
    source: Path, patterns: list[str], found: str
) -> None:
    assert " ".join(sorted(tree(source).files(patterns))) == found


def test_ignored_files_are_those_that_git_leaves_out(source: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not there to compare with")
    subprocess.run([git, "init", "-q", "."], cwd=source, check=True)
    argv = [git, "-c", "core.excludesFile=/dev/null", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=source, check=True, capture_output=True, text=True).stdout.split()
    assert sorted(tree(source).files(["**"])) == sorted(listed)


def test_what_git_tracks_although_it_is_ignored_is_a_file_like_any_other(source: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not there")
    (source / "app/made.log").write_text("1")
    subprocess.run([git, "init", "-q", "."], cwd=source, check=True)
    subprocess.run([git, "add", "-f", "app/noise.log", "dist"], cwd=source, check=True)
    seen = tree(source)
    assert {"app/noise.log", "app/made.log"} & seen.files(["app/**"]) == {"app/noise.log"}
    assert seen.files(["**/*.log"]) >= {"app/noise.log"}
    assert {one for one in seen.files(["**"]) if one.startswith("dist/")} == seen.files(["dist"])
    assert not seen.leaves_out("app/noise.log")
    assert seen.leaves_out("app/made.log")
    (source / "app/noise.log").unlink()
    assert "app/noise.log" not in tree(source).files(["app/**"])


def test_the_gitignore_of_the_repository_around_the_source_counts(source: Path) -> None:
    (source.parent / ".git").mkdir()
    (source.parent / ".gitignore").write_text("/source/sub/\n")
    assert "sub/pyproject.toml" not in tree(source).files(["**/*.toml"])


def test_a_pattern_that_no_file_is_like_and_a_file_that_is_none_are_told(source: Path) -> None:
    with pytest.raises(CannotTell, match="'ap/\\*\\*' matches no file"):
        tree(source).contents(["app/**", "ap/**"])
    os.mkfifo(source / "app/pipe")
    with pytest.raises(CannotTell, match="app/pipe cannot be read"):
        tree(source).contents(["app/**"])


def test_content_the_right_to_run_it_and_links_are_what_a_file_is(source: Path) -> None:
    file = source / "app/views.py"
    seen = [tree(source).contents(["app/views.py"])]
    file.write_text("other")
    seen.append(tree(source).contents(["app/views.py"]))
    file.chmod(0o755)
    seen.append(tree(source).contents(["app/views.py"]))
    file.rename(source / "real.py")
    file.symlink_to("../real.py")
    seen.append(tree(source).contents(["app/views.py"]))
    (source / "real.py").write_text("more")
    seen.append(tree(source).contents(["app/views.py"]))
    assert len({str(one) for one in seen}) == 5


def test_a_link_to_a_folder_above_it_is_followed_once(source: Path) -> None:
    (source / "app/up").symlink_to("..")
    assert "app/up" in tree(source).files(["app/**"])


def test_a_file_is_read_again_only_when_it_may_have_changed(source: Path) -> None:
    now = (source / "app/views.py").stat().st_ctime + SETTLED + 1
    for patterns, read in ((["app/**"], 4), (["app/**"], 0), (["app/**", "pyproject.toml"], 1)):
        hashes = Hashes(source.parent / "stat.json", now=lambda: now)
        Tree(source, hashes).contents(patterns)
        hashes.save()
        assert hashes.read == read


def test_a_file_that_changed_a_moment_ago_is_not_trusted_by_its_times(source: Path) -> None:
    file = source / "app/views.py"
    now = file.stat().st_ctime + SETTLED / 2
    hashes = Hashes(source.parent / "stat.json", now=lambda: now)
    for _ in range(2):
        hashes.of(str(file), file.stat())
    assert hashes.read == 2


def test_a_change_of_the_same_size_with_its_old_time_put_back_is_seen(source: Path) -> None:
    file = source / "app/views.py"
    before = file.stat()
    hashes = Hashes(source.parent / "stat.json", now=lambda: before.st_ctime + SETTLED + 1)
    first = hashes.of(str(file), before)
    file.write_text("x" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashes.of(str(file), file.stat()) != first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [1, 2, 3, 4, 5]}'])
def test_a_list_of_hashes_that_is_damaged_is_none(source: Path, text: str) -> None:
    (source.parent / "stat.json").write_text(text)
    assert tree(source).contents(["pyproject.toml"])


def test_while_something_runs_nothing_is_known_from_before(source: Path) -> None:
    looked = tree(source)
    before = looked.contents(["app/**"])
    with looked.changing():
        looked.contents(["app/**"])
        (source / "app/new.py").write_text("")
        assert "app/new.py" in looked.contents(["app/**"])
    (source / "app/new.py").unlink()
    assert looked.contents(["app/**"]) == before
