"""Services of a node, as its init runs them."""

from contextlib import suppress
from pathlib import Path


def test_services_start_at_boot_in_the_order_of_their_names(make, mode):
    argv = ["/bin/sh", "-c", "echo $0 >> ../log/order; exec sleep 1000"]
    machine = make(mode=mode, b={"argv": [*argv, "b"]}, a={"argv": [*argv, "a"]}).power_on()
    status = machine.services()
    assert [status[name]["running"] for name in ("a", "b")] == [True, True]
    assert status["a"]["since_boot"] <= status["b"]["since_boot"]


def test_a_service_that_ends_is_told_with_its_exit_code_and_not_restarted(make, until):
    machine = make(web={"argv": ["/bin/sh", "-c", "echo last words; exit 7"]}).power_on()
    until(lambda: machine.services()["web"]["exit_code"] == 7, "its exit code")
    assert machine.services()["web"]["running"] is False
    assert (machine.folder / "log/web.log").read_text() == "last words\n"


def test_start_reads_the_definition_again(make, until):
    machine = make(web={"argv": ["/bin/sleep", "1000"]}).power_on()
    assert machine.ask("seatrial-init stop web") == "stopped"
    assert machine.ask("seatrial-init stop web") == "not running"
    machine.define("web", argv=["/bin/sh", "-c", "echo $COLOUR; exec sleep 1000"], env={"COLOUR": "green"})
    assert machine.ask("seatrial-init start web") == "started"
    assert machine.ask("seatrial-init start web") == "already running"
    until(lambda: "green" in (machine.folder / "log/web.log").read_text(), "the new definition's output")


def test_a_new_service_is_started_without_a_reboot(make):
    machine = make().power_on()
    machine.define("late", argv=["/bin/sleep", "1000"], log=str(machine.folder / "late.log"))
    assert machine.services()["late"]["running"] is False
    assert machine.ask("seatrial-init start late") == "started"
    assert machine.services()["late"]["running"] is True


def test_a_service_whose_program_is_missing_keeps_no_other_back_and_says_why(make):
    machine = make(bad={"argv": ["/no/such/program"]}, web={"argv": ["/bin/sleep", "1000"]}).power_on()
    status = machine.services()
    assert status["web"]["running"]
    assert "No such file" in status["bad"]["error"]
    assert "No such file" in (machine.folder / "log/bad.log").read_text()


def test_a_definition_that_is_no_service_is_refused_with_its_file(make):
    machine = make(bad={"argument": ["/bin/true"]}, odd={"argv": ["/bin/true"], "stop_signal": "NOPE"}).power_on()
    assert "bad.json" in machine.services()["bad"]["error"]
    assert "NOPE" in machine.services()["odd"]["error"]
    refused = machine.ssh("seatrial-init start nothing")
    assert refused.exit_status == 1
    assert "no service 'nothing'; there is bad, odd" in refused.stderr


def test_a_service_has_the_run_in_its_environment_and_the_power_programs_first_in_its_path(make, until):
    argv = ["/bin/sh", "-c", "env; echo WHOLE=yes; exec sleep 1000"]
    machine = make(web={"argv": argv, "env": {"PATH": "/usr/bin:/bin"}}).power_on()
    log = machine.folder / "log/web.log"
    until(lambda: log.exists() and log.read_text().endswith("WHOLE=yes\n"), "its environment")
    text = log.read_text()
    env = dict(line.split("=", 1) for line in text.splitlines())
    assert env["SEATRIAL_NODE"] == machine.tag
    assert env["E2E_RUN_ID"] == f"{machine.run_id}-t"
    assert env["PATH"] == f"{machine.folder}/sbin:/usr/bin:/bin"


def test_stopping_takes_the_whole_group(make, mode, mark, asleep, until):
    machine = make(mode=mode, web={"argv": ["/bin/sh", "-c", f"sleep {mark} & exec sleep {mark}"]}).power_on()
    until(lambda: len(asleep(mark)) == 2, "both sleep")
    assert machine.ask("seatrial-init stop web") == "stopped"
    until(lambda: asleep(mark) == [], "both ended")


def test_the_init_reaps_orphans(make, mode, until):
    machine = make(mode=mode).power_on()
    machine.ask("(sh -c 'sleep 0.05 &' &) ; true")
    guest = machine.state["guest_pid"]

    def children() -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                condition, parent = path.read_text().rpartition(")")[2].split()[:2]
                found += [condition] if int(parent) == guest else []
        return found

    until(lambda: children() == [], "neither child nor zombie is left")
