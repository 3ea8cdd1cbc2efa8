"""First mistakes of a newcomer with `seatrial init`: each message says what is wrong, where, and what to do instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.app.init.test_init import CLUSTER, COMPOSE, WORKFLOWS, filled

from seatrial.cli import main

NOT_EXECUTABLE = CLUSTER.removeprefix("#!/bin/sh\n")

MISTAKES = {
    "the deployer is not executable": (
        {"deploy.sh": NOT_EXECUTABLE}, [], 0,
        ["found   no deployment", "Make it executable, and run `seatrial init` again", "chmod +x deploy.sh"],
    ),
    "a file in place of the folder": (
        {"cluster.sh": CLUSTER}, ["cluster.sh"], 2,
        ["cluster.sh is a file", "takes the folder of a deployment: seatrial init ."],
    ),
    "a system in place of the folder": (
        {"cluster.sh": CLUSTER}, ["command"], 2,
        ["'command' is a system, and no folder here has this name", "seatrial init --system command"],
    ),
    "a misspelt folder": (
        {"shop/cluster.sh": CLUSTER}, ["shpo"], 0, ["made    shpo (a new folder; did you mean shop?)"],
    ),
    "a misspelt system": (
        {"cluster.sh": CLUSTER}, ["--system", "comand"], 2, ["the system 'comand'; did you mean 'command'?"],
    ),
    "the name of a tool": (
        {"compose.yaml": COMPOSE}, ["--system", "docker-compose"], 2,
        ["cannot begin with the system 'docker-compose'; write `--system compose`"],
    ),
    "the name of another tool": (
        {"main.tf": ""}, ["--system", "tofu"], 2, ["the system 'tofu'; write `--system terraform`"],
    ),
    "a system without its files": (
        {"ship.sh": "#!/bin/sh\n"}, ["--system", "command"], 2,
        ["no deployment of the system 'command' in .", "a program with the verbs `deploy` and `destroy`"],
    ),
    "several deployments": (
        {"cluster.sh": CLUSTER, "compose.yaml": COMPOSE, **WORKFLOWS}, [], 2,
        ["command (cluster.sh), compose (compose.yaml), github-actions (.github/workflows/deploy.yml",
         "choose one: `seatrial init --system command`"],
    ),
    "a deployer with words of its own": (
        {"ship.sh": "#!/bin/sh\ncase $1 in provision) ;; nuke) ;; esac\n"}, [], 0,
        ["found   no deployment", "the verbs `deploy` and `destroy`", "docs/guides/deployer.md"],
    ),
    "a playbook with another name": (
        {"playbook-prod.yml": "- hosts: all\n  tasks: []\n"}, [], 0,
        ["found   no deployment", "playbook-prod.yml looks like a playbook", "rename it to deploy.yml"],
    ),
    "a compose file with another name": (
        {"docker-stack.yaml": COMPOSE}, [], 0,
        ["found   no deployment", "docker-stack.yaml looks like a compose file", "rename it to compose.yaml"],
    ),
    "a playbook that is not YAML": (
        {"site.yml": "- hosts: all\n  tasks: [\n"}, [], 0, ["found   no deployment", "site.yml:3:1: invalid YAML"],
    ),
    "nothing that removes": (
        {"deploy": "#!/bin/sh\necho up\n"}, [], 0,
        ["scenarios/command.yaml:7: the command that removes everything", "scenarios/command.yaml:8: what names"],
    ),
    "a broken seatrial.toml": (
        {"seatrial.toml": "parallel = = 1\n"}, [], 2, ["seatrial.toml:1:12: invalid TOML"],
    ),
    "a file where the scenarios belong": (
        {"scenarios": "x\n", "cluster.sh": CLUSTER}, [], 2, ["scenarios is a file", "rename the file"],
    ),
    "an unknown CI server": (
        {}, ["--ci", "circleci"], 2, ["--ci: unknown value 'circleci'; allowed: github, gitlab, jenkins"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_newcomer_gets_on_by_the_message_alone(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, arguments, code, said = MISTAKES[mistake]
    monkeypatch.chdir(filled(tmp_path, files))
    assert main(["init", *arguments]) == code
    captured = capsys.readouterr()
    for words in said:
        assert words in captured.out + captured.err


def test_what_is_needed_is_said_again_by_a_second_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(filled(tmp_path, {"deploy": "#!/bin/sh\necho up\n"}))
    first, second = (init() for _ in range(2))
    assert "kept    scenarios/command.yaml" in second
    assert needed(second) == needed(first)
    assert len(needed(first)) == 2


def test_a_project_above_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(filled(tmp_path, {"seatrial.toml": "", "shop/x": ""}) / "shop")
    assert f"note    the project {tmp_path} is above: this folder becomes a project of its own" in init()


def init() -> str:
    from seatrial.app.init import begin

    return begin(Path())


def needed(told: str) -> list[str]:
    return [line for line in told.splitlines() if "scenarios/command.yaml:" in line]


KILLER = """
import os, signal, sys
from seatrial.app.init import begin
from pathlib import Path

left, link = int(sys.argv[1]), os.link

def killing(*given, **more):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return link(*given, **more)

os.link = killing
begin(Path(), ci_server="github")
print("ended")
"""
"""It is killed when the n-th file has its text, but no name yet."""


def test_a_killed_init_leaves_whole_files_alone_and_the_next_one_ends_it(tmp_path: Path) -> None:
    files = {"cluster.sh": CLUSTER}
    whole = texts_of(filled(tmp_path / "whole", files), kill_at=0)
    assert len(whole) == 7
    for file in (2, 5):
        folder = filled(tmp_path / str(file), files)
        left = texts_of(folder, kill_at=file)
        assert left.items() < whole.items()
        assert len(left) >= file
        assert texts_of(folder, kill_at=0) == whole


def texts_of(folder: Path, *, kill_at: int) -> dict[Path, bytes]:
    """All files of a folder after `init`, which is killed at a file, or not at all."""
    command = [sys.executable, "-c", KILLER, str(kill_at)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ("ended" in done.stdout) == (kill_at == 0), done.stderr
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
