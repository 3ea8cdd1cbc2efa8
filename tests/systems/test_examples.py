"""The shipped examples, run as a user runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
DEMO = Path(__file__).parents[2] / "src" / "seatrial" / "sample" / "demo.yaml"


def seatrial(tmp_path: Path, *argv: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "seatrial", *argv],
        cwd=folder or tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run(tmp_path: Path, *argv: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    report = tmp_path / "report"
    return seatrial(tmp_path, "run", *argv, "--format", "plain", "--report-dir", str(report), folder=folder)


def test_all_examples_pass_the_check_together(tmp_path):
    documents = ["classic/classic.json", "etcd/classic.yaml", "deployer/deployer.yaml", "composed/composed.json"]
    documents.append("reuse/reuse.yaml")
    done = seatrial(tmp_path, "check", *(str(EXAMPLES / one) for one in documents), str(DEMO))
    assert done.returncode == 0, done.stdout + done.stderr


# The classic workflows, on the sample and on etcd, are run by tests/acceptance/test_classic.py.
@pytest.mark.slow
def test_the_composed_example_passes(tmp_path):
    done = run(tmp_path, str(EXAMPLES / "composed" / "composed.json"), "--parallel", "2")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_deployer_example_passes(tmp_path):
    done = run(tmp_path, str(EXAMPLES / "deployer" / "deployer.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.backend("etcd")
def test_the_reuse_example_passes_where_there_are_no_snapshots_and_says_so(tmp_path):
    done = run(tmp_path, str(EXAMPLES / "reuse" / "reuse.yaml"), "--on", "local", "--parallel", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every suite deploys: the provider 'local' cannot snapshot and revert" in done.stdout


def test_the_plugins_example_passes_and_its_reporter_writes(tmp_path):
    shutil.copytree(EXAMPLES / "plugins", tmp_path / "plugins")
    done = run(tmp_path, "plugins.yaml", folder=tmp_path / "plugins")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deploy" in (tmp_path / "report" / "slowest.txt").read_text()


def test_the_example_of_a_system_a_power_and_a_text_form_passes(tmp_path):
    shutil.copytree(EXAMPLES / "plugins", tmp_path / "plugins")
    done = run(tmp_path, "site.yaml", folder=tmp_path / "plugins")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "page_says:hello" in done.stdout
