"""Ending, freezing and finding a node from outside."""

import os
import signal
import subprocess
import sys
import time

import pytest

from seatrial.providers.local import tree


def _escape(machine, escape, mark):
    (machine.folder / "home/escape.py").write_text(escape)
    machine.ask(f"{sys.executable} escape.py {mark}")


def test_a_process_that_left_parent_session_and_environment_dies_with_a_killed_node(
    make, mode, mark, asleep, until, escape
):
    machine = make(mode=mode).power_on()
    _escape(machine, escape, mark)
    until(lambda: asleep(mark), "it sleeps")
    tree.kill_tree(machine.state, machine.tag)
    assert asleep(mark) == []
    assert machine.ended() < 0
    assert not machine.answers()


@pytest.mark.parametrize("command", ["seatrial-init crash", "seatrial-init reboot", "poweroff -f", "poweroff"])
def test_a_process_that_left_everything_dies_with_its_boot(make, mode, mark, asleep, until, escape, command):
    machine = make(mode=mode).power_on()
    _escape(machine, escape, mark)
    until(lambda: asleep(mark), "it sleeps")
    machine.tell(command)
    until(lambda: not asleep(mark), "it is gone")


def test_a_node_whose_box_was_killed_is_found_by_its_tag(make, mode, mark, asleep, until):
    machine = make(mode=mode, web={"argv": ["/bin/sh", "-c", f"sleep {mark} & exec sleep {mark}"]}).power_on()
    until(lambda: len(asleep(mark)) == 2, "both sleep")
    os.kill(machine.box.pid, signal.SIGKILL)
    machine.ended()
    tree.kill_tree({}, machine.tag)
    assert asleep(mark) == []
    assert tree.find_tagged(machine.run_id) == []


def test_killing_twice_or_nothing_is_fine(make, tmp_path):
    machine = make().power_on()
    tree.kill_tree(machine.state, machine.tag)
    tree.kill_tree(machine.state, machine.tag)
    tree.kill_tree(tree.read_state(tmp_path / "never"), "r-t/never")


def test_a_killed_node_is_gone_at_once(make, mode):
    machine = make(mode=mode, **{f"s{i}": {"argv": ["/bin/sleep", "1000"]} for i in range(5)}).power_on()
    started = time.monotonic()
    tree.kill_tree(machine.state, machine.tag)
    assert time.monotonic() - started < 10
    assert tree.members(machine.state, machine.tag) == set()


def test_a_frozen_node_answers_nobody_and_goes_on_afterwards(make, mode):
    machine = make(mode=mode).power_on()
    tree.pause(machine.state, machine.tag)
    assert tree.paused(machine.state)
    assert not _answers_within(machine, 0.3)
    tree.resume(machine.state, machine.tag)
    assert not tree.paused(machine.state)
    assert machine.ask("echo back") == "back"


def _answers_within(machine, seconds):
    import socket

    with socket.create_connection((machine.address, machine.port), timeout=seconds) as link:
        try:
            return link.recv(4) == b"SSH-"
        except TimeoutError:
            return False


def test_a_frozen_node_can_be_killed(make, mode):
    machine = make(mode=mode).power_on()
    tree.pause(machine.state, machine.tag)
    tree.kill_tree(machine.state, machine.tag)
    assert machine.ended() < 0


def test_a_node_killed_while_it_forks_all_the_time_leaves_nothing(make, mode, until):
    loop = "while :; do sleep 60 & sleep 0.001; done"
    machine = make(mode=mode, bomb={"argv": ["/bin/sh", "-c", loop]}).power_on()
    until(lambda: len(tree.find_tagged(machine.run_id)) > 12, "it forks")
    tree.kill_tree(machine.state, machine.tag)
    assert tree.find_tagged(machine.run_id) == []


def test_another_process_with_the_number_of_the_box_is_left_alone(make):
    machine = make().power_on()
    state = machine.state
    machine.destroy()
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        try:
            tree.kill_tree(state | {"machine_pid": bystander.pid}, "")
            assert bystander.poll() is None
            assert not tree.send((bystander.pid, (tree.started(bystander.pid) or 0) + 1), signal.SIGKILL)
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_state_of_an_earlier_boot_of_the_host_means_no_process(make):
    machine = make().power_on()
    assert tree.box(machine.state) is not None
    assert tree.box(machine.state | {"host_boot_id": "earlier"}) is None


def test_tagged_processes_are_found_by_their_run_alone(make):
    one, other = make("n11").power_on(), make("n12").power_on()
    assert {found.node for found in tree.find_tagged(one.run_id)} == {one.tag}
    assert {one.tag, other.tag} <= {found.node for found in tree.find_tagged()}
    pid, start = tree.find_tagged(one.run_id)[0][:2]
    assert tree.alive(pid, start)
    assert not tree.alive(pid, start + 1)


def test_whoever_kills_is_never_among_the_killed(monkeypatch):
    script = (
        "from seatrial.providers.local import tree\n"
        "tree.kill_tree({}, 'r-t/own')\n"
        "print('alive')\n"
    )  # fmt: skip
    env = {**os.environ, "SEATRIAL_NODE": "r-t/own", "SEATRIAL_RUN_ID": "r"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


def test_a_process_that_ends_while_the_kernel_looks_up_its_file_is_gone(monkeypatch):
    def gone(path, flags):
        raise ProcessLookupError(3, "No such process", path)

    monkeypatch.setattr(os, "open", gone)
    assert tree.started(os.getpid()) is None
    assert not tree.alive(os.getpid(), 1)
