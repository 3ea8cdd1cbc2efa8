"""The output of commands and deployers: complete in a file while it comes, on the console with `--verbose`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.acceptance.harness import Document, Project, only, suite, until

TOKEN = "tokn-8Jq2LmZx4VbN7"
SERVICE: Document = {
    "kind": "processes",
    "service": {"command": ["sleep", "1000"]},
    "health": {"command": ["true"], "timeout": "120s"},
}
STATUS = """if [ -e up ]; then echo '{"state": "running"}'; else echo '{"state": "destroyed"}'; fi"""


def deployer(**verbs: str) -> Document:
    return {"kind": "command", "cwd": ".", "status": STATUS, "destroy": "rm -f up", **verbs}


def logs(project: Project) -> list[Path]:
    return list(project.folder.glob(".seatrial/runs/*/*/test.log"))


def log(project: Project) -> str:
    return only(logs(project)).read_text()


def environment(project: Project, **more: str) -> Mapping[str, str]:
    return {**project.environment, **more}


def test_the_whole_output_of_a_verb_is_in_a_file_that_its_error_names(project: Project) -> None:
    deploy = "echo FIRST LINE; seq 1 5000; echo root cause here >&2; seq 1 2000 >&2; exit 1"
    done = project.seatrial("run", project.write("a.json", suite("deploy", system=deployer(deploy=deploy))))
    assert done.returncode == 1, done.stdout
    lines = log(project).splitlines()
    assert re.fullmatch(r"==> \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z step 1 deploy", lines[0])
    printed = [line for line in lines if not line.startswith("==> ")]
    assert sorted(printed[:7002]) == sorted(
        ["FIRST LINE", "root cause here", *map(str, [*range(1, 5001), *range(1, 2001)])]
    )
    named = re.search(r"its output is in (\S+test\.log)\)", done.stdout)
    assert named
    assert (project.folder / named[1]).read_text() == log(project)


@pytest.mark.parametrize("by", ["deployer", "step", "node"])
def test_output_is_in_its_file_and_shown_while_the_command_runs(by: str, project: Project) -> None:
    command = "touch up; echo began with $PW; until [ -e go ]; do sleep 0.02; done; echo goes on"
    if by == "node":
        command = f"cd {project.folder}; {command}"
    secret = {"PW": "${{ secrets.TOKEN }}"}
    if by == "deployer":
        document = suite("deploy", system=deployer(deploy=command) | {"env": secret})
    elif by == "step":
        document = suite({"step": "custom_command", "custom_command": command, "env": secret})
    else:
        node = {"step": "custom_command", "custom_command": command, "env": secret, "on": "n11"}
        document = suite("deploy", node, provider="local", system=SERVICE)
    console = project.folder / "console"
    with console.open("w") as out:
        run = project.start(
            "run", project.write("a.json", document), "--verbose", env=environment(project, TOKEN=TOKEN), stdout=out
        )
        until(lambda: "| began with ***" in console.read_text(), "the first line on the console")
        until(lambda: "began with ***\n" in log(project), "the first line in its file")
        assert "goes on" not in log(project)
        (project.folder / "go").touch()
        run.communicate(timeout=300)
        assert run.returncode == 0, console.read_text()
    assert "| goes on" in console.read_text()
    for path in (project.folder / ".seatrial").rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    kinds = {event["kind"] for event in project.events()}
    assert "output" in kinds
    assert "printed" not in kinds


def test_without_verbose_the_console_has_no_output_of_a_command_that_passes(project: Project) -> None:
    step = {"step": "custom_command", "custom_command": "echo all is well"}
    done = project.seatrial("run", project.write("a.json", suite(step)))
    assert done.returncode == 0
    assert "all is well" not in done.stdout


def test_the_output_of_an_interrupted_deploy_is_kept(project: Project) -> None:
    deploy = "touch up; echo half way; exec sleep 600"
    run = project.start("run", project.write("a.json", suite("deploy", system=deployer(deploy=deploy))))
    until(lambda: any("half way\n" in file.read_text() for file in logs(project)), "the first output")
    run.terminate()
    run.communicate(timeout=300)
    assert "half way\n" in log(project)


def test_a_destroy_without_its_run_keeps_its_output_masked(project: Project) -> None:
    system = deployer(deploy="touch up", destroy="echo gone by $PW; rm up") | {"env": {"PW": "${{ secrets.TOKEN }}"}}
    wait = {"step": "custom_command", "custom_command": "touch begun; exec sleep 600"}
    given = environment(project, TOKEN=TOKEN)
    run = project.start("run", project.write("a.json", suite("deploy", wait, system=system)), env=given)
    until(lambda: (project.folder / "begun").exists(), "the second step")
    run.kill()
    run.communicate(timeout=300)
    cleaned = project.seatrial("clean", env=given)
    assert cleaned.returncode == 0, cleaned.stdout
    (file,) = project.folder.glob(".seatrial/runs/*/*/destroy.log")
    assert "gone by ***\n" in file.read_text()


@pytest.mark.parametrize("judge", ["if", "until", "value"])
def test_what_depends_on_text_that_was_cut_is_unknown(judge: str, project: Project) -> None:
    first = {"step": "custom_command", "id": "long", "custom_command": "echo FATAL; seq 1 20000"}
    lacks = "!steps.long.outputs.stdout.contains('FATAL')"
    second: Document = {"step": "custom_command", "custom_command": "true"}
    if judge == "if":
        second["if"] = lacks
    elif judge == "until":
        second = {"step": "wait", "until": lacks, "timeout": "5s"}
    else:
        second = {
            "step": "custom_command",
            "custom_command": ["test", "${{ steps.long.outputs.stdout }}", "!=", "FATAL"],
        }
    done = project.seatrial("run", project.write("a.json", suite(first, second)))
    assert done.returncode == 3, done.stdout
    assert "of 108899 characters only the last ones were kept" in done.stdout
    last = [json.loads(line) for line in (project.runs()[-1] / "events.jsonl").read_text().splitlines()]
    outputs = only([event["data"]["outputs"] for event in last if event["data"].get("outputs", {}).get("stdout")])
    assert outputs["stdout"].startswith("… (43363 characters before)")


def test_a_log_that_cannot_be_written_stops_nothing(project: Project) -> None:
    first = {"step": "custom_command", "custom_command": "mkdir $SEATRIAL_DEPLOYMENT_DIR/../test.log"}
    second = {"step": "custom_command", "custom_command": "echo said"}
    done = project.seatrial("run", project.write("a.json", suite(first, second)))
    assert done.returncode == 0, done.stdout
    assert "output of commands is lost: test.log cannot be written: Is a directory" in done.stdout
