"""The project and its plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.app.project import find
from seatrial.errors import DocumentError


def test_every_plugin_of_the_settings_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fine.py").touch()
    (tmp_path / "broken.py").write_text("import no_such_module_of_ours\n")
    (tmp_path / "seatrial.toml").write_text(
        'parallel = 2\nplugins = ["fine.py",\n  "missing.py",\n  \'broken.py\'] # both\n'
    )
    with pytest.raises(DocumentError) as raised:
        find(tmp_path).registry(())
    missing, broken = raised.value.problems
    assert (missing.file, missing.line, missing.column) == ("seatrial.toml", 3, 3)
    assert "invalid plugin 'missing.py'" in missing.message
    assert "plugin file not found" in missing.message
    assert (broken.file, broken.line, broken.column) == ("seatrial.toml", 4, 3)
    assert "no_such_module_of_ours" in broken.message


def test_a_plugin_that_the_environment_names_has_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_PLUGINS", "missing.py")
    with pytest.raises(DocumentError, match=r"^environment SEATRIAL_PLUGINS: invalid plugin 'missing.py'"):
        find(tmp_path).registry(())
