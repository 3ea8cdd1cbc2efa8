"""What a plugin declares is held at plan time by the real command, as it is for built-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "examples" / "plugins"
DOCUMENT = """\
provider: PROVIDER
test_suites:
  plugs:
    workflow:
      - step: deploy
      - {step: pull_plug, node: NODE}
      - {step: validate, checks: ["CHECK"]}
"""


def check(folder: Path, *, provider: str, node: str = "n11", text: str = "page_says:hello") -> tuple[int, str]:
    """The exit code and the output of `seatrial check` on the document."""
    document = DOCUMENT.replace("PROVIDER", provider).replace("NODE", node).replace("CHECK", text)
    (folder / "plugs.yaml").write_text(document)
    plugins = [word for file in ("pull_plug.py", "page_says.py") for word in ("--plugin", str(PLUGINS / file))]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "seatrial", "check", "plugs.yaml", *plugins],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not (folder / ".seatrial").exists()
    return done.returncode, done.stdout + done.stderr


def test_a_step_with_a_power_is_planned_where_the_provider_has_it(tmp_path: Path) -> None:
    code, output = check(tmp_path, provider="local")
    assert code == 0, output


def test_a_step_with_a_power_is_refused_where_nobody_has_it(tmp_path: Path) -> None:
    code, output = check(tmp_path, provider="ssh")
    assert code == 2
    assert "plugs.yaml:6:" in output
    assert "the step 'pull_plug' needs the power 'crash'; the provider 'ssh' does not have it" in output


def test_the_nodes_of_a_step_are_checked(tmp_path: Path) -> None:
    code, output = check(tmp_path, provider="local", node="n99")
    assert code == 2
    assert "plugs.yaml:6:" in output
    assert "unknown node 'n99'" in output


@pytest.mark.parametrize("text", ["page_says", "page_says:"])
def test_a_check_says_what_its_text_form_is(tmp_path: Path, text: str) -> None:
    code, output = check(tmp_path, provider="local", text=text)
    assert code == 2
    assert "plugs.yaml:7:" in output
    assert "check 'page_says': write page_says:TEXT" in output


def test_a_check_without_a_text_form_takes_nothing_after_its_name(tmp_path: Path) -> None:
    plugin = tmp_path / "plain.py"
    plugin.write_text(
        "import seatrial\n\n\n@seatrial.check('plain')\ndef plain(context):\n    '''Always.'''\n    return True\n"
    )
    (tmp_path / "seatrial.toml").write_text('plugins = ["plain.py"]\n')
    code, output = check(tmp_path, provider="local", text="plain:word")
    assert code == 2
    assert "the check 'plain' takes no argument, but has ':word'" in output
