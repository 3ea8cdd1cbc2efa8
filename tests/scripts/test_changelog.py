"""Changelog fragments become a section of CHANGELOG.md."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from scripts.changelog import ROOT, fragments, main, release, section

DAY = datetime.date(2026, 12, 1)
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n### Added\n\n- All of it.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    (folder / "README.md").write_text("# Fragments\n")
    (folder / "wait.fixed.md").write_text("`wait` ends at its\ntimeout.\n")
    (folder / "spin.added.md").write_text("A step `spin`.\n")
    return tmp_path


def test_a_section_has_the_kinds_in_order_and_their_lines_indented(root: Path) -> None:
    assert section(root / "changelog.d") == (
        "### Added\n\n- A step `spin`.\n\n### Fixed\n\n- `wait` ends at its\n  timeout.\n"
    )


def test_a_release_moves_the_fragments_above_the_last_one(root: Path) -> None:
    release(root, "0.2.0", DAY)
    text = (root / "CHANGELOG.md").read_text()
    assert text.index("[Unreleased]") < text.index("## [0.2.0] - 2026-12-01") < text.index("## [0.1.0]")
    assert "- A step `spin`.\n\n### Fixed\n" in text
    assert [file.name for file in (root / "changelog.d").iterdir()] == ["README.md"]


def test_a_fragment_of_no_kind_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "changelog.d" / "new.feature.md").write_text("x\n")
    assert main([], root) == 2
    assert "new.feature.md" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["v0.2.0", "0.2", "next"])
def test_a_version_that_is_not_three_numbers_is_refused(root: Path, version: str) -> None:
    assert main([version], root) == 2
    assert (root / "CHANGELOG.md").read_text() == CHANGELOG


def test_nothing_is_released_without_fragments(root: Path) -> None:
    for file in fragments(root / "changelog.d"):
        file.unlink()
    assert main(["0.2.0"], root) == 2


def test_the_fragments_of_this_checkout_are_well_named() -> None:
    assert section(ROOT / "changelog.d") is not None
