"""Checks inside nodes through the real command: a secret of a real container is compared, and stands nowhere."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.harness import Harbour, only, suite, validate

RIGHT, WRONG = "tide-table-of-0412", "another-quiet-harbour"


def texts(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All that a run wrote."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            yield file, file.read_bytes()


@pytest.fixture
def container(podman: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A container of podman that holds a secret and a plain variable."""
    for name, value in podman.items():
        monkeypatch.setenv(name, value)
    name = f"seatrial-test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("MY_SECRET", RIGHT)
    argv = ["podman", "run", "--detach", "--name", name, "--network", "none", "--env", "MY_SECRET", "--env"]
    subprocess.run([*argv, "COLOUR=blue", IMAGE, "sleep", "300"], check=True, capture_output=True, timeout=60)
    yield name
    subprocess.run(["podman", "rm", "--force", "--time", "0", name], check=True, capture_output=True, timeout=60)


def told(harbour: Harbour, container: str, *, secret: str) -> tuple[int, str, Any]:
    """A run that looks into the container, all that it printed, and the checks of its `validate`."""
    one: dict[str, Any] = {"check": "container_env", "container": f"{container}*", "on": "n11"}
    checks = [
        {**one, "name": "secret", "variable": "MY_SECRET", "secret": "${{ secrets.EXPECTED }}"},
        {**one, "name": "plain", "variable": "COLOUR", "value": "blue"},
        {**one, "name": "absent", "variable": "SHAPE", "absent": True},
    ]
    # Podman wants to see the processes of its containers, which a confined node does not.
    (harbour.folder / "seatrial.toml").write_text('[providers.local]\nconfinement = "plain"\n')
    harbour.write("trial.json", suite("init", "deploy", validate(*checks), parameters={"cluster_size": 1}))
    environment = {**harbour.environment, "EXPECTED": secret}
    environment.pop("MY_SECRET")
    done = harbour.seatrial("run", "trial.json", "--debug", env=environment)
    steps = only(harbour.results()["results"])["workflow_steps"]
    results = next(step for step in steps if step["step_type"] == "validate")["validation_results"]
    return done.returncode, done.stdout + done.stderr, {one["check"]: one["verdict"] for one in results}


@pytest.mark.backend("podman")
def test_a_secret_in_a_container_is_compared_and_stands_nowhere(harbour: Harbour, container: str) -> None:
    code, printed, results = told(harbour, container, secret=RIGHT)
    assert results == {"secret": "passed", "plain": "passed", "absent": "passed"}, printed
    assert code == 0, printed
    assert RIGHT not in printed
    assert [file for file, text in texts(harbour.folder / ".seatrial") if RIGHT.encode() in text] == []
    assert harbour.left() == []


@pytest.mark.backend("podman")
def test_neither_the_expected_nor_the_found_secret_is_told_where_they_differ(harbour: Harbour, container: str) -> None:
    code, printed, results = told(harbour, container, secret=WRONG)
    assert results == {"secret": "failed", "plain": "passed", "absent": "passed"}, printed
    assert code == 1
    assert "is not the secret" in printed
    for secret in (RIGHT, WRONG):
        assert secret not in printed
        assert [file for file, text in texts(harbour.folder / ".seatrial") if secret.encode() in text] == []
