"""Shared services: started once for all runs, leased by each, watched, and stopped when nobody uses them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, contents_below, processes_of
from tests.backends import tables

from seatrial.links.process import process_start

SERVER = Path(__file__).with_name("shared_server.py")

SYSTEM = {"kind": "command", "deploy": "true", "destroy": "true"}
ANSWERS = {"step": "validate", "checks": [{"check": "http", "url": "${{ services.pier.url }}/", "status": 200}]}

SERVES = (
    "import http.server as h, sys; "
    "h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.BaseHTTPRequestHandler).serve_forever()"
)

WAITS = """
import pathlib, sys, time
here, until = map(pathlib.Path, sys.argv[1:])
here.touch()
while not until.exists():
    time.sleep(0.02)
"""


def settings(project: Project, **more: Any) -> None:
    """`[services.pier]` of the project: a server with a short time without users."""
    (project.folder / "wait.py").write_text(WAITS)
    port = more.pop("port", None)
    env = more.pop("env", {})
    service = {
        "command": [sys.executable, str(SERVER), "${{ service.port }}", str(project.folder / "journal")],
        "health": {"http": "/", "contains": "ours", "timeout": "120s"},
        "idle": "500ms",
        **({"port": port} if port else {}),
        **more,
    }
    write_settings(project, {"pier": {**service, "env": env}})


def write_settings(project: Project, services: dict[str, Any]) -> None:
    text = "".join(f"services.{name} = {toml(service)}\n" for name, service in services.items())
    (project.folder / "seatrial.toml").write_text(text)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def suite(*steps: Any, **more: Any) -> Document:
    return {"services": ["pier"], "system": SYSTEM, "workflow": list(steps), **more}


def waiting(name: str) -> Any:
    """A step that says it is there, and waits until the test lets it go."""
    return {"step": "custom_command", "custom_command": [sys.executable, "wait.py", f"here-{name}", "go"]}


def journal(project: Project) -> list[str]:
    file = project.folder / "journal"
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


def eventually(holds: Callable[[], object], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def rows(project: Project) -> dict[str, Any]:
    found = json.loads(project.seatrial("services", "--format", "json").stdout)
    return {row["name"]: row for row in found}


def pid_of(project: Project) -> int:
    return int((project.folder / "journal").read_text().splitlines()[-1].split()[1])


def stopped(project: Project) -> bool:
    keepers = [what for _, what in processes_of(project.folder) if "services.keeper" in what]
    return not keepers and project.left() == []


def let_go(project: Project) -> None:
    (project.folder / "go").touch()


def error_of(project: Project, name: str = "") -> str:
    result = project.results()["results"]
    (row,) = [row for row in result if not name or name in row["test_id"]]
    return str(row["error"])


def test_many_runs_start_it_once_and_stop_it_once_and_the_lease_of_a_killed_run_ends(project: Project) -> None:
    number = 30 if tables.every() else 6
    settings(project)
    document = project.write("a.json", suite(waiting("${{ run.id }}"), ANSWERS))
    runs = [project.start("run", document, "--format", "none") for _ in range(number)]
    eventually(lambda: len(list(project.folder.glob("here-*"))) == number, "every run has its lease", 300)
    assert len(rows(project)["pier"]["users"]) == number
    killed, others = runs[: number // 3], runs[number // 3 :]
    for run in killed:
        run.kill()
        run.communicate()
    eventually(lambda: len(rows(project)["pier"]["users"]) == len(others), "the leases of dead runs end")
    let_go(project)
    for run in others:
        out, err = run.communicate(timeout=300)
        assert run.returncode == 0, out + err
    assert project.seatrial("clean", timeout=300).returncode == 0
    eventually(lambda: stopped(project), "nobody uses it")
    assert journal(project) == ["started", "stopped"]


def test_three_flows_share_one_service_and_do_not_notice_each_other(project: Project) -> None:
    settings(project)
    killed = {"step": "custom_command", "custom_command": "kill -9 $$"}
    failing = {"step": "validate", "checks": [{"check": "http", "url": "${{ services.pier.url }}/", "status": 418}]}
    flows: dict[str, list[Any]] = {
        "killed": [killed],
        "failing": [failing],
        "slow": [{"step": "wait", "for": "1s"}, ANSWERS],
    }
    documents = [project.write(f"{name}.json", suite(*steps)) for name, steps in flows.items()]
    done = project.seatrial("run", *documents, "--parallel", 3)
    assert done.returncode == 1, done.stdout
    verdicts = {row["test_id"].rpartition("-")[2]: row["verdict"] for row in project.results()["results"]}
    assert verdicts == {"killed": "unknown", "failing": "failed", "slow": "passed"}
    eventually(lambda: stopped(project), "nobody uses it")
    assert journal(project) == ["started", "stopped"]


@pytest.mark.parametrize("durable", [False, True])
def test_a_service_killed_under_a_run_is_restarted_and_spoils_its_verdict(project: Project, durable: bool) -> None:
    settings(project, durable=durable)
    run = project.start("run", project.write("a.json", suite(waiting("x"), ANSWERS)))
    eventually((project.folder / "here-x").exists, "the run has its lease")
    os.kill(pid_of(project), signal.SIGKILL)
    eventually(lambda: journal(project) == ["started", "started"], "it is started again")
    eventually(lambda: rows(project)["pier"]["state"] == "healthy", "it is healthy again")
    let_go(project)
    out, err = run.communicate(timeout=300)
    assert "was killed by SIGKILL" in out + err
    if durable:
        assert run.returncode == 0, out + err
    else:
        assert run.returncode == 3, out + err
        assert "lost during the suite: the service pier ended" in error_of(project)
        assert "every step passed" in error_of(project)
    eventually(lambda: stopped(project), "nobody uses it")


def test_a_failure_while_the_service_is_down_is_not_the_product_s(project: Project) -> None:
    settings(project, durable=True, restarts=0)
    run = project.start("run", project.write("a.json", suite(waiting("x"), ANSWERS)))
    eventually((project.folder / "here-x").exists, "the run has its lease")
    os.kill(pid_of(project), signal.SIGKILL)
    eventually(lambda: rows(project)["pier"]["state"] != "healthy", "its keeper sees it")
    let_go(project)
    out, err = run.communicate(timeout=300)
    assert run.returncode == 3, out + err
    assert "the service pier ended" in error_of(project)
    eventually(lambda: stopped(project), "it has failed")


def test_a_port_taken_by_a_stranger_is_named_with_its_owner(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        settings(project, port=port)
        done = project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert done.returncode == 3, done.stdout
    program = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    assert f"its port {port} is taken by process {os.getpid()} ({program})" in error_of(project)
    assert journal(project) == []
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_service_that_answers_wrongly_is_never_healthy(project: Project) -> None:
    settings(project, env={"WORD": "foreign"}, health={"http": "/", "contains": "ours", "timeout": "15s"})
    done = project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert done.returncode == 3, done.stdout
    assert "was not healthy within 15 s: " in error_of(project)
    assert "does not contain 'ours': 'foreign" in error_of(project)
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_service_with_a_wrong_status_is_never_healthy(project: Project) -> None:
    settings(project, env={"STATUS": "503"}, health={"http": "/", "timeout": "15s"})
    project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert "answered 503" in error_of(project)
    eventually(lambda: stopped(project), "nothing of it is left")


def test_the_last_lines_of_a_service_that_never_gets_healthy_are_in_the_result(project: Project) -> None:
    settings(project, env={"DEAF": "yes"}, health={"timeout": "15s"})
    done = project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert done.returncode == 3, done.stdout
    assert "does not answer: connection refused; its last output: cannot open the sea chart" in error_of(project)
    (row,) = project.results()["results"]
    assert "opening the harbour" in row["evidence"]
    assert "cannot open the sea chart" in project.seatrial("services", "logs", "pier").stdout
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_service_that_ends_at_once_says_how(project: Project) -> None:
    settings(project, command=[sys.executable, "-c", "import sys; print('no such berth'); sys.exit(7)"])
    project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert "exit code 7 before it was healthy; its last output: no such berth" in error_of(project)
    settings(project, command=["no-such-program-here"])
    project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert "the program 'no-such-program-here' is not installed" in error_of(project)
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_killed_keeper_spoils_the_verdict_and_leaves_nothing(project: Project) -> None:
    settings(project)
    run = project.start("run", project.write("a.json", suite(waiting("x"), ANSWERS)))
    eventually((project.folder / "here-x").exists, "the run has its lease")
    keeper = rows(project)["pier"]["keeper"]
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: process_start(keeper) == "", "it is dead, if not yet reaped")
    let_go(project)
    out, err = run.communicate(timeout=300)
    assert run.returncode == 3, out + err
    assert "keeper of the service pier ended" in error_of(project)
    eventually(lambda: stopped(project), "nothing of it is left")


def test_clean_leaves_a_living_service_alone_and_removes_a_dead_one(project: Project) -> None:
    settings(project)
    assert "pier is healthy" in project.seatrial("services", "start").stdout
    cleaned = project.seatrial("clean")
    assert "skipped: service pier: running" in cleaned.stdout
    keeper = rows(project)["pier"]["keeper"]
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: rows(project)["pier"]["state"] == "dead", "its keeper is dead")
    os.kill(pid_of(project), 0)
    assert "would remove service pier" in project.seatrial("clean", "--dry-run").stdout
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0
    assert "removed service pier" in cleaned.stdout
    assert project.left() == []
    assert process_start(pid_of(project)) == ""  # dead, if not yet reaped


def test_the_next_run_removes_what_a_dead_keeper_left(project: Project) -> None:
    settings(project)
    project.seatrial("services", "start")
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    document = project.write("a.json", {"system": SYSTEM, "workflow": [{"step": "wait", "for": "1ms"}]})
    project.seatrial("run", document)
    assert project.left() == []


def test_a_service_in_use_is_stopped_by_force_alone(project: Project) -> None:
    settings(project)
    run = project.start("run", project.write("a.json", suite(waiting("x"), ANSWERS)))
    eventually((project.folder / "here-x").exists, "the run has its lease")
    refused = project.seatrial("services", "stop", "pier")
    assert refused.returncode == 3
    assert "is in use by run r" in refused.stderr
    assert project.seatrial("services", "stop", "pier", "--force").stdout == "stopped pier\n"
    let_go(project)
    run.communicate(timeout=300)
    assert run.returncode == 3
    assert "was stopped by a person" in error_of(project)
    assert journal(project) == ["started", "stopped"]
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_service_with_another_definition_is_not_taken_for_this_one(project: Project) -> None:
    settings(project)
    run = project.start("run", project.write("a.json", suite(waiting("x"), ANSWERS)))
    eventually((project.folder / "here-x").exists, "the run has its lease")
    settings(project, env={"WORD": "ours too"})
    other = project.seatrial("run", project.write("b.json", suite(ANSWERS)))
    assert other.returncode == 3
    assert "with another definition" in error_of(project)
    assert "is in use by run r" in error_of(project)
    let_go(project)
    run.communicate(timeout=300)
    assert run.returncode == 0
    # Unused, it makes room at once.
    assert project.seatrial("run", project.write("b.json", suite(ANSWERS))).returncode == 0
    eventually(lambda: stopped(project), "nobody uses it")


def test_a_service_that_a_person_holds_makes_no_room(project: Project) -> None:
    settings(project)
    project.seatrial("services", "start")
    settings(project, env={"WORD": "ours too"})
    assert project.seatrial("run", project.write("a.json", suite(ANSWERS))).returncode == 3
    assert "is in use by a person, until `seatrial services stop`" in error_of(project)
    assert rows(project)["pier"]["held"]
    project.seatrial("services", "stop", "pier")
    assert project.seatrial("run", project.write("a.json", suite(ANSWERS))).returncode == 0
    eventually(lambda: stopped(project), "nobody uses it")


def test_secrets_of_a_service_are_in_no_file_and_no_argument(project: Project) -> None:
    secret = "a-word-nobody-may-read"
    url = "http://pilot:${{ secrets.PIER_PW }}@127.0.0.1:${{ service.port }}"
    settings(project, env={"PW": "${{ secrets.PIER_PW }}"}, url=url, health={})
    environment = {**project.environment, "PIER_PW": secret}
    seen = {"step": "custom_command", "custom_command": "printf '%s' \"$SEATRIAL_SERVICE_PIER_URL\" >url"}
    document = project.write("a.json", suite(seen, waiting("x"), ANSWERS))
    run = project.start("run", document, env=environment)
    eventually((project.folder / "here-x").exists, "the run has its lease")
    assert (project.folder / "url").read_text().startswith(f"http://pilot:{secret}@127.0.0.1:")
    listed = project.seatrial("services", env=environment).stdout
    assert "http://***@127.0.0.1:" in listed
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                assert secret.encode() not in Path(f"/proc/{entry}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
    # Now, for an end of the service may remove some of them.
    kept = list(contents_below(project.folder / "xdg"))
    assert kept
    for file in (project.folder / "xdg" / "seatrial" / "services").rglob("*"):
        with suppress(FileNotFoundError):  # one that the keeper has just replaced
            assert file.is_socket() or file.stat().st_mode & 0o077 == 0, file
    let_go(project)
    out, err = run.communicate(timeout=300)
    eventually(lambda: stopped(project), "nobody uses it")
    for top in ("xdg", ".seatrial"):
        kept += contents_below(project.folder / top)
    assert not [text for text in (out, err, listed) if secret in text]
    assert not [file for file, content in kept if secret.encode() in content]


def test_a_service_lives_as_long_as_one_that_needs_it(project: Project) -> None:
    settings(project)
    server = [sys.executable, str(SERVER), "${{ service.port }}", str(project.folder / "journal-jetty")]
    jetty = {
        "command": server, "needs": ["pier"], "idle": "10m",
        "env": {"WORD": "ours beside ${{ services.pier.port }}"}, "health": {"http": "/", "contains": "ours beside"},
    }  # fmt: skip
    text = (project.folder / "seatrial.toml").read_text()
    (project.folder / "seatrial.toml").write_text(f"{text}services.jetty = {toml(jetty)}\n")
    steps = {"step": "validate", "checks": [{"check": "http", "url": "${{ services.jetty.url }}/", "status": 200}]}
    document = {"system": SYSTEM, "workflow": [steps]}
    done = project.seatrial("run", project.write("a.json", document))
    assert done.returncode == 0, done.stdout
    time.sleep(1.0)  # longer than `idle` of the pier, which its user holds
    assert journal(project) == ["started"]
    assert rows(project)["pier"]["users"] == ["service jetty"]
    project.seatrial("services", "stop", "jetty")
    eventually(lambda: stopped(project), "nobody uses it")
    assert journal(project) == ["started", "stopped"]


def test_all_services_are_stopped_those_that_others_need_last(project: Project) -> None:
    settings(project)
    server = [sys.executable, str(SERVER), "${{ service.port }}", str(project.folder / "journal-quay")]
    quay = {"command": server, "needs": ["pier"], "env": {"WORD": "ours"}, "health": {"http": "/", "contains": "ours"}}
    text = (project.folder / "seatrial.toml").read_text()
    (project.folder / "seatrial.toml").write_text(f"{text}services.quay = {toml(quay)}\n")
    assert project.seatrial("services", "start", "quay").returncode == 0
    done = project.seatrial("services", "stop")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["stopped quay", "stopped pier"]
    eventually(lambda: stopped(project), "nothing of them is left")


def test_an_endpoint_is_used_as_it_is(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        write_settings(project, {"pier": {"endpoint": f"127.0.0.1:{port}"}})
        check = {"step": "validate", "checks": [{"check": "tcp", "host": "127.0.0.1", "port": port}]}
        assert project.seatrial("run", project.write("a.json", suite(check))).returncode == 0
    write_settings(project, {"pier": {"endpoint": f"127.0.0.1:{port}", "health": {"timeout": "1s"}}})
    assert project.seatrial("run", project.write("a.json", suite(check))).returncode == 3
    assert f"127.0.0.1:{port} does not answer: connection refused; Seatrial does not start it" in error_of(project)


def test_what_a_command_brings_up_is_removed_by_its_other_command(project: Project) -> None:
    flag = project.folder / "cluster"
    service = {
        "start": ["touch", str(flag)], "stop": ["rm", "-f", str(flag)], "idle": "100ms",
        "health": {"command": ["test", "-e", str(flag)]},
    }  # fmt: skip
    write_settings(project, {"pier": service})
    step = {"step": "custom_command", "custom_command": ["test", "-e", "cluster"]}
    done = project.seatrial("run", project.write("a.json", suite(step)))
    assert done.returncode == 0, done.stdout
    eventually(lambda: stopped(project), "nobody uses it")
    assert not flag.exists()
    # A killed keeper: `clean` runs the other command.
    project.seatrial("services", "start")
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    assert flag.exists()
    assert "removed service pier" in project.seatrial("clean").stdout
    assert not flag.exists()


def test_a_service_that_cannot_be_removed_is_forgotten_and_what_remains_is_named(project: Project) -> None:
    service = {
        "start": ["true"],
        "stop": ["sh", "-c", "echo no such host >&2; exit 1"],
        "health": {"command": ["true"]},
    }
    write_settings(project, {"pier": service})
    project.seatrial("services", "start")
    assert project.seatrial("services", "stop", "--forget").returncode == 2
    assert "no service 'quay' runs" in project.seatrial("services", "stop", "quay", "--forget").stderr
    done = project.seatrial("services", "stop", "pier", "--forget")
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout.startswith("forgot pier\nLEFT BEHIND: service pier: what `sh -c")
    assert "no such host" in done.stdout
    assert rows(project)["pier"]["state"] == "stopped"
    assert project.seatrial("clean").returncode == 0
    eventually(lambda: stopped(project), "nothing of it is left")


def test_the_other_command_has_the_variables_of_its_service_also_after_a_killed_keeper(project: Project) -> None:
    flag, secret = project.folder / "cluster", "a-word-nobody-may-read"
    service = {
        "start": ["sh", "-c", 'touch "$FLAG"'],
        "stop": ["sh", "-c", 'test "$PW" = a-word"-nobody-may-read" && rm "$FLAG"'],
        "health": {"command": ["true"]}, "env": {"FLAG": str(flag), "PW": "${{ secrets.PIER_PW }}"},
    }  # fmt: skip
    write_settings(project, {"pier": service})
    environment = {**project.environment, "PIER_PW": secret}
    project.seatrial("services", "start", env=environment)
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    for file in (project.folder / "xdg").rglob("*"):
        assert not file.is_file() or secret not in file.read_text(errors="replace"), file
    without = project.seatrial("clean")
    assert "the environment variable PIER_PW is needed" in without.stdout + without.stderr
    assert flag.exists()
    assert "removed service pier" in project.seatrial("clean", env=environment).stdout
    assert not flag.exists()


def test_a_kept_folder_whose_preparation_failed_is_prepared_again(project: Project) -> None:
    allowed = project.folder / "allowed"
    prepare = [["mkdir", "half"], ["test", "-e", str(allowed)], ["touch", "whole"]]
    settings(project, prepare=prepare, keep_data=True, health={"command": ["test", "-e", "whole"]})
    assert "it could not be prepared" in project.seatrial("services", "start").stderr
    allowed.touch()
    assert "pier is healthy" in project.seatrial("services", "start").stdout
    project.seatrial("services", "stop", "pier")
    allowed.unlink()
    assert "pier is healthy" in project.seatrial("services", "start").stdout  # its data are kept
    project.seatrial("services", "stop", "pier")
    assert (project.folder / "xdg/seatrial/services/pier/data/whole").exists()
    eventually(lambda: not processes_of(project.folder), "its keeper has ended")


def test_a_service_called_gitea_is_where_the_environment_says(project: Project) -> None:
    settings(project)
    text = (project.folder / "seatrial.toml").read_text().replace("services.pier", "services.gitea")
    (project.folder / "seatrial.toml").write_text(text)
    step = {"step": "custom_command", "custom_command": "printf '%s' \"$E2E_GITEA_API_URL\" >url"}
    document = {**suite(step), "services": ["gitea"]}
    assert project.seatrial("run", project.write("a.json", document)).returncode == 0
    port = (project.folder / "url").read_text().removeprefix("http://127.0.0.1:").removesuffix("/api/v1")
    assert port.isdigit()
    project.seatrial("services", "stop", "gitea")
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_stranger_who_answers_in_place_of_the_service_is_named(project: Project) -> None:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    settings(project, port=port, command=["sh", "-c", f"touch {project.folder}/begun; sleep 1000"])
    run = project.start("run", project.write("a.json", suite(ANSWERS)))
    eventually((project.folder / "begun").exists, "the program runs, and does not listen")
    with socket.create_server(("127.0.0.1", port)):
        out, err = run.communicate(timeout=300)
    assert run.returncode == 3, out + err
    assert f"is not what answers on its port {port}: that is process {os.getpid()} (" in error_of(project)
    eventually(lambda: stopped(project), "nothing of it is left")


def test_a_program_of_its_health_is_found_in_the_project(project: Project) -> None:
    program = project.folder / "healthy"
    program.write_text("#!/bin/sh\ntest -d . && pwd\n")
    program.chmod(0o755)
    settings(project, health={"command": ["./healthy"], "timeout": "120s"})
    done = project.seatrial("run", project.write("a.json", suite(ANSWERS)))
    assert done.returncode == 0, done.stdout
    eventually(lambda: stopped(project), "nobody uses it")


def test_the_log_is_masked_by_the_service_s_own_secrets(project: Project) -> None:
    secret = "a-word-nobody-may-read"
    settings(project)
    talks = [sys.executable, "-u", "-c", f"import os; print('pw', os.environ['PW']); {SERVES}", "${{ service.port }}"]
    own = {"pier": {"command": talks, "env": {"PW": "${{ secrets.PIER_PW }}"}, "idle": "500ms"}}
    document = project.write("a.json", {**suite(waiting("x")), "services": own})
    run = project.start("run", document, env={**project.environment, "PIER_PW": secret})
    eventually((project.folder / "here-x").exists, "the run has its lease")
    assert project.seatrial("services", "logs", "pier").stdout.startswith("pw ***")
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    refused = project.seatrial("services", "logs", "pier")
    assert refused.returncode == 3
    assert "its log is not masked: set the secrets PIER_PW, or read " in refused.stderr
    let_go(project)
    run.communicate(timeout=300)
    project.seatrial("run", document, env={**project.environment, "PIER_PW": secret})
    eventually(lambda: stopped(project), "nobody uses it")
    assert project.seatrial("services", "logs", "pier").stdout.startswith("pw ***")


def test_a_password_in_a_url_is_in_no_message(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    health = {"http": f"http://pilot:a-word-nobody-may-read@127.0.0.1:{port}/", "timeout": "3s"}
    settings(project, health=health)
    done = project.seatrial("services", "start")
    assert done.returncode == 3
    assert "***@127.0.0.1" in done.stderr
    assert "a-word-nobody-may-read" not in done.stdout + done.stderr
    eventually(lambda: stopped(project), "nothing of it is left")
