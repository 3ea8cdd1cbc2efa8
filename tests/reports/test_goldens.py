"""Reports of the frozen run, word for word. `SEATRIAL_WRITE_GOLDENS=1` writes them anew; read the difference then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.reports.story import frozen

from seatrial.reports.document import render

GOLDEN = Path(__file__).with_name("golden")
FILES = {
    "console": "console.txt",
    "junit": "junit.xml",
    "ctrf": "ctrf.json",
    "github": "summary.md",
    "annotations": "annotations.txt",
}


@pytest.mark.parametrize("name", FILES)
def test_the_report_of_the_frozen_run_is_unchanged(name: str) -> None:
    file = GOLDEN / FILES[name]
    text = render(name, frozen())
    if os.environ.get("SEATRIAL_WRITE_GOLDENS") == "1":
        file.write_text(text, encoding="utf-8")
        pytest.skip(f"{file.name} was written")
    assert text == file.read_text(encoding="utf-8")
