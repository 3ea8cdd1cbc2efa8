"""`libvirt_available`: a suite is not skipped where libvirt works, and not begun where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loading.conftest import Planner

from seatrial.links import libvirt
from seatrial.loading.requirements import unmet

NEEDS = {"libvirt_available": True}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Whom it was asked of; only the daemon at `good` answers."""
    calls: list[tuple[str, bool]] = []

    def why(uri: str = "", *, ours: bool = True) -> str:
        calls.append((uri, ours))
        return "" if uri == "good" else "nobody answers"

    monkeypatch.setattr(libvirt, "why_absent", why)
    return calls


def test_the_daemon_that_the_provider_would_use_is_asked(asked: list[tuple[str, bool]]) -> None:
    assert unmet(NEEDS, {}, provider="libvirt") == "libvirt is not available here: nobody answers"
    assert unmet(NEEDS, {"LIBVIRT_DEFAULT_URI": "good"}, provider="libvirt") == ""
    settings = {"libvirt": {"uri": "good"}}
    assert unmet(NEEDS, {"LIBVIRT_DEFAULT_URI": "bad"}, provider="local", settings=settings) == ""
    assert asked == [("", True), ("good", True), ("good", False)]
    assert unmet({"libvirt_available": False}, {}) == ""
    assert len(asked) == 3


def test_a_suite_is_skipped_with_the_reason_by_the_projects_own_settings(
    plan_of: Planner, tmp_path: Path, asked: list[tuple[str, bool]]
) -> None:
    text = "provider: t_strong\nrequirements: {libvirt_available: true}\nsteps: [{step: t_nothing}]\n"
    assert "nobody answers" in plan_of(text).suites[0].skip
    (tmp_path / "seatrial.toml").write_text('[providers.libvirt]\nuri = "good"\n')
    assert plan_of(text).suites[0].skip == ""


def test_virsh_alone_is_no_libvirt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "virsh").write_text("#!/bin/sh\n")
    (tmp_path / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", uri)
    libvirt.why_absent.cache_clear()
    assert "libvirt is not available here" in unmet(NEEDS, {"LIBVIRT_DEFAULT_URI": uri}, provider="libvirt")
    assert "libvirt is not available here" in unmet(NEEDS, {"LIBVIRT_DEFAULT_URI": uri}, provider="local")
    libvirt.why_absent.cache_clear()
