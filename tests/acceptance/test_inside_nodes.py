"""Checks inside nodes through the real command: on machines that are not this one, and of a secret in a container."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.harness import Project, only, suite, validate

RIGHT, WRONG = "tide-table-of-0412", "another-quiet-project"


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
    subprocess.run([*argv, "COLOUR=blue", IMAGE, "sleep", "3000"], check=True, capture_output=True, timeout=180)
    yield name
    subprocess.run(["podman", "rm", "--force", "--time", "0", name], check=True, capture_output=True, timeout=180)


def told(project: Project, container: str, *, secret: str) -> tuple[int, str, Any]:
    """A run that looks into the container, all that it printed, and the checks of its `validate`."""
    one: dict[str, Any] = {"check": "container_env", "container": f"{container}*", "on": "n11"}
    checks = [
        {**one, "name": "secret", "variable": "MY_SECRET", "secret": "${{ secrets.EXPECTED }}"},
        {**one, "name": "plain", "variable": "COLOUR", "value": "blue"},
        {**one, "name": "absent", "variable": "SHAPE", "absent": True},
    ]
    # Podman wants to see the processes of its containers, which a confined node does not.
    (project.folder / "seatrial.toml").write_text('[providers.local]\nconfinement = "plain"\n')
    project.write("trial.json", suite("init", "deploy", validate(*checks), parameters={"cluster_size": 1}))
    environment = {**project.environment, "EXPECTED": secret}
    environment.pop("MY_SECRET")
    done = project.seatrial("run", "trial.json", "--debug", env=environment)
    steps = only(project.results()["results"])["workflow_steps"]
    results = next(step for step in steps if step["step_type"] == "validate")["validation_results"]
    return done.returncode, done.stdout + done.stderr, {one["check"]: one["verdict"] for one in results}


@pytest.mark.backend("podman")
def test_a_secret_in_a_container_is_compared_and_stands_nowhere(project: Project, container: str) -> None:
    code, printed, results = told(project, container, secret=RIGHT)
    assert results == {"secret": "passed", "plain": "passed", "absent": "passed"}, printed
    assert code == 0, printed
    assert RIGHT not in printed
    assert [file for file, text in texts(project.folder / ".seatrial") if RIGHT.encode() in text] == []
    assert project.left() == []


@pytest.mark.backend("podman")
def test_neither_the_expected_nor_the_found_secret_is_told_where_they_differ(project: Project, container: str) -> None:
    code, printed, results = told(project, container, secret=WRONG)
    assert results == {"secret": "failed", "plain": "passed", "absent": "passed"}, printed
    assert code == 1
    assert "is not the secret" in printed
    for secret in (RIGHT, WRONG):
        assert secret not in printed
        assert [file for file, text in texts(project.folder / ".seatrial") if secret.encode() in text] == []


def grown() -> list[Any]:
    """Steps in which a file system grows, before which it has not."""
    more: dict[str, Any] = {"check": "disk_size", "path": "/data", "grown_since": "before"}
    resize = {"check": "command", "on": "*", "command": "mount -o remount,size=16m /data"}
    return [
        {**validate(more), "expect": "failure"},
        validate(resize),
        validate(more, {**more, "grown_by": "8MiB", "size": "16MiB", "name": "by 8 MiB"}),
        {**validate({**more, "grown_by": "9MiB"}), "expect": "failure"},
    ]


def rotated(project: Project) -> list[Any]:
    """Steps in which an old key is refused, let in, and thrown out again."""
    old = asyncssh.generate_private_key("ssh-ed25519")
    old.write_private_key(str(project.folder / "old"))
    public, file = old.export_public_key().decode(), "/run/seatrial/authorized_keys"
    told = {"check": "command", "on": "*"}
    return [
        validate("ssh_key:old==refused"),
        validate({**told, "command": f"cat >>{file}", "input": public}),
        validate("ssh_key:old==accepted"),
        {**validate("ssh_key:old==refused"), "expect": "failure"},
        validate({**told, "command": f"sed -i '$d' {file}"}),
        validate("ssh_key:old==refused"),
    ]


@pytest.mark.backend("podman")
def test_inside_containers_that_run_the_sample_each_check_sees_what_is_there(
    project: Project, podman: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in podman.items():
        monkeypatch.setenv(name, value)
    # Found again by its own project's state and cache, and by nobody else's.
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(project.folder / "cache"))
    (project.folder / "seatrial.toml").write_text(
        f'[providers.containers]\nimage = "{IMAGE}"\n'
        'options = ["--cap-add", "SYS_ADMIN", "--tmpfs", "/data:size=8m,noexec"]\n'
    )
    service = "seatrial.sample.service --name n11 "
    right: list[Any] = [
        "cluster_status",
        "data_integrity",
        "mount:/proc",
        {"check": "mount", "path": "/etc/hosts", "options": "rw", "name": "hosts"},
        {"check": "mount", "path": "/data", "fstype": "tmpfs", "options": ["rw", "noexec"], "at_least": "8MiB"},
        "disk_size:/data==8MiB",
        {"check": "disk_size", "path": "/data", "mark": "before", "name": "before"},
        {"check": "process", "matching": service, "on": "n11", "count": 1, "user": "root", "younger_than": "10m"},
        {"check": "process", "matching": service, "on": "n12", "count": 0, "name": "not on n12"},
        {"check": "file", "on": "*", "path": "/etc/passwd", "owner": "root:root", "mode": "0644"},
        {"check": "command", "on": "*", "command": ["test", "-d", "/proc/1"]},
    ]
    wrong = ["mount:/srv", "disk_size:/data==8388609", "process:no-such-program", "file:/no/such/file"]
    blind = {"check": "container_env", "container": "x", "variable": "Y", "name": "no engine inside"}
    retry = {"retry": {"timeout": "120s"}}
    planted = ({**validate(*wrong), "expect": "failure"}, {**validate(blind), "allow_failure": True})
    steps = ("init", "deploy", validate(*right, **retry), *planted, *grown(), *rotated(project), "destroy")
    project.write("trial.json", suite(*steps, parameters={"cluster_size": 2}))
    done = project.seatrial("run", "trial.json", "--on", "containers")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [step for step in only(project.results()["results"])["workflow_steps"] if step["step_type"] == "validate"]
    seen = {one["check"]: one["verdict"] for row in rows[1:3] for one in row["validation_results"]}
    assert seen == {**dict.fromkeys(wrong, "failed"), "no engine inside": "unknown"}
    assert "command test -d /proc/1" in {one["check"] for one in rows[0]["validation_results"]}
    assert project.left() == []
