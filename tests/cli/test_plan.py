"""`list` and `check`: what is told, and that nothing is started."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command


def test_list_has_a_line_per_suite(seatrial: Command, document: Path) -> None:
    done = seatrial("list", document)
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first.split() == ["local-workflow-good", "3", "nodes", "2", "steps", "a", "name", "and", "a", "command"]
    assert second.startswith("local-workflow-bad ")


def test_list_as_data_has_steps_and_checks(seatrial: Command, document: Path) -> None:
    good, bad = json.loads(seatrial("list", document, "--format", "json").stdout)
    assert [step["step"] for step in good["steps"]] == ["set", "custom_command"]
    assert bad["steps"][0]["description"] == "always wrong"


def test_check_says_what_it_read_and_starts_nothing(
    seatrial: Command, document: Path, project: Path, tmp_path: Path
) -> None:
    done = seatrial("check", document)
    assert done.returncode == 0
    assert done.stdout == "2 suites with 4 steps in 1 document: no problems found, nothing was started\n"
    assert [one.name for one in project.iterdir()] == ["suites.json"]
    assert not (tmp_path / "state").exists()


def test_check_tells_where_every_setting_came_from(seatrial: Command, document: Path, project: Path) -> None:
    (project / "seatrial.toml").write_text('keep = "failed"\nparallel = 2\nmax_concurrent_nodes = 9\n')
    done = seatrial("check", "-v", document, "--parallel", "5", SEATRIAL_MAX_CONCURRENT_NODES="7")
    assert done.returncode == 0, done.stderr
    origins = {
        words[0]: (words[1], " ".join(words[2:])) for line in done.stdout.splitlines() if len(words := line.split()) > 2
    }
    assert origins["keep"] == ('"failed"', "seatrial.toml:1")
    assert origins["parallel"] == ("5", "flag --parallel")
    assert origins["max_concurrent_nodes"] == ("7", "environment SEATRIAL_MAX_CONCURRENT_NODES")
    assert origins["max_memory_gb"] == ("null", "default")


def test_check_tells_suites_nodes_steps_and_powers(seatrial: Command, project: Path) -> None:
    (project / "s.yaml").write_text(
        "test_suites:\n  s:\n    provider: local\n    parameters: {cluster_size: 5}\n    workflow:\n"
        "      - step: deploy\n"
        "      - step: parallel\n        steps:\n"
        "          - {step: validate, checks: [cluster_status, 'node_status:n12:running']}\n"
    )
    told = seatrial("check", "-v", "s.yaml").stdout
    for wanted in (
        "local-workflow-s",
        "nodes       5",
        "cluster_size=5",
        "crash",
        "2 parallel",
        "2.1 validate",
        "- node_status:n12:running",
    ):
        assert wanted in told


def test_check_as_data_holds_powers_and_problems(seatrial: Command, document: Path, project: Path) -> None:
    good = json.loads(seatrial("check", document, "--format", "json").stdout)
    assert good["success"] is True
    assert "crash" in good["suites"][0]["powers"]
    (project / "wrong.json").write_text('{"test_suites": {"a": {"provider": "local", "workflow": []}}}')
    done = seatrial("check", "wrong.json", "--format", "json")
    wrong = json.loads(done.stdout)
    assert done.returncode == 2
    assert wrong["problems"][0]["line"] == 1


def test_all_problems_of_all_files_are_told_at_once(seatrial: Command, project: Path) -> None:
    for name in ("a", "b"):
        (project / f"{name}.yaml").write_text(
            "test_suites:\n  s:\n    provider: local\n    workflow:\n      - step: deplyo\n      - step: vlidate\n"
        )
    done = seatrial("check", "a.yaml", "b.yaml", "missing.yaml")
    assert done.returncode == 2
    for wanted in ("a.yaml:5:", "a.yaml:6:", "b.yaml:5:", "b.yaml:6:", "missing.yaml:", "5 problems in 3 files"):
        assert wanted in done.stderr


def test_a_folder_stands_for_the_documents_in_it(seatrial: Command, project: Path) -> None:
    suites = project / "suites"
    (suites / "sut").mkdir(parents=True)
    (suites / ".old").mkdir()
    step = '{"steps": [{"step": "set", "values": {"x": 1}}]}'
    (suites / "a.json").write_text('{"test_suites": [{"sut": "sut/s.json", "workflow": "w.json"}]}')
    (suites / "sut" / "s.json").write_text('{"provider": "local"}')
    (suites / "w.json").write_text(step)
    (suites / "b.yaml").write_text(step)
    for beside in (".old/c.yaml", "seatrial.schema.json", "notes.txt"):
        (suites / beside).write_text("no document")
    ids = [line.split()[0] for line in seatrial("list", "suites").stdout.splitlines()]
    assert ids == ["local-workflow-s_w", "local-workflow-b"]
    (project / "empty").mkdir()
    done = seatrial("list", "empty")
    assert done.returncode == 2
    assert "empty: no documents" in done.stderr


def test_check_takes_pipelines_too_and_tells_all_problems_of_all_documents(
    seatrial: Command, document: Path, project: Path
) -> None:
    (project / "pipeline.yaml").write_text(
        "pipeline: {name: Shop, stages: {a: {checks: {x: {run: echo}, y: {run: y}}}}}\n"
    )
    alone = seatrial("check")
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout == "pipeline Shop: 2 checks in 1 stage: no problems found, nothing was started\n"
    both = seatrial("check", document, "pipeline.yaml")
    assert both.stdout.splitlines() == [
        "2 suites with 4 steps in 1 document: no problems found, nothing was started",
        "pipeline Shop: 2 checks in 1 stage: no problems found, nothing was started",
    ]
    data = json.loads(seatrial("check", document, "pipeline.yaml", "--format", "json").stdout)
    assert [len(data["suites"]), [one["name"] for one in data["pipelines"]]] == [2, ["Shop"]]

    (project / "pipeline.yaml").write_text("pipeline: {stages: {a: {checks: {x: {rum: [true]}}}}}\n")
    (project / "bad.json").write_text('{"test_suites": {"s": {"provider": "locall"}}}')
    wrong = seatrial("check", "bad.json", "pipeline.yaml")
    assert wrong.returncode == 2
    assert "pipeline.yaml:1:" in wrong.stderr
    assert "bad.json:1:" in wrong.stderr
    assert "problems in 2 files" in wrong.stderr
