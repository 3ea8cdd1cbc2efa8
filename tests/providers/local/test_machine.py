"""The box: power on, reboot, power off, crash."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def test_a_machine_answers_ssh_soon_after_it_is_switched_on(make, mode):
    started = time.monotonic()
    machine = make(mode=mode).power_on()
    assert time.monotonic() - started < 20.0  # alone it is about 0.2 s; a machine that waited for a login would take 60
    assert machine.ask("echo $SEATRIAL_NODE $E2E_RUN_ID $SEATRIAL_RUN_ID") == (
        f"{machine.tag} {machine.run_id}-t {machine.run_id}"
    )
    state = machine.state
    assert (state["power"], state["reason"], state["boots"]) == ("on", "running", 1)
    assert state["confinement"]["mode"] == mode
    assert machine.ask("seatrial-init boot-id") == state["boot_id"] == machine.ask("echo $SEATRIAL_BOOT_ID")


@pytest.mark.parametrize(
    "command",
    ["reboot", "reboot -f", "shutdown -r now", "systemctl reboot", "init 6", "seatrial-init reboot", "sysrq b",
     "seatrial-init crash", "sudo=1; /sbin/reboot", "echo b > /proc/sysrq-trigger",
     "sh -c 'seatrial-init reboot; true'"],
)  # fmt: skip
def test_a_reboot_in_the_guest_gives_a_new_boot_id(make, mode, command, safe):
    machine = make(mode=mode, web={"argv": ["/bin/sleep", "1000"]}).power_on()
    safe(machine)
    old = machine.state["boot_id"]
    machine.tell(command)
    new = machine.next_boot(old)
    assert machine.ask("seatrial-init boot-id") == new != old
    assert machine.state["boots"] == 2
    assert machine.services()["web"]["running"]


def test_a_reboot_takes_less_than_half_a_second_on_an_idle_host(make):
    machine = make().power_on()
    old = machine.state["boot_id"]
    taken, starts = [], []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", "import asyncio, asyncssh"], check=True)
        starts.append(time.monotonic() - started)
        started = time.monotonic()
        machine.tell("seatrial-init crash")
        old = machine.next_boot(old)
        taken.append(time.monotonic() - started)
    assert min(taken) < max(0.5, 2 * max(starts))  # as long as two starts of such a program, on a busy one


@pytest.mark.parametrize(
    "command", ["poweroff -f", "poweroff", "halt", "shutdown -h now", "systemctl poweroff", "init 0",
                "seatrial-init poweroff", "seatrial-init poweroff -f", "sysrq o"],
)  # fmt: skip
def test_a_power_off_in_the_guest_stays_off(make, mode, command, safe):
    machine = make(mode=mode).power_on()
    safe(machine)
    machine.tell(command)
    assert machine.ended() == 0
    assert (machine.state["power"], machine.state["reason"]) == ("off", "poweroff")
    assert not machine.answers()


def test_the_power_button_stops_services_in_order(make, mode):
    script = "trap 'echo $0 stopped >> ../log/order; exit 0' TERM; while :; do sleep 0.02; done"
    services = {name: {"argv": ["/bin/sh", "-c", script, name]} for name in ("a", "b", "c")}
    machine = make(mode=mode, **services).power_on()
    os.kill(machine.box.pid, signal.SIGTERM)
    assert machine.ended() == 0
    assert (machine.folder / "log/order").read_text().split("\n")[:3] == ["c stopped", "b stopped", "a stopped"]
    assert (machine.state["power"], machine.state["reason"]) == ("off", "shutdown")


def test_a_service_that_ignores_its_stop_signal_is_ended_when_its_time_is_up(make, mode, mark, asleep, until):
    argv = ["/bin/sh", "-c", f"trap '' TERM; sleep {mark}; sleep {mark}"]
    machine = make(mode=mode, stubborn={"argv": argv, "stop_timeout": 0.1}).power_on()
    until(lambda: asleep(mark), "the service sleeps")
    os.kill(machine.box.pid, signal.SIGTERM)
    assert machine.ended() == 0
    assert asleep(mark) == []
    assert machine.state["reason"] == "shutdown"


def test_a_guest_that_is_killed_is_a_crash_and_ends_the_box(make, mode, mark, asleep, until):
    machine = make(mode=mode, web={"argv": ["sleep", mark]}).power_on()
    until(lambda: asleep(mark), "the service sleeps")
    os.kill(machine.state["guest_pid"], signal.SIGKILL)
    assert machine.ended() == 1
    assert (machine.state["power"], machine.state["reason"]) == ("off", "crashed")
    assert asleep(mark) == []


def test_killing_the_box_kills_the_guest(make, mode, until):
    machine = make(mode=mode).power_on()
    guest = machine.state["guest_pid"]
    os.kill(machine.box.pid, signal.SIGKILL)
    machine.ended()
    until(lambda: not Path(f"/proc/{guest}").exists(), "the guest is gone")
    assert not machine.answers()


def test_a_crash_flushes_nothing_and_asks_no_service(make, mode):
    script = "trap 'echo stopped > ../log/stopped; exit 0' TERM; while :; do sleep 0.02; done"
    machine = make(mode=mode, web={"argv": ["/bin/sh", "-c", script]}).power_on()
    old = machine.state["boot_id"]
    machine.tell("seatrial-init crash")
    machine.next_boot(old)
    assert not (machine.folder / "log/stopped").exists()


def test_a_machine_that_is_on_cannot_be_switched_on_twice(make):
    machine = make().power_on()
    again = subprocess.run(
        [sys.executable, "-m", "seatrial.providers.local.machine", str(machine.folder)],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert again.returncode == 3
    assert "switched on already" in again.stderr
    assert machine.answers()


def test_an_address_that_is_taken_is_a_crash_with_its_reason(make):
    first = make("n11").power_on()
    second = make("n12")
    text = (second.folder / "machine.json").read_text()
    text = text.replace(f'"{second.address}"', f'"{first.address}"').replace(str(second.port), str(first.port))
    (second.folder / "machine.json").write_text(text)
    argv = [sys.executable, "-m", "seatrial.providers.local.machine", str(second.folder)]
    second.box = subprocess.Popen(argv, start_new_session=True)
    assert second.ended(20) == 1
    assert second.state["reason"] == "crashed"
    assert "address already in use" in second.state["error"]
