"""What an editor with taplo (Even Better TOML) marks in the `seatrial.toml` that `init` writes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.editors.language_server import installed

from seatrial.app.init import SETTINGS_TEXT
from seatrial.app.project import SETTINGS_SCHEMA
from seatrial.app.schemas import schema_text

pytestmark = pytest.mark.backend("npm")

PACKAGE = "@taplo/cli@0.7.0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schema of settings."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / SETTINGS_SCHEMA).write_text(schema_text(of="settings"))
    return folder


def marked(folder: Path, text: str) -> set[int]:
    """The lines with a problem."""
    (folder / "seatrial.toml").write_text(text)
    argv = ["node", str(installed(PACKAGE, "dist/cli.js")), "lint", "seatrial.toml"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    lines = {int(number) for number in re.findall(r"seatrial\.toml:(\d+):", done.stderr)}
    assert bool(lines) == (done.returncode != 0), done.stderr
    return lines


def test_the_settings_that_init_writes_are_not_marked(project: Path) -> None:
    assert marked(project, SETTINGS_TEXT) == set()


@pytest.mark.parametrize(
    "wrong", ["paralel = 3", 'parallel = "many"', 'deadlines.deploy = "soon"', 'system.kind = "comand"']
)
def test_a_wrong_setting_is_marked_where_it_is(wrong: str, project: Path) -> None:
    head = SETTINGS_TEXT.replace("parallel = 1", "# parallel = 1")
    assert head.count("\n") + 1 in marked(project, f"{head}{wrong}\n")
