"""The words for a module or a key that Ansible does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import StepFailed, ToolMissing
from seatrial.links.ansible import Playbooks, judge
from seatrial.links.ansible.events import Events
from seatrial.spi import Finished


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("comand", "did you mean 'command'? Else: is it installed?"),
        ("ansible.builtin.comand", "did you mean 'ansible.builtin.command'? Else: is it installed?"),
        ("community.docker.docker_container", "; is it installed?"),
    ],
)
def test_a_misspelt_module_has_the_nearest_name(module: str, words: str, tmp_path: Path) -> None:
    call = Playbooks(verb="deploy", argv=("ansible-playbook", "site.yml"), cwd=str(tmp_path), env={}, timeout=1)
    said = f"[ERROR]: couldn't resolve module/action '{module}'. This often indicates a misspelling."
    with pytest.raises(ToolMissing) as caught:
        judge(call, Finished(exit_code=4, stdout="", stderr=said), Events(tmp_path / "none.jsonl"), "")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("'task' is not a valid attribute for a Play", "(/x/site.yml:3); did you mean 'tasks'?"),
        ("'when' is not a valid attribute for a Play", "; it belongs to a task"),
        ("'odd' is not a valid attribute for a Play", "'odd' is not a valid attribute for a Play (/x/site.yml:3)"),
        ("'rescu' is not a valid attribute for a Block", "; did you mean 'rescue'?"),
        ("conflicting action statements: shell, registr", "; did you mean 'register'?"),
        ("conflicting action statements: copy, src", "; a task has one module: indent its arguments below it"),
    ],
)
def test_a_misspelt_key_has_its_place_and_the_nearest_name(said: str, words: str, tmp_path: Path) -> None:
    call = Playbooks(verb="deploy", argv=("ansible-playbook", "site.yml"), cwd=str(tmp_path), env={}, timeout=1)
    place = "The error appears to be in '/x/site.yml': line 3, column 3, but may\nbe elsewhere in the file"
    done = Finished(exit_code=4, stdout="", stderr=f"ERROR! {said}\n\n{place}")
    with pytest.raises(StepFailed) as caught:
        judge(call, done, Events(tmp_path / "none.jsonl"), "")
    assert str(caught.value).endswith(words)
