"""First mistakes with a deployer's command line that only a run can find: each has its place in the document."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.harness import Project

DOCUMENT = """\
test_suites:
  first:
    provider: ssh
    system:
      kind: command
      deploy: {run: 'true', timeout: 2s}
      destroy: 'true'
      inventory: {file: hosts.json}
      health:
        http: http://127.0.0.1:9/
    workflow: [{step: deploy}]
"""
ONE_NODE = '[{"name": "n1", "ansible_connection": "local"}]'


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({}, 3, "hosts.json does not exist; its folder has: .seatrial, a.yaml, xdg (`inventory` at a.yaml:8)"),
        ({"hosts.json": ONE_NODE[:-1]}, 3, "prints (`inventory` at a.yaml:8)"),
        ({"hosts.json": "[]"}, 3, "the inventory has no nodes (`inventory` at a.yaml:8)"),
        ({"hosts.json": ONE_NODE}, 1, "the service is measured by `health` at a.yaml:9"),
    ],
    ids=["the file is missing", "the file is cut", "the file is empty", "the address of the service is wrong"],
)
def test_what_deploy_did_not_make_has_the_line_that_asks_for_it(
    files: dict[str, str], code: int, words: str, tmp_path: Path
) -> None:
    for name, text in {**files, "a.yaml": DOCUMENT}.items():
        (tmp_path / name).write_text(text)
    done = Project(tmp_path).seatrial("run", "a.yaml")
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout
