"""Scenario documents as tests, in a pytest of its own: outcomes, selection, and what pytest pays for the plugin."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
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


# Clusters as fixtures

ONE = """\
provider: local
parameters: {cluster_size: 1}
test_suites:
  one:
    workflow:
      - {step: deploy}
"""

TESTS = """\
import pathlib
import time

import seatrial

cluster = seatrial.fixture("one.yaml", scope="module")
elsewhere = seatrial.fixture("elsewhere.yaml")
broken = seatrial.fixture("broken.yaml")


def test_good(cluster):
    assert cluster["n11"].run("echo", "hello").stdout == "hello\\n"


def test_bad(cluster):
    cluster.check("cluster_critical")


def test_good_again(cluster):
    cluster.check("cluster_status")


def test_skipped(elsewhere):
    raise AssertionError


def test_broken(broken):
    raise AssertionError


def test_slow(cluster):
    pathlib.Path("at-work").touch()
    cluster["n11"].run("sleep", "60")
"""


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    tests = tmp_path / "inside"
    tests.mkdir()
    (tests / "one.yaml").write_text(ONE)
    (tests / "elsewhere.yaml").write_text(ONE.replace("one:", "one:\n    requirements: {min_memory_gb: 999999}"))
    (tests / "broken.yaml").write_text(ONE.replace("{step: deploy}", "{step: deploi}"))
    (tests / "test_cluster.py").write_text(TESTS)
    return tests


def runs(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in (folder / ".seatrial" / "runs").glob("*/results.json")]


def test_tests_of_a_module_share_a_cluster_and_decide_over_its_run(inner: Pytest, clusters: Path) -> None:
    done = inner("-v", "-rs", "-k", "not slow")
    told = done.stdout
    words = {"good": "PASSED", "bad": "FAILED", "good_again": "PASSED", "skipped": "SKIPPED", "broken": "ERROR"}
    for test, word in words.items():
        assert f"inside/test_cluster.py::test_{test} {word}" in told
    assert "999999" in told, "why it was skipped"
    assert ": broken.yaml is not deployed (DocumentError): " in told
    assert "unknown step 'deploi'" in told
    assert "E       seatrial.errors.ProductFailed: cluster_critical: expected 'critical', seen 'running'" in told
    assert "test_cluster.py:16: ProductFailed" in told
    assert "blocking.py" not in told, "the frames in between say nothing"
    assert "pytest_plugin.py" not in told
    run = max(runs(clusters), key=lambda run: run["totals"]["failed"])
    (row,) = run["results"]
    assert (len(runs(clusters)), row["verdict"]) == (2, "failed"), "one cluster, and one that cannot be here"
    assert row["error"].startswith("python: inside/test_cluster.py::test_bad: cluster_critical: expected 'critical'")
    assert f"run {run['run_id']}" in told
    assert not list((clusters / ".seatrial" / "ledger").glob("*.jsonl"))


@pytest.fixture
def at_work(clusters: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A pytest in the middle of a test that uses a node."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEATRIAL_", "PYTEST_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "slow"],
        cwd=tmp_path, env={**kept, "XDG_STATE_HOME": str(tmp_path / "state")}, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        give_up = time.monotonic() + 60
        while not (tmp_path / "at-work").exists() and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.05)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pytest_gives_everything_back(
    number: signal.Signals, at_work: subprocess.Popen[str], clusters: Path
) -> None:
    at_work.send_signal(number)
    told, _ = at_work.communicate(timeout=60)
    assert at_work.returncode == 2, told
    assert "KeyboardInterrupt" in told
    (run,) = runs(clusters)
    assert run["results"][0]["verdict"] == "unknown"
    assert not list((clusters / ".seatrial" / "ledger").glob("*.jsonl"))


def test_what_a_killed_pytest_leaves_clean_gives_back(
    at_work: subprocess.Popen[str], clusters: Path, tmp_path: Path
) -> None:
    at_work.kill()
    at_work.wait(60)
    (ledger,) = (clusters / ".seatrial" / "ledger").glob("*.jsonl")
    run = ledger.stem
    assert processes_of(run)
    done = subprocess.run(
        [sys.executable, "-m", "seatrial", "clean"], cwd=clusters, capture_output=True, text=True, timeout=60,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}, check=True,
    )  # fmt: skip
    assert "removed node " in done.stdout
    assert not processes_of(run)
    assert not ledger.exists()


def processes_of(run: str) -> list[str]:
    """The processes with the run's id in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"SEATRIAL_RUN_ID={run}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
    return found


MISTAKES = """\
import seatrial

cluster = seatrial.fixture("good.yaml", scope="module")

def test_indexed():
    assert cluster["n11"]

def test_with_an_attribute():
    cluster.check("cluster_status")

def test_from_conftest():
    assert shared["n11"]

def test_misspelt(clustr):
    pass

async def test_async(cluster):
    await cluster["n11"].run("true")

def test_of_somebody_else():
    assert (lambda cluster: 1)["cluster"]
"""


def test_a_cluster_that_is_no_argument_or_has_a_misspelt_name_is_told(inner: Pytest, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import seatrial\nshared = seatrial.fixture('good.yaml')\n")
    (tmp_path / "test_mistakes.py").write_text(MISTAKES)
    told = inner("-q", "-rN", "test_mistakes.py").stdout  # a summary of failures, as in CI, would repeat them
    for line, name, fixture in ((5, "indexed", "cluster"), (8, "with_an_attribute", "cluster"),
                                (11, "from_conftest", "shared")):  # fmt: skip
        words = f"the fixture '{fixture}' must be an argument of the test: write `def test_{name}({fixture}):`"
        assert f"test_mistakes.py:{line}: {words}" in told
    assert "did you mean 'cluster'? It is a cluster of `seatrial.fixture(…)`" in told
    assert told.count("must be an argument") == 3
    assert "did you mean 'cluster'? It is a cluster of `seatrial.fixture(…)`" in told
    assert "test_mistakes.py:3: good.yaml is not deployed" in told
    (tmp_path / "conftest.py").unlink()
    (tmp_path / "test_none.py").write_text("def test_it(seatrial):\n    pass\n")
    assert "write `cluster = seatrial.fixture('trial.yaml', scope='module')` into" in inner("test_none.py").stdout
