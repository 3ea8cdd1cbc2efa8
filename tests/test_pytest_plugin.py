"""Scenario documents as tests, in a pytest of its own: outcomes, selection, and what pytest pays for the plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

Pytest = Callable[..., "subprocess.CompletedProcess[str]"]

OUTCOMES = """\
test_suites:
  good:
    provider: local
    workflow:
      - {step: custom_command, custom_command: [echo, all is well]}
  bad:
    provider: local
    workflow:
      - {step: custom_command, description: always wrong, custom_command: [sh, -c, echo the answer is 43; exit 7]}
  unclear:
    provider: local
    workflow:
      - {step: custom_command, custom_command: [no-such-program-anywhere]}
  elsewhere:
    provider: local
    requirements: {min_memory_gb: 999999}
    workflow:
      - {step: custom_command, custom_command: ["true"]}
"""


@pytest.fixture
def inner(tmp_path: Path) -> Pytest:
    """A pytest in a folder of its own."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SEATRIAL_", "PYTEST_", "GITHUB_"))
    }

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *words],
            cwd=tmp_path, env={**kept, "XDG_STATE_HOME": str(tmp_path / "state")},
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

    return call


def test_passed_failed_unknown_and_skipped_are_what_pytest_has_words_for(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "outcomes.seatrial.yaml").write_text(OUTCOMES)
    done = inner("-v", "-rs", "--junit-xml=out.xml")
    told = done.stdout
    assert done.returncode == 1
    for suite, word in {"good": "PASSED", "bad": "FAILED", "unclear": "ERROR", "elsewhere": "SKIPPED"}.items():
        assert f"outcomes.seatrial.yaml::local-workflow-{suite} {word}" in told
    assert "1 failed, 1 passed, 1 skipped, 1 error" in told
    cases = {
        case.get("name"): [child.tag for child in case]
        for case in ElementTree.parse(tmp_path / "out.xml").iter("testcase")
    }
    assert "failure" in cases["local-workflow-bad"]
    assert "error" in cases["local-workflow-unclear"]
    assert "failure" not in cases["local-workflow-unclear"]


def test_a_failure_shows_what_was_seen_and_where_it_is_defined_not_our_traceback(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "outcomes.seatrial.yaml").write_text(OUTCOMES)
    told = inner("-k", "bad").stdout
    assert "step 1 custom_command (always wrong): failed" in told
    assert "the answer is 43" in told
    assert "outcomes.seatrial.yaml:7:" in told
    assert "report: " in told
    assert "pytest_plugin.py" not in told


def test_only_the_selected_suites_run(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "outcomes.seatrial.yaml").write_text(OUTCOMES)
    assert inner("outcomes.seatrial.yaml::local-workflow-good").returncode == 0
    (journal,) = (tmp_path / ".seatrial" / "runs").glob("*/events.jsonl")
    planned = [line for line in journal.read_text().splitlines() if '"suite_planned"' in line]
    assert [json.loads(line)["data"]["name"] for line in planned] == ["good"]


def test_a_wrong_document_is_an_error_of_the_collection_with_every_problem(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "wrong.seatrial.yaml").write_text(
        "test_suites:\n  a:\n    provider: local\n    workflow:\n      - step: deplyo\n      - step: vlidate\n"
    )
    done = inner()
    assert done.returncode == 2
    assert "wrong.seatrial.yaml:5:" in done.stdout
    assert "wrong.seatrial.yaml:6:" in done.stdout
    assert "did you mean 'deploy'" in done.stdout


def test_other_names_are_collected_only_when_the_setting_lists_them(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "failover.yaml").write_text(OUTCOMES)
    (tmp_path / "other.yaml").write_text("not a scenario")
    assert inner("--collect-only", "-q").returncode == 5
    (tmp_path / "pytest.ini").write_text("[pytest]\nseatrial_scenarios =\n    trials/*.yaml\n    no/such/*.json\n")
    told = inner("--collect-only", "-q").stdout
    assert "trials/failover.yaml::local-workflow-good" in told
    assert "other.yaml" not in told


def test_every_suite_gets_a_folder_in_the_report_folder_also_the_second_time(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "outcomes.seatrial.yaml").write_text(OUTCOMES)
    for _ in range(2):
        assert inner("-k", "good", "--seatrial-report-dir=reports").returncode == 0
    assert {folder.name for folder in (tmp_path / "reports").iterdir()} == {
        "local-workflow-good",
        "local-workflow-good-2",
    }
    assert json.loads((tmp_path / "reports" / "local-workflow-good" / "results.json").read_text())["success"] is True


def test_the_provider_can_be_chosen_for_all(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "cloud.seatrial.yaml").write_text(OUTCOMES.replace("provider: local", "provider: aws"))
    told = inner("--collect-only", "-q", "--seatrial-on=local").stdout
    assert "cloud.seatrial.yaml::local-workflow-good" in told


def test_a_pytest_without_scenarios_imports_nothing_but_the_plugin(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\ndef test_nothing():\n"
        "    ours = sorted(name for name in sys.modules if name.split('.')[0] == 'seatrial')\n"
        "    assert ours == ['seatrial', 'seatrial.pytest_plugin']\n"
        "    assert 'asyncio' not in sys.modules or 'seatrial.app' not in sys.modules\n"
    )
    done = inner()
    assert done.returncode == 0, done.stdout
