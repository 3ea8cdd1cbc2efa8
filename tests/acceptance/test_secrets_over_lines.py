"""A secret that a tool wraps: no message has a line of it."""

from __future__ import annotations

import base64

import pytest
from tests.acceptance.harness import Document, Project, suite

SECRET = "Kz7-" + "qWx9Lm2Rt5" * 12
LAST = {
    "base64": base64.encodebytes(SECRET.encode()).decode().split()[-1],
    "fold -w 59": SECRET[118:],
}
SAY = 'printf %s "$TOKEN" | '
ENV = {"TOKEN": "${{ secrets.TOKEN }}"}

PLACES: dict[str, Document] = {
    "a step": suite({"step": "custom_command", "env": ENV, "custom_command": f"{SAY}TOOL; exit 3"}),
    "a step that is too late": suite(
        {"step": "custom_command", "env": ENV, "timeout": 1, "custom_command": f"{SAY}TOOL >&2; sleep 9"}
    ),
    "a check": suite(
        {"step": "validate", "checks": [{"check": "command", "env": ENV, "command": f"{SAY}TOOL; exit 3"}]}
    ),
    "a deployer": suite(
        "deploy",
        system={"kind": "command", "env": ENV, "deploy": f"{SAY}TOOL >&2; exit 3", "destroy": "true", "status": "true"},
    ),
}


@pytest.mark.parametrize("tool", LAST)
@pytest.mark.parametrize("place", PLACES)
def test_no_line_of_a_wrapped_secret_is_shown(
    place: str, tool: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    assert len(LAST[tool]) >= 6
    text = project.write("trial.json", PLACES[place])
    text.write_text(text.read_text().replace("TOOL", tool))
    done = project.seatrial("run", text, "--format", "plain")
    assert done.returncode == 1, done.stdout + done.stderr
    written = [file.read_text() for file in (project.folder / ".seatrial").rglob("*") if file.is_file()]
    assert LAST[tool] not in "".join([done.stdout, done.stderr, *written])
