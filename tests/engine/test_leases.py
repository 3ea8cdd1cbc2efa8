"""Leases of ports, addresses and environments, between trials, processes and runs."""

import json
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seatrial.engine import leases as module
from seatrial.engine.leases import Leases
from seatrial.errors import LeaseTaken
from seatrial.links.paths import state_folder


def holder(trial="t1", run="r1"):
    return {"run": run, "trial": trial, "pid": 7, "project": "/p"}


def test_a_lease_is_taken_once_and_names_its_holder(tmp_path):
    Leases(tmp_path).take("port", "127.0.0.1:20000", holder())
    with pytest.raises(LeaseTaken, match=r"port 127.0.0.1:20000 is held by run r1 \(process 7, project /p\)"):
        Leases(tmp_path).take("port", "127.0.0.1:20000", holder("t2"))


def test_a_lease_that_is_given_back_can_be_taken_again(tmp_path):
    leases = Leases(tmp_path)
    leases.take("port", "x", holder())
    leases.release("port", "x", "t1")
    leases.release("port", "x", "t1")
    leases.take("port", "x", holder("t2"))


def test_another_trials_lease_is_left_as_it_is(tmp_path):
    leases = Leases(tmp_path)
    leases.take("port", "x", holder("t2"))
    leases.release("port", "x", "t1")
    assert "r1" in leases.holder("port", "x")


@pytest.mark.parametrize("torn", [b"", b'{"run": "r1", "tri'])
@pytest.mark.parametrize("kind", ["port", "exclusive"])
def test_a_lease_whose_writing_was_cut_short_can_be_given_back(tmp_path, torn, kind):
    leases = Leases(tmp_path)
    file = leases.folder / kind / "x"
    file.parent.mkdir(parents=True)
    file.write_bytes(torn)
    assert "starting or ending" in leases.holder(kind, "x") or torn == b""
    leases.release(kind, "x", "t1")
    assert not file.exists()


def test_a_full_disk_leaves_no_empty_lease(tmp_path, monkeypatch):
    leases = Leases(tmp_path)

    def full(fd, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.write", full)
        with pytest.raises(OSError, match="No space"):
            leases.take("port", "x", holder())
    leases.take("port", "x", holder())


def test_a_port_that_somebody_listens_on_is_not_picked(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        class Stubborn(random.Random):
            def randrange(self, *_):
                return answers.pop(0)

        answers = [port, port, 31999]
        assert Leases(tmp_path).pick_port("127.0.0.1", Stubborn()) == 31999


def test_picks_are_seeded_and_leave_out_what_is_leased(tmp_path):
    leases = Leases(tmp_path)
    first = leases.pick_address(random.Random("t1"))
    assert leases.pick_address(random.Random("t1")) == first
    assert first.startswith("127.")
    assert 64 <= int(first.split(".")[1]) < 128
    leases.take("address", first, holder())
    assert leases.pick_address(random.Random("t1")) != first


def test_no_free_port_is_an_error_and_not_an_endless_search(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_free", lambda *_: False)
    with pytest.raises(LeaseTaken, match="no free port"):
        Leases(tmp_path).pick_port("127.0.0.1", random.Random(1))


def test_an_environment_is_locked_against_others_and_let_go(tmp_path):
    one, two = Leases(tmp_path), Leases(tmp_path)
    one.lock("staging", holder())
    for other in (one, two):
        with pytest.raises(LeaseTaken, match="the environment 'staging' is held by run r1"):
            other.lock("staging", holder("t2"))
    one.release("exclusive", "staging", "t1")
    two.lock("staging", holder("t2", "r2"))
    assert "run r2" in one.holder("exclusive", "staging")


def test_a_trial_that_waited_in_vain_does_not_let_go_of_the_holders_lock(tmp_path):
    leases = Leases(tmp_path)
    leases.lock("staging", holder("t1"))
    leases.release("exclusive", "staging", "t2")
    with pytest.raises(LeaseTaken):
        Leases(tmp_path).lock("staging", holder("t3"))


def test_the_sweep_of_a_dead_run_leaves_a_lock_that_another_has_taken_over(tmp_path):
    dead = Leases(tmp_path)
    file = dead.folder / "exclusive" / "staging"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(holder("t1")))
    living = Leases(tmp_path)
    living.lock("staging", holder("t2", "r2"))
    file.write_text(json.dumps(holder("t1")))  # as the sweep would have read it just before
    Leases(tmp_path).release("exclusive", "staging", "t1")
    assert file.exists(), "the flock decides, not what the file said a moment ago"


def test_a_dead_runs_lock_is_taken_over(tmp_path):
    program = (
        "import os; from pathlib import Path; from seatrial.engine.leases import Leases\n"
        f"Leases(Path({str(tmp_path)!r})).lock('staging', {{'run': 'r0', 'trial': 't0'}}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    leases = Leases(tmp_path)
    assert leases.of_run("r0") == [("exclusive", "staging", "t0")]
    leases.lock("staging", holder())
    assert leases.of_run("r0") == []


RACER = """
import sys
from pathlib import Path
from typing import Any
from seatrial.engine.leases import Leases
from seatrial.errors import LeaseTaken
from seatrial.links.paths import state_folder
folder, me = Path(sys.argv[1]), sys.argv[2]
leases = Leases(folder)
print("ready", flush=True)
sys.stdin.readline()
won = inside = 0
for n in range(300):
    try:
        leases.take("port", str(n), {"run": me, "trial": me})
        won += 1
    except LeaseTaken:
        pass
    try:
        leases.lock("environment", {"run": me, "trial": me})
    except LeaseTaken:
        continue
    with (folder / "inside").open("x"):
        inside += 1
    (folder / "inside").unlink()
    leases.release("exclusive", "environment", me)
print(won, inside)
"""


def test_of_two_processes_that_race_exactly_one_gets_each_lease(tmp_path):
    racers: list[Any] = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("t1", "t2")
    ]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        told = [racer.communicate(timeout=30)[0].split() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert [racer.returncode for racer in racers] in ([0, 0], [-9, -9], [0, -9], [-9, 0])
    assert all(len(line) == 2 for line in told), "a racer met the other inside the environment"
    assert sum(int(won) for won, _ in told) == 300
    assert all(int(inside) > 0 for _, inside in told)


def test_the_state_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "seatrial"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert state_folder() == Path("/home/somebody/.local/state/seatrial")
