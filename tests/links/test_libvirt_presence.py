"""Whether libvirt can be had, looked at quickly."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.errors import ExtraMissing
from seatrial.links import libvirt
from seatrial.links.libvirt import why_absent

needs_library = pytest.mark.skipif(importlib.util.find_spec("libvirt") is None, reason="libvirt-python is an extra")


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    why_absent.cache_clear()
    yield
    why_absent.cache_clear()


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> None:
        raise ExtraMissing("libvirt-python is not installed")

    monkeypatch.setattr("seatrial.links.libvirt.library", missing)
    (tmp_path / "virsh").write_text("#!/bin/sh\n")
    (tmp_path / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@needs_library
def test_a_daemon_that_answers_is_there_and_one_that_does_not_is_told(tmp_path: Path) -> None:
    assert why_absent("test:///default") == ""
    told = why_absent(f"qemu+unix:///system?socket={tmp_path}/none")
    assert "no libvirt daemon answers" in told
    assert "apt-get install libvirt-daemon-system" in told


@needs_library
def test_a_daemon_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt, "ACCEPTED", 0.3)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "hangs"))
        server.listen()
        began = time.monotonic()
        told = why_absent(f"qemu+unix:///system?socket={tmp_path}/hangs")
        assert "did not answer within 0.3 s" in told
        assert time.monotonic() - began < 5


def test_without_the_library_only_a_deployer_can_use_it(no_library: None, tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/daemon"
    assert "libvirt-python is not installed" in why_absent(uri)
    assert f"no {tmp_path}/daemon" in why_absent(uri, ours=False)
    why_absent.cache_clear()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "daemon"))
        server.listen()
        assert why_absent(uri, ours=False) == ""
    assert "libvirt-python is not installed" in why_absent(uri)


def test_without_library_and_virsh_nobody_can(
    no_library: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert why_absent(ours=False) == "neither libvirt-python nor virsh is installed"
