"""Trials on a real engine: what was found out about it is kept for the test process, not for the user."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the test process."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(folder))
    return folder
