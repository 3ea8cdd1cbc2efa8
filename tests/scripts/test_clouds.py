"""The program behind `make example-clouds`: what its exit code means, and what a signal in its middle leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.clouds import CLOUDS, Programs, Row, code_of, environment, table
from tests.acceptance.harness import until
from tests.backends import podman

ROOT = Path(__file__).resolve().parents[2]
WELL = {"contract": 0, "etcd": 0, "find": 0}


def row(left: list[str] | None = None, **codes: int) -> Row:
    return Row(codes={**WELL, **codes}, seconds={"contract": 1.0, "etcd": 2.0}, left=left)


@pytest.mark.parametrize(
    ("rows", "stopped", "code"),
    [
        ({"aws": row([])}, 0, 0),
        ({"aws": row([]), "gcp": row([], contract=1)}, 0, 1),
        ({"aws": row([], etcd=3)}, 0, 1),
        ({"aws": row(["machine i-1"])}, 0, 4),
        ({"aws": Row()}, 0, 1),
        ({"aws": Row()}, signal.SIGINT, 130),
    ],
)
def test_the_exit_code_is_zero_only_if_all_was_tried_and_nothing_is_left(rows, stopped, code):
    assert code_of(rows, stopped) == code


def test_the_table_names_what_failed_what_is_left_and_what_was_not_tried():
    lines = table({"aws": row([]), "gcp": row(["machine x"], etcd=3), "azure": Row()}).splitlines()
    assert lines[1].split() == ["aws", "passed", "1.0", "s", "passed", "2.0", "s", "nothing"]
    assert lines[2].split() == ["gcp", "passed", "1.0", "s", "exit", "3", "2.0", "s", "machine", "x"]
    assert lines[3].split() == ["azure", "-", "-", "-"]


def test_no_credentials_of_the_user_get_to_a_test(monkeypatch):
    for name in ("AWS_PROFILE", "AZURE_CLIENT_SECRET", "GOOGLE_CLOUD_PROJECT", "HCLOUD_CONTEXT"):
        monkeypatch.setenv(name, "the user's own")
    for cloud in CLOUDS.values():
        server = cloud.stand_in()
        if cloud.server.startswith("gcp"):  # it has files from the beginning
            server._folder.cleanup()
        assert "the user's own" not in environment(server).values()


def test_after_a_signal_no_more_tests_begin(tmp_path):
    programs = Programs()
    programs.stop(signal.SIGTERM)
    assert programs.run(["true"], tmp_path, os.environ, tmp_path / "log", print) is None


@pytest.mark.slow
@pytest.mark.backend("podman")
def test_a_signal_in_the_middle_leaves_nothing(tmp_path):
    given = {**os.environ, "TMPDIR": str(tmp_path)}
    argv = [sys.executable, "-m", "scripts.clouds", "hetzner"]
    process = subprocess.Popen(argv, cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
    try:
        machine = "seatrial-clouds-*/hetzner/seatrial-machines-*/*/said/up"
        until(lambda: process.poll() is not None or list(tmp_path.glob(machine)), "a machine of the contract")
        (folder,) = tmp_path.glob("seatrial-clouds-*/hetzner/seatrial-machines-*")
        process.terminate()
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "exit -15" in said.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
    engine = {**os.environ, **podman.environment()}
    for kind in ("ps --all --quiet", "network ls --quiet"):
        words = ["podman", *kind.split(), "--filter", f"label=seatrial.machines={folder}"]
        listed = subprocess.run(words, env=engine, capture_output=True, text=True, timeout=60, check=True)
        assert listed.stdout == ""
