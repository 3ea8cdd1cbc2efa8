"""`run` and `demo` as processes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command


def runs(project: Path) -> list[Path]:
    return sorted((project / ".seatrial" / "runs").glob("r*"))


def test_a_run_shows_plain_lines_and_its_exit_code_is_the_verdict(
    seatrial: Command, document: Path, project: Path
) -> None:
    done = seatrial("run", document)
    assert done.returncode == 1
    assert "the answer is 43" in done.stdout
    assert "\x1b" not in done.stdout
    assert "1 passed, 1 failed" in done.stdout
    (folder,) = runs(project)
    assert json.loads((folder / "results.json").read_text())["verdict"] == "failed"


def test_json_is_the_only_thing_on_standard_output(seatrial: Command, document: Path) -> None:
    done = seatrial("run", document, "--format", "json")
    results = json.loads(done.stdout)
    assert done.returncode == results["exit_code"] == 1
    assert [row["verdict"] for row in results["results"]] == ["passed", "failed"]


def test_what_keeps_a_run_from_starting_is_json_too(seatrial: Command, project: Path) -> None:
    (project / "wrong.yaml").write_text(
        "test_suites:\n  a:\n    provider: local\n    workflow:\n"
        "      - step: deplyo\n      - step: validate\n        cheks: []\n"
    )
    done = seatrial("run", "wrong.yaml", "--format=json")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 2
    assert told["success"] is False
    assert {(one["file"], one["line"]) for one in told["problems"]} >= {("wrong.yaml", 5), ("wrong.yaml", 7)}
    assert "did you mean 'deploy'" in done.stderr
    assert not runs(project), "something was started"


def test_only_the_suites_that_are_asked_for_run(seatrial: Command, document: Path) -> None:
    listed = seatrial("run", document, "--list-tests")
    assert listed.stdout.split() == ["local-workflow-good", "local-workflow-bad"]
    one = seatrial("run", document, "--run-test", "local-workflow-good")
    assert one.returncode == 0, one.stdout + one.stderr
    shards = [seatrial("run", document, "--shard", f"{part}/2", "--list-tests").stdout.split() for part in (1, 2)]
    assert sorted(shards[0] + shards[1]) == sorted(listed.stdout.split())
    wrong = seatrial("run", document, "--run-test", "local-workflow-goood")
    assert wrong.returncode == 5
    assert "did you mean 'local-workflow-good'" in wrong.stderr
    half = seatrial("run", document, "--run-test", "local-workflow-good", "--run-test", "local-workflow-goood")
    assert (half.returncode, half.stdout) == (2, ""), "a wrong name beside a right one is a mistake, and nothing ran"


def test_nothing_selected_is_exit_code_5(seatrial: Command, document: Path) -> None:
    for words in (["run"], ["run", "--list-tests"], ["list"], ["check"], ["check", "--format", "json"]):
        done = seatrial(*words, document, "--shard", "3/3")
        assert done.returncode == 5, words
        assert "no suite was selected" in done.stderr


def test_nothing_to_rerun_is_exit_code_5_and_says_why(seatrial: Command, document: Path) -> None:
    only = ("--run-test", "local-workflow-good")
    assert seatrial("run", document, *only).returncode == 0
    done = seatrial("run", document, *only, "--rerun", "last")
    assert done.returncode == 5
    assert "every suite passed in run 'last'" in done.stderr


def test_a_rerun_takes_only_what_did_not_pass_and_has_a_fresh_folder(
    seatrial: Command, document: Path, project: Path
) -> None:
    assert seatrial("run", document).returncode == 1
    again = seatrial("run", document, "--rerun", "last", "--format", "json")
    assert [row["test_id"] for row in json.loads(again.stdout)["results"]] == ["local-workflow-bad"]
    assert len(runs(project)) == 2


def test_parameters_of_the_command_line_stand_over_those_of_the_document(seatrial: Command, project: Path) -> None:
    (project / "p.yaml").write_text(
        "test_suites:\n  p:\n    provider: local\n    parameters: {word: old}\n    workflow:\n"
        "      - step: custom_command\n        custom_command: [test, '${{ parameters.word }}', '=', new]\n"
    )
    assert seatrial("run", "p.yaml").returncode == 1
    assert seatrial("run", "p.yaml", "--set", "word=new").returncode == 0


def test_in_github_actions_there_are_annotations_and_a_step_summary(
    seatrial: Command, document: Path, project: Path
) -> None:
    summary = project / "summary.md"
    done = seatrial("run", document, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert "::error" in done.stdout
    assert "the answer is 43" in summary.read_text()


def test_a_report_folder_is_used_and_is_found_again_by_the_run(
    seatrial: Command, document: Path, project: Path
) -> None:
    done = seatrial("run", document, "--report-dir", "out")
    assert done.returncode == 1
    assert (project / "out" / "results.json").is_file()
    assert "local-workflow-bad" in seatrial("inspect").stdout
    second = seatrial("run", document, "--report-dir", "out")
    assert second.returncode == 2
    assert "another run" in second.stderr
