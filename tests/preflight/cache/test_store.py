"""The folder of results: whole or not there, whoever writes, reads, collects or is killed."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from seatrial.preflight.cache.store import Store

KEY = "ab" + "0" * 38
OTHER = "cd" + "1" * 38


def made(folder: Path, size: int = 100, mode: int = 0o755) -> list[tuple[str, Path]]:
    """A file to keep."""
    file = folder / "made.bin"
    file.write_bytes(bytes(at % 251 for at in range(size)))
    file.chmod(mode)
    return [("dist/made.bin", file)]


def entries(folder: Path) -> list[Path]:
    return sorted(one for one in (folder / "entries").rglob("*") if one.is_file())


def read(store: Store, key: str) -> tuple[object, bytes, dict[str, tuple[int, bytes]]] | None:
    entry = store.entry(key)
    if entry is None:
        return None
    held = {one.path: (one.mode, b"".join(entry.content(one))) for one in entry.files}
    outputs, log = entry.outputs, entry.log
    entry.close()
    return outputs, log, held


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_what_was_kept_comes_back_byte_for_byte_with_its_mode(tmp_path: Path, size: int) -> None:
    store = Store(tmp_path / "store")
    files = made(tmp_path, size, 0o640)
    store.keep(KEY, {"exit_code": 0, "names": ["ä", None, 1.5]}, b"said\x00", files)
    content = files[0][1].read_bytes()
    assert read(store, KEY) == (
        {"exit_code": 0, "names": ["ä", None, 1.5]},
        b"said\x00",
        {"dist/made.bin": (0o640, content)},
    )
    assert read(store, OTHER) is None


def test_a_damaged_entry_is_none_and_goes_wherever_it_is_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    files = made(tmp_path)
    store.keep(KEY, {"exit_code": 0}, b"said", files)
    [file] = entries(tmp_path / "store")
    whole = file.read_bytes()
    for at in range(len(whole)):
        for broken in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            file.write_bytes(broken)
            found = read(store, KEY)
            assert found is None, f"byte {at}: {found}"
            assert not file.exists()


def test_the_entry_of_another_key_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.keep(KEY, {}, b"", [])
    [file] = entries(tmp_path / "store")
    (tmp_path / "store/entries/cd").mkdir()
    file.rename(tmp_path / "store/entries/cd" / OTHER)
    assert read(store, OTHER) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from typing import BinaryIO
from seatrial.preflight.cache import store as module

left = int(sys.argv[3])
def killing(self, *arguments, audit=sys.addaudithook):
    pass
def hook(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock", "os.link", "os.chmod"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
store = module.Store(folder)
sys.addaudithook(hook)
store.salt()
store.keep(sys.argv[2], {"exit_code": 0}, b"said" * 5000, [("made.bin", folder.parent / "made.bin")])
store.remember("check", {"files": {"a": "1"}})
store.collect(10**9)
"""


def test_a_kill_at_any_time_leaves_no_half_entry_and_nothing_that_is_not_collected(tmp_path: Path) -> None:
    made(tmp_path, 50_000)
    for point in range(1, 60):
        folder = tmp_path / f"store{point}"
        argv = [sys.executable, "-c", KILLED, str(folder), KEY, str(point)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        store = Store(folder)
        held = read(store, KEY)
        assert held is None or held[1] == b"said" * 5000, point
        if done.returncode == 0:
            assert held is not None
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        store.salt()
        store.keep(KEY, {"exit_code": 0}, b"again", [])
        assert read(store, KEY) is not None, point
        store.collect(10**9)
        assert list((folder / "aside").iterdir()) == [], point
    else:
        pytest.fail("it was never through")
    assert point > 10


def _write(folder: str, name: str, rounds: int) -> None:
    store = Store(Path(folder) / "store")
    file = Path(folder) / f"{name}.bin"
    file.write_bytes(name.encode() * 20_000)
    for _ in range(rounds):
        store.salt()
        store.keep(KEY, {"by": name}, name.encode(), [("made", file)])


def _read(folder: str, rounds: int) -> None:
    store = Store(Path(folder) / "store")
    for _ in range(rounds):
        store.collect(50_000)
        held = read(store, KEY)
        if held is not None:
            outputs, log, files = held
            assert outputs == {"by": log.decode()}
            assert files["made"][1] == log * 20_000


def test_two_writers_and_one_that_reads_and_collects_never_see_half_of_anything(tmp_path: Path) -> None:
    spawning = multiprocessing.get_context("spawn")
    processes = [
        spawning.Process(target=_write, args=(str(tmp_path), "one", 60)),
        spawning.Process(target=_write, args=(str(tmp_path), "two", 60)),
        spawning.Process(target=_read, args=(str(tmp_path), 150)),
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    Store(tmp_path / "store").collect(10**9)
    assert list((tmp_path / "store/aside").iterdir()) == []


def test_an_entry_that_is_open_stays_whole_while_it_is_collected(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.keep(KEY, {}, b"", made(tmp_path, 3_000_000))
    entry = store.entry(KEY)
    assert entry is not None
    assert store.collect(0) == 1
    assert sum(map(len, entry.content(entry.files[0]))) == 3_000_000
    entry.close()
    assert read(store, KEY) is None


def test_what_was_used_longest_ago_goes_first_until_the_rest_is_under_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keys = [f"{at:02x}" + "0" * 38 for at in range(10)]
    files = made(tmp_path, 10_000)
    for at, key in enumerate(keys):
        store.keep(key, {}, b"", files)
        os.utime(tmp_path / "store/entries" / key[:2] / key, (1000 + at, 1000 + at))
    assert read(store, keys[0]) is not None  # used now
    assert store.collect(55_000) == 5
    assert [key for key in keys if read(store, key) is not None] == [keys[0], *keys[6:]]
    assert sum(file.stat().st_size for file in entries(tmp_path / "store")) <= 55_000
    assert store.collect(55_000) == 0


def test_only_its_owner_can_look_into_it_and_the_salt_is_the_same_for_all(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)
    first = Store(tmp_path / "store").salt()
    assert len(first) == 32
    assert Store(tmp_path / "store").salt() == first
    assert (tmp_path / "store").stat().st_mode & 0o77 == 0


def test_a_file_that_is_swept_before_its_writer_locks_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    lock = fcntl.flock
    swept: list[str] = []

    def late(file: BinaryIO, how: int) -> None:
        if how == fcntl.LOCK_EX and not swept:
            swept.append(file.name)
            Store(tmp_path / "store").collect(10**9)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    store.keep(KEY, {}, b"kept", made(tmp_path, 10))
    assert swept
    assert not Path(swept[0]).exists()
    found = read(store, KEY)
    assert found is not None
    assert found[1] == b"kept"
