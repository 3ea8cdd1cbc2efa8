"""Command lines that name the host's power programs."""

import subprocess
from pathlib import Path

import pytest

from seatrial.errors import UsageError
from seatrial.providers.local import shims

FOLDER = Path("/node")


@pytest.mark.parametrize(
    "command, becomes",
    [
        ("/sbin/reboot -f", "/node/sbin/reboot -f"),
        ("sudo /usr/sbin/poweroff", "sudo /node/sbin/poweroff"),
        ("sync;/bin/systemctl poweroff", "sync;/node/sbin/systemctl poweroff"),
        ("//usr//sbin/./halt", "/node/sbin/halt"),
        ("busybox reboot -f", "/node/sbin/reboot -f"),
        ("echo b > /proc/sysrq-trigger", "echo b > /node/run/sysrq"),
        ("echo b >/proc//sysrq-trigger", "echo b >/node/run/sysrq"),
        ("echo 1 > /proc/sys/kernel/sysrq", "echo 1 > /dev/null"),
        ("cat /var/log/reboot /sbin/rebooted", "cat /var/log/reboot /sbin/rebooted"),
        ("ls /etc/init.d /sbin/init-script", "ls /etc/init.d /sbin/init-script"),
        ("kill -9 123; kill -1 77", "kill -9 123; kill -1 77"),
    ],
)
def test_the_fallback_reroutes_the_programs_of_the_host(command, becomes):
    assert shims.reroute(command, FOLDER, confined=False) == becomes


@pytest.mark.parametrize(
    "command", ["cd /proc && echo b > sysrq-trigger", "kill -9 -1", "kill -- -1", "echo V > /dev/watchdog"]
)
def test_the_fallback_refuses_what_it_cannot_reroute(command):
    with pytest.raises(shims.Refused, match="nothing was run"):
        shims.reroute(command, FOLDER, confined=False)


def test_a_confined_node_keeps_its_command_lines(monkeypatch):
    assert shims.reroute("/sbin/reboot -f; kill -9 -1", FOLDER, confined=True) == "/sbin/reboot -f; kill -9 -1"


def test_a_refused_command_line_runs_nothing(make):
    machine = make(mode="plain").power_on()
    result = machine.ssh("touch made; kill -9 -1")
    assert result.exit_status == 126
    assert "nothing was run" in result.stderr
    assert not (machine.folder / "home/made").exists()


@pytest.mark.parametrize("program", ["reboot", "poweroff", "halt", "sysrq"])
def test_a_power_program_run_outside_of_its_node_does_nothing(tmp_path, program):
    shims.write(tmp_path, "r-t/n11")
    # Its signal could at worst go to this sleeping process, which is not the node's init.
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        try:
            done = subprocess.run(
                [str(tmp_path / "sbin" / program), *(["b"] if program == "sysrq" else [])],
                env={"PATH": "/usr/bin:/bin", "SEATRIAL_INIT_PID": str(bystander.pid)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert bystander.poll() is None
        finally:
            bystander.kill()
    assert done.returncode == 1
    assert "nothing was done" in done.stderr


def test_a_delayed_shutdown_is_refused(make):
    machine = make().power_on()
    result = machine.ssh("shutdown -r +5")
    assert result.exit_status == 1
    assert "only be told 'now'" in result.stderr
    assert machine.state["boots"] == 1


def test_a_folder_that_path_cannot_carry_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no ':'"):
        shims.require_carried(tmp_path / "a:b")


def test_a_folder_with_quotes_and_spaces_is_carried(make):
    machine = make("it's a node").power_on()
    old = machine.state["boot_id"]
    machine.tell("reboot")
    machine.next_boot(old)
    assert machine.ask("sh -c 'seatrial-init boot-id'") == machine.state["boot_id"]
