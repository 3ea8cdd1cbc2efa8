"""The words for a module or a key that Ansible does not know, and for a host that it does not reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import CannotTell, StepFailed, ToolMissing
from seatrial.links.ansible import Playbooks, judge
from seatrial.links.ansible.events import Events, Result
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


SILENT = Result(kind="unreachable", host="n1", task="true", place="site.yml:4", message="Connection refused")


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"hosts.ini": "# web\n[web]\nn1 ansible_host=10.0.0.1\n"}, "hosts.ini:3"),
        ({"hosts.ini": "n2\nn1\n"}, "hosts.ini:2"),
        ({"hosts.ini": "[web]\nn1\n[web:vars]\nansible_host=10.0.0.1\n"}, "hosts.ini:4"),
        ({"hosts.yml": "web:\n  hosts:\n    n1:\n      ansible_host: 10.0.0.1\n"}, "hosts.yml:4"),
        ({"hosts.ini": "n1\n", "host_vars/n1.yml": "# here\nansible_host: 10.0.0.1\n"}, "host_vars/n1.yml:2"),
        ({"hosts.json": '[{"name": "n1", "host": "10.0.0.1"}]'}, "hosts.json"),
        ({"hosts.ini": "n2\n"}, "hosts.ini"),
        ({"hosts.sh": "#!/bin/sh\n"}, "hosts.sh"),
    ],
    ids=[
        "the address",
        "only the name",
        "of its group",
        "YAML",
        "of a file beside",
        "JSON",
        "added by a play",
        "a script",
    ],
)
def test_a_host_that_is_not_reached_has_the_line_of_its_address(
    files: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755 if text.startswith("#!") else 0o644)
    source = tmp_path / next(iter(files))
    argv = ("ansible-playbook", "-i", str(source), "site.yml")
    call = Playbooks(verb="deploy", argv=argv, cwd=str(tmp_path), env={}, timeout=1, sources=(source,))
    events = Events(tmp_path / "none.jsonl", results=[SILENT], failures={}, unreachable={"n1": 1})
    with pytest.raises(CannotTell) as caught:
        judge(call, Finished(exit_code=4, stdout="", stderr=""), events, "")
    told = "site.yml: task 'true' on n1: Connection refused (site.yml:4); its way in is in the inventory "
    assert str(caught.value).startswith(f"{told}({place}): ansible_host, ")
