"""The ledger: whatever was intended and not given back is never forgotten, wherever a crash cuts it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.effort import examples

from seatrial.engine.ledger import Ledger, living
from seatrial.errors import LeftBehind
from seatrial.model.resource import Resource


def thing(name="n1", trial="t1", **more):
    return Resource(kind="node", name=name, owner="provider:fake", run="r1", trial=trial, **more)


def out(ledger):
    return [(entry.resource.name, entry.resource.trial, entry.op) for entry in ledger.out()]


def reopened(ledger):
    """The same ledger after a crash: the lock is gone, nothing was closed in order."""
    os.close(ledger._fd)
    ledger._fd = -1
    return Ledger.open(ledger.file.parent, ledger.run)


def test_what_is_out_survives_the_process(tmp_path):
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing("a", detail={"path": "/x", "n": 1}), plugin="/p.py")
    ledger.intend(thing("b", outlives_host=True))
    ledger.made(thing("b", outlives_host=True))
    ledger.intend(thing("c"))
    ledger.given_back(thing("c"))
    again = reopened(ledger)
    assert out(again) == [("a", "t1", "intended"), ("b", "t1", "made")]
    first = again.out()[0]
    assert (first.resource, first.plugin) == (thing("a", detail={"path": "/x", "n": 1}), "/p.py")
    again.made(first.resource)
    assert reopened(again).out()[0].plugin == "/p.py"


def test_kept_things_say_until_when(tmp_path):
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing())
    ledger.kept(thing(), until=12.5)
    entry = reopened(ledger).out()[0]
    assert (entry.op, entry.until) == ("kept", 12.5)


def test_what_outlives_the_host_is_synced_and_what_does_not_is_not(tmp_path, monkeypatch):
    synced = []
    ledger = Ledger.open(tmp_path, "r1")
    monkeypatch.setattr("os.fsync", lambda fd: synced.append(ledger.file.read_bytes().count(b"\n")))
    ledger.intend(thing("process"))
    assert synced == []
    ledger.intend(thing("vm", outlives_host=True))
    assert synced == [3], "synced after it was written"


def test_two_trials_may_intend_one_and_the_same_name(tmp_path):
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing("prod", trial="t1"))
    ledger.intend(thing("prod", trial="t2"))
    ledger.given_back(thing("prod", trial="t2"))
    assert out(ledger) == out(reopened(ledger)) == [("prod", "t1", "intended")]


def test_an_intent_that_cannot_be_said_is_refused_before_anything_is_made(tmp_path):
    ledger = Ledger.open(tmp_path, "r1")
    with pytest.raises(TypeError):
        ledger.intend(thing(detail={"path": Path("x")}))
    assert ledger.file.read_bytes().count(b"\n") == 1, "the version alone"


def test_an_empty_ledger_leaves_the_folder_and_a_full_one_stays(tmp_path):
    archive = tmp_path / "run" / "ledger.jsonl"
    archive.parent.mkdir()
    ledger = Ledger.open(tmp_path / "ledger", "r1")
    ledger.intend(thing())
    ledger.close(archive)
    assert ledger.file.exists()
    assert not archive.exists()
    ledger = Ledger.open(tmp_path / "ledger", "r1")
    ledger.given_back(thing())
    ledger.close(archive)
    assert not ledger.file.exists()
    assert archive.read_bytes().count(b"\n") == 3
    ledger.close(archive)
    # Whoever asks for it afterwards finds nothing, and does not put an empty file over the archive.
    Ledger.open(tmp_path / "ledger", "r1").close(archive)
    assert archive.read_bytes().count(b"\n") == 3
    assert not list((tmp_path / "ledger").iterdir())


def test_a_report_folder_may_be_on_another_file_system(tmp_path, monkeypatch):
    def replace(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.replace", replace)
    ledger = Ledger.open(tmp_path / "ledger", "r1")
    ledger.intend(thing())
    ledger.given_back(thing())
    ledger.close(tmp_path / "archive.jsonl")
    assert (tmp_path / "archive.jsonl").read_bytes().count(b"\n") == 3
    assert not ledger.file.exists()


def test_a_living_run_holds_its_ledger_and_a_dead_one_does_not(tmp_path):
    program = (
        "import sys; from pathlib import Path; from seatrial.engine.ledger import Ledger\n"
        f"ledger = Ledger.open(Path({str(tmp_path)!r}), 'r1'); print('held', flush=True); sys.stdin.read()"
    )
    other: Any = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        assert living(tmp_path / "r1.jsonl")
        with pytest.raises(BlockingIOError):
            Ledger.open(tmp_path, "r1")
    finally:
        other.kill()
        other.communicate()
    assert not living(tmp_path / "r1.jsonl")
    Ledger.open(tmp_path, "r1").close()


def test_a_ledger_taken_away_between_opening_and_locking_is_made_anew(tmp_path, monkeypatch):
    """A clean-up that comes in that moment sees an empty ledger of nobody, and removes it."""
    real = fcntl.flock
    removed: list[None] = []

    def flock(fd, how):
        if not removed:
            removed.append((tmp_path / "r1.jsonl").unlink(missing_ok=True))
        return real(fd, how)

    monkeypatch.setattr("fcntl.flock", flock)
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing())
    assert removed
    assert b"n1" in (tmp_path / "r1.jsonl").read_bytes()


def test_a_line_torn_by_a_full_disk_does_not_swallow_the_next(tmp_path, monkeypatch):
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing("a"))
    with monkeypatch.context() as disk:
        disk.setattr("os.write", _runs_out_after(40, os.write))
        with pytest.raises(OSError, match="No space"):
            ledger.intend(thing("b"))
    ledger.intend(thing("c"))
    names = [name for name, _, _ in out(reopened(ledger))]
    assert names[0] == "a"
    assert "c" in names


def _runs_out_after(size, real):
    room = [size]

    def write(fd, data):
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    return write


@pytest.mark.parametrize(
    ("damage", "line", "why"),
    [
        (lambda data: data + b"\0" * 50, 3, "the line is damaged"),
        (lambda data: b"", 1, "the file is empty"),
        (lambda data: b"\0" * len(data), 1, "the line is damaged"),
        (lambda data: data.replace(b'"version":1', b'"version":2'), 1, "version 2"),
        (lambda data: data.replace(b'"name":"n1"', b'"name":"n2"'), 2, "not written by you"),
        (lambda data: data.replace(b'{"op":"int', b'{"v":2,"op":"int'), 2, "not written by you"),
        (lambda data: data.partition(b"\n")[0] + b"\n[7]\n", 2, "not written by you"),
        (lambda data: data.partition(b"\n")[0] + b"\nnonsense\n", 2, "the line is damaged"),
    ],
)
def test_a_ledger_that_cannot_be_read_stays_and_is_named_with_its_line(tmp_path, damage, line, why):
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing())
    ledger.close()
    data = damage(ledger.file.read_bytes())
    ledger.file.write_bytes(data)
    with pytest.raises(LeftBehind, match=f"r1.jsonl:{line}: .*{why}"):
        Ledger.open(tmp_path, "r1")
    assert ledger.file.read_bytes() == data


def test_a_ledger_of_another_user_or_of_another_run_is_refused(tmp_path, monkeypatch):
    ledger = Ledger.open(tmp_path, "r1")
    ledger.intend(thing())
    ledger.close()
    shutil.copy(ledger.file, tmp_path / "r2.jsonl")
    with pytest.raises(LeftBehind, match="not written by you"):
        Ledger.open(tmp_path, "r2")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    with pytest.raises(LeftBehind, match="not written by you"):
        Ledger.open(tmp_path, "r1")
    assert (tmp_path / "other" / "seatrial" / "ledger.key").stat().st_mode & 0o777 == 0o600


NAMES = st.sampled_from(["a", "b", "ä\n\"'", "d"])
TRIALS = st.sampled_from(["t1", "t2"])


class CutAnywhere(RuleBasedStateMachine):
    """A ledger that is cut at any byte of what was written last, and taken up again, as often as Hypothesis likes.

    `surely` is what was intended, in full, and not given back: it must always be out. `maybe` is what the cut line
    would have said: an intent whose thing was not made yet, or a giving-back that is done twice, which is success.
    """

    @initialize()
    def begin(self):
        self.before: Any = None
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = Ledger.open(self.folder, "r1")
        self.surely = set()
        self.maybe = set()

    def teardown(self):
        if hasattr(self, "ledger"):
            os.close(self.ledger._fd)
            shutil.rmtree(self.folder)

    @rule(name=NAMES, trial=TRIALS, survives=st.booleans())
    def intend(self, name, trial, survives):
        self.before = (set(self.surely), set(self.maybe), self.ledger.file.stat().st_size)
        self.ledger.intend(thing(name, trial, outlives_host=survives, detail={"name": name}))
        self.surely.add((name, trial))

    @precondition(lambda self: self.surely)
    @rule(data=st.data(), kept=st.booleans())
    def make_or_keep(self, data, kept):
        name, trial = data.draw(st.sampled_from(sorted(self.surely)))
        self.before = (set(self.surely), set(self.maybe), self.ledger.file.stat().st_size)
        if kept:
            self.ledger.kept(thing(name, trial), until=1.0)
        else:
            self.ledger.made(thing(name, trial))

    @rule(name=NAMES, trial=TRIALS)
    def give_back(self, name, trial):
        self.before = (set(self.surely), set(self.maybe), self.ledger.file.stat().st_size)
        self.ledger.given_back(thing(name, trial))
        self.surely.discard((name, trial))
        self.maybe.discard((name, trial))

    @precondition(lambda self: getattr(self, "before", None) is not None)
    @rule(data=st.data(), padding=st.just(b""))
    def crash(self, data, padding):
        """The last record was being written: any part of it is on the disk."""
        surely, maybe, size = self.before
        cut = data.draw(st.integers(size, self.ledger.file.stat().st_size))
        whole = cut == self.ledger.file.stat().st_size
        with self.ledger.file.open("rb+") as file:
            file.truncate(cut)
            file.seek(0, 2)
            file.write(padding if not whole else b"")
        if not whole:
            # An intent or a giving-back that was cut: both may be seen or not, the rest must be as before.
            changed = self.surely ^ surely
            self.maybe = self.maybe | maybe | changed
            self.surely = (self.surely | surely) - (self.surely - surely)
        self.before = None
        self.ledger = reopened(self.ledger)

    @invariant()
    def nothing_is_forgotten_and_nothing_made_up(self):
        if not hasattr(self, "ledger"):
            return
        seen = {(entry.resource.name, entry.resource.trial) for entry in self.ledger.out()}
        assert self.surely - self.maybe <= seen
        assert seen <= self.surely | self.maybe
        for line in self.ledger.file.read_bytes().split(b"\n"):
            # No line holds two records.
            assert line.count(b'{"op":') <= 1, line
        for entry in self.ledger.out():
            json.dumps(entry.resource.detail)


TestCutAnywhere = CutAnywhere.TestCase
TestCutAnywhere.settings = settings(max_examples=examples(60), stateful_step_count=25, deadline=None)
