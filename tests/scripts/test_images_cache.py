"""Images are kept by a checksum of what they are made from; a half-made one is never found."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts.images import cache
from scripts.node_images import RECIPES

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path / "cache"))


def test_the_key_follows_from_content_names_modes_and_words(tmp_path):
    file = tmp_path / "init"
    file.write_text("one")
    keys = [cache.key_of([file], ["bookworm"])]
    assert cache.key_of([file], ["bookworm"]) == keys[0]
    keys.append(cache.key_of([file], ["trixie"]))
    file.chmod(0o755)
    keys.append(cache.key_of([file], ["bookworm"]))
    file.write_text("two")
    keys.append(cache.key_of([file], ["bookworm"]))
    keys.append(cache.key_of([file.rename(tmp_path / "late")], ["bookworm"]))
    assert len(set(keys)) == 5


def test_each_image_has_a_key_of_its_own_that_stays():
    keys = {recipe.key() for recipe in RECIPES.values()}
    assert len(keys) == len(RECIPES)
    assert keys == {recipe.key() for recipe in RECIPES.values()}


def test_every_file_of_ours_in_an_image_is_among_the_inputs_of_one():
    listed = {name for recipe in RECIPES.values() for name in recipe.inputs if name.startswith("guest/")}
    assert listed == {f"guest/{one.name}" for one in (ROOT / "scripts/images/guest").iterdir()}


def test_what_was_made_is_found_again_and_made_anew_when_told():
    made = []

    def make(folder):
        made.append(folder)
        (folder / "image").write_text(str(len(made)))

    first = cache.made("vm", "aaaa", make)
    assert cache.made("vm", "aaaa", make) == first
    assert len(made) == 1
    assert cache.made("vm", "aaaa", make, force=True) == first
    assert (first / "image").read_text() == "2"
    assert cache.made("vm", "bbbb", make) != first
    assert len(made) == 3


def test_what_failed_half_way_is_not_found_and_leaves_nothing_and_the_old_one_stays():
    def make(folder):
        (folder / "image").write_text("good")

    def breaks(folder):
        (folder / "image").write_text("half")
        raise cache.Failed("no more")

    good = cache.made("vm", "aaaa", make)
    with pytest.raises(cache.Failed):
        cache.made("vm", "aaaa", breaks, force=True)
    with pytest.raises(cache.Failed):
        cache.made("vm", "bbbb", breaks)
    assert (good / "image").read_text() == "good"
    assert [one.name for one in cache.folder_of().glob("*") if not one.name.endswith(".lock")] == ["vm-aaaa"]


def test_what_a_killed_maker_left_goes_with_the_next_call(tmp_path):
    script = (
        "import time; from scripts.images import cache\n"
        "def make(folder):\n"
        "    (folder / 'half').touch(); print('begun', flush=True); time.sleep(600)\n"
        "cache.made('vm', 'aaaa', make)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"begun\n"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert list(cache.folder_of().glob(".making-*"))
    cache.made("vm", "aaaa", lambda folder: (folder / "image").touch())
    assert not list(cache.folder_of().glob(".making-*"))


def test_images_that_nobody_asked_for_in_a_month_are_deleted_and_others_stay():
    old, young, other = (
        cache.made(name, key, lambda _: None) for name, key in (("vm", "1"), ("vm", "2"), ("cloud", "3"))
    )
    month = time.time() - (cache.UNUSED_DAYS + 1) * 86400
    for folder in (old, other):
        os.utime(folder, (month, month))
    cache.made("vm", "4", lambda _: None)
    assert [old.exists(), young.exists(), other.exists()] == [False, True, True]


def test_a_link_is_pointed_elsewhere_without_a_moment_without_it(tmp_path):
    link = tmp_path / ".images" / "node.qcow2"
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        cache.link(tmp_path / name, link)
        assert link.read_text() == name
    assert [one.name for one in link.parent.iterdir()] == ["node.qcow2"]


def test_a_cache_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(cache.Failed, match=r"file/images cannot be made: .*SEATRIAL_CACHE_DIR"):
        cache.made("vm", "aaaa", lambda _: None)
