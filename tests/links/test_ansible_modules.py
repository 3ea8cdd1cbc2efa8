"""The words for a module that Ansible does not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import ToolMissing
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
