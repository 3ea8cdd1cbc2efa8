"""While it fails: a person is asked on a terminal, looks into the nodes, and what they change is never a pass."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.acceptance.harness import Document, Project, only, suite, until

QUESTION = "again, continue or end? "


class Terminal:
    """The command on a terminal, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str], ours: int) -> None:
        self.process, self._ours, self._heard = process, ours, b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Linux says so when the other side is closed
                return
            self._heard += data

    @property
    def said(self) -> str:
        """All of it so far; the last letter may come in two parts."""
        return self._heard.decode(errors="ignore").replace("\r\n", "\n")

    def asks(self, times: int) -> None:
        until(lambda: self.said.count(QUESTION) >= times, f"question {times}: {self.said}", 240)

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        self.process.wait(timeout=300)
        self._reader.join(timeout=60)
        return self.process.returncode

    def close(self) -> None:
        """Nothing is on the other side any more, so the reader has come to its end."""
        self._reader.join(timeout=60)
        os.close(self._ours)


@contextmanager
def on_a_terminal(project: Project, *words: object) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    process = project.start(*words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        terminal.close()


def looks_for(file: str) -> Document:
    return {"step": "custom_command", "custom_command": ["test", "-e", file], "id": f"look_{file}"}


NEXT: Document = {"step": "custom_command", "custom_command": ["touch", "next"], "id": "next_one"}


def test_again_and_continue_go_on_and_the_verdict_stays(project: Project) -> None:
    document = project.write("a.json", suite(looks_for("x"), looks_for("y"), NEXT))
    with on_a_terminal(project, "run", "--pause-on-failure", document) as terminal:
        terminal.asks(1)
        assert "PAUSED: trial, step 1 custom_command 'look_x'" in terminal.said
        assert "ended with exit code 1" in terminal.said
        terminal.types("what?\n")
        terminal.asks(2)
        assert "type a, c or e, then Enter, not 'what?'" in terminal.said
        terminal.types("a\n")
        terminal.asks(3)
        (project.folder / "x").touch()
        terminal.types("again\n")
        terminal.asks(4)
        assert "step 2 custom_command 'look_y'" in terminal.said
        assert not (project.folder / "next").exists()
        terminal.types("C\n")
        assert terminal.ended() == 1
    assert (project.folder / "next").exists()
    row = only(project.results()["results"])
    assert (row["verdict"], [step["verdict"] for step in row["workflow_steps"]]) == (
        "failed",
        ["passed", "failed", "passed"],
    )
    assert "exit code 1" in row["error"], "the first failure"
    answers = [event["data"]["answer"] for event in project.events() if event["kind"] == "resumed"]
    assert answers == ["again", "again", "continue"]
    assert project.left() == []


@pytest.mark.parametrize(("way", "code"), [("end", 1), ("end of the input", 1), ("Ctrl-C", 130)])
def test_end_and_ctrl_c_clean_up_and_nobody_is_asked_again(way: str, code: int, project: Project) -> None:
    group: Document = {"step": "group", "steps": [looks_for("x"), NEXT], "finally": [looks_for("z")]}
    document = project.write("a.json", suite(group))
    with on_a_terminal(project, "run", "--pause-on-failure", document) as terminal:
        terminal.asks(1)
        terminal.types({"end": "e\n", "end of the input": "\x04", "Ctrl-C": ""}[way])
        if way == "Ctrl-C":
            terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == code
        assert terminal.said.count("PAUSED") == 1
    assert not (project.folder / "next").exists()
    assert project.left() == []


def test_only_a_failure_that_decides_asks(project: Project) -> None:
    never = looks_for("never")
    steps: list[Document] = [
        never | {"allow_failure": True},
        {"step": "group", "expect": "failure", "steps": [never | {"id": "b"}]},
        {"step": "group", "retry": {"max_attempts": 2}, "steps": [never | {"id": "c"}]},
    ]
    document = project.write("a.json", suite(*steps))
    with on_a_terminal(project, "run", "--pause-on-failure", document) as terminal:
        terminal.asks(1)
        assert "step 3 group" in terminal.said
        terminal.types("e\n")
        assert terminal.ended() == 1
        assert terminal.said.count("PAUSED") == 1


def test_no_time_limit_runs_while_a_person_looks(project: Project) -> None:
    slow: Document = {"step": "custom_command", "custom_command": ["sleep", "0.2"]}
    group: Document = {"step": "group", "timeout": "6s", "steps": [looks_for("x"), slow, NEXT]}
    document = project.write("a.json", suite(group) | {"timeout": "7s"})
    with on_a_terminal(project, "run", "--pause-on-failure", document) as terminal:
        terminal.asks(1)
        with pytest.raises(subprocess.TimeoutExpired):
            terminal.process.wait(8)
        terminal.types("c\n")
        assert terminal.ended() == 1
    assert (project.folder / "next").exists()


def test_without_a_terminal_it_is_refused_before_anything_starts(project: Project) -> None:
    document = project.write("a.json", suite(NEXT))
    done = project.seatrial("run", "--pause-on-failure", document, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "asks on a terminal" in done.stderr
    assert "use --keep failed" in done.stderr
    assert project.runs() == []
    assert not (project.folder / "next").exists()


def test_a_shell_into_a_paused_run_and_into_kept_nodes(project: Project) -> None:
    document = project.write(
        "a.json", suite("deploy", {"step": "validate", "checks": ["cluster_critical"]}, provider="local",
                        parameters={"cluster_size": 2})
    )  # fmt: skip
    with on_a_terminal(project, "run", "--pause-on-failure", "--keep", "failed", document) as terminal:
        terminal.asks(1)
        (run,) = project.runs()
        assert f"seatrial shell {run.name} n11" in terminal.said
        into(project, "last")
        terminal.types("e\n")
        assert terminal.ended() == 1
    into(project, run.name[:12])
    with on_a_terminal(project, "shell", "last", "n12") as shell:
        shell.types("echo node $(hostname); exit 7\n")
        assert shell.ended() == 7
        assert "node n12" in shell.said
    for words, message in {
        ("n13",): "no node 'n13' to enter in run",
        (): "which node?; nodes: n11, n12",
        ("n11", "--suite", "b"): "has no nodes to enter",
    }.items():
        refused = project.seatrial("shell", "last", *words)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
        assert message in refused.stderr
    assert project.seatrial("clean", "--all").returncode == 0
    gone = project.seatrial("shell", "last", "n11")
    assert gone.returncode == 2
    assert "none were kept, or they were removed\n    keep them: seatrial run --keep failed" in gone.stderr
    assert project.left() == []


def into(project: Project, run: str) -> None:
    done = project.seatrial("shell", run, "n11", "--", "sh", "-c", 'hostname; echo "$1"; exit 3', "-", "a  b")
    assert (done.returncode, done.stdout) == (3, "n11\na  b\n"), done.stderr


# Steps again, on a kept cluster

CRASH: Document = {"step": "crash_node", "target_node": "n11", "method": "destroy"}
START: Document = {"step": "start_node", "target_node": "n11"}


def losing(expected: str, **more: object) -> Document:
    check: Document = {"step": "validate", "checks": [expected], **more}
    whole: Document = {"step": "validate", "checks": ["cluster_status", "data_integrity"], "retry": {"timeout": "120s"}}
    say: Document = {"step": "custom_command", "id": "say", "env": {"N": "${{ steps.deploy.outputs.state }}"},
                     "custom_command": "echo $N $SEATRIAL_DEPLOYMENT_ID >>said"}  # fmt: skip
    return suite("init", "deploy", CRASH, check, START, whole, say, parameters={"cluster_size": 2})


def again(project: Project, *words: object) -> subprocess.CompletedProcess[str]:
    return project.seatrial("step", "last", *words)


def test_steps_run_again_on_a_kept_cluster_until_they_pass(project: Project) -> None:
    document = project.write("a.json", losing("node_status:n12:stopped"))
    assert project.seatrial("run", document, "--keep", "failed").returncode == 1
    before = project.results()
    wrong = again(project, "4")
    assert wrong.returncode == 1, wrong.stdout
    project.write("a.json", losing("cluster_critical", retry={"timeout": "120s"}))
    done = again(project, "4..")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = project.runs()
    assert project.results() == before, "the run's own results stay as they were"
    row = only(json.loads((run / "again-2" / "results.json").read_text())["results"])
    kinds = [(step["step"], step["step_type"], step["verdict"]) for step in row["workflow_steps"]]
    assert kinds == [("0", "resume", "passed"), ("4", "validate", "passed"), ("5", "start_node", "passed"),
                     ("6", "validate", "passed"), ("7", "custom_command", "passed")]  # fmt: skip
    assert row["deployment_id"] == before["results"][0]["deployment_id"]
    assert (project.folder / "said").read_text() == f"running {row['deployment_id']}\n"
    assert "seatrial shell" not in done.stderr
    assert project.seatrial("shell", "last", "n11", "--", "hostname").stdout == "n11\n"
    assert again(project, "say", "--keep", "never").returncode == 0
    assert project.left() == []


def test_a_killed_step_leaves_what_clean_gives_back(project: Project) -> None:
    sleep: Document = {"step": "custom_command", "custom_command": "touch at-work; sleep 600"}
    document = project.write("a.json", suite("deploy", looks_for("x"), sleep, parameters={"cluster_size": 1}))
    assert project.seatrial("run", document, "--keep", "failed").returncode == 1
    process = project.start("step", "last", "3")
    until((project.folder / "at-work").exists, "the step")
    busy = again(project, "3")
    assert (busy.returncode, "is at work, or another `seatrial step`" in busy.stderr) == (2, True)
    process.kill()
    process.communicate()
    assert project.seatrial("clean", "--all").returncode == 0
    assert project.left() == []


def test_steps_run_again_on_a_deployers_cluster(project: Project) -> None:
    up = 'test -e $deployment_dir/state && test "$SEATRIAL_PORT_WEB" = "$(cat $deployment_dir/state)"'
    system: Document = {
        "kind": "command",
        "ports": ["web"],
        "deploy": "echo $SEATRIAL_PORT_WEB >$deployment_dir/state",
        "destroy": "rm -f $deployment_dir/state",
        "status": f"""{up} && echo '{{"state": "running"}}' || echo '{{"state": "destroyed"}}'""",
    }
    check: Document = {"step": "validate", "checks": ["cluster_status"]}
    document = project.write("a.json", suite("deploy", looks_for("x"), check, system=system, trust="reported"))
    assert project.seatrial("run", document, "--keep", "failed").returncode == 1
    done = again(project, "3", "--keep", "never")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(project.folder.rglob("deployment/state")) == []
    assert project.left() == []


def test_steps_that_cannot_run_again_are_refused_with_what_to_do(project: Project) -> None:
    document = project.write("a.json", suite("deploy", looks_for("x"), NEXT, parameters={"cluster_size": 1}))
    assert project.seatrial("run", document, "--keep", "failed").returncode == 1
    for words, message in {
        ("1",): "step 1 (deploy) made the cluster, which stands already: begin at 2",
        ("4",): "no step '4': the suite has the steps 1 to 3; write 4, 4.. or 4..6",
        ("3..2",): "no step '3..2'",
        ("next_on",): "did you mean 'next_one'?",
        ("2", "--suite", "other"): "keeps no cluster of 'other'; suites: trial",
    }.items():
        refused = again(project, *words)
        assert refused.returncode == 2, refused.stdout
        assert message in refused.stderr
    assert not list(project.runs()[0].glob("again-*")), "nothing was begun"
    assert project.seatrial("clean", "--all").returncode == 0
    gone = again(project, "2")
    assert gone.returncode == 2
    assert "keeps nothing\n    keep its nodes: seatrial run --keep failed" in gone.stderr
