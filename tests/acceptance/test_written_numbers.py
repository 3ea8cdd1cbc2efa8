"""A number of a document reaches a command line, a variable or a comparison as it was written, in every place."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.harness import Document, Project, only

NUMBERS = [
    "3.10", "1.0", "01234", "0644", "-0", "+5", "1e3", "123456e7", "1.50", "5.", ".5", "0x1F", "0o17", "1_000", "1:30",
    "2024-01-02", "yes", "no", "on", "off", "12345678901234567890123", "1E+2", "0.1000",
]  # fmt: skip
JSON_NUMBERS = ["3.10", "1e3", "0.50", "-0", "1E+2", "7"]


def run(project: Project, name: str, text: str, *more: str) -> Document:
    path = project.folder / name
    path.write_text(text)
    done = project.seatrial("run", path, "--format", "json", *more)
    row: Document = only(json.loads(done.stdout)["results"])
    assert row["verdict"] == "passed", done.stdout + done.stderr
    return row


def printed(row: Document, step: int) -> Any:
    return row["workflow_steps"][step]["outputs"]["stdout"]


def test_a_number_is_in_every_text_as_it_was_written(project: Project) -> None:
    names = {f"v{at}": number for at, number in enumerate(NUMBERS)}
    mapping = ", ".join(f"{name}: {number}" for name, number in names.items())
    text = f"""\
provider: local
parameters: {{{mapping}}}
vars: {{{mapping}}}
system: {{kind: command, init: [sh, -c, 'echo "$*" >flags', x], deploy: 'true', destroy: 'true',
  cwd: $deployment_dir, parameters_as_flags: [init]}}
test_suites:
  one:
    workflow:
      - {{step: init}}
      - {{step: set, values: {{{mapping.replace("v", "made")}}}}}
      - {{step: custom_command, custom_command: [printf, '%s\\n', {", ".join(f'"${{{{ parameters.{one} }}}}"' for one in names)}]}}
      - {{step: custom_command, custom_command: [printf, '%s\\n', {", ".join(f'"a${{{{ vars.{one} }}}}"' for one in names)}]}}
      - {{step: custom_command, custom_command: [printf, '%s\\n',
          {", ".join(f'"${{{{ vars.{one.replace("v", "made")} }}}}"' for one in names)}]}}
      - {{step: custom_command, custom_command: "cat $deployment_dir/flags"}}
"""  # noqa: E501 - the document is easier to read than to wrap
    row = run(project, "trial.yaml", text, "--set", "parameters.v1=7.10", "--set", "parameters.v2=007")
    given = [*NUMBERS[:1], "7.10", "007", *NUMBERS[3:]]
    assert printed(row, 2).splitlines() == given
    assert printed(row, 3).splitlines() == [f"a{one}" for one in NUMBERS]
    assert printed(row, 4).splitlines() == NUMBERS
    flags = [f"--{name} {value}" for name, value in zip(names, given, strict=True)]
    assert printed(row, 5) == " ".join(flags)
    assert row["provenance"]["parameters"]["v0"] == "3.10"


def test_a_number_of_json_is_kept_too(project: Project) -> None:
    names = {f"v{at}": number for at, number in enumerate(JSON_NUMBERS)}
    words = ", ".join(f'"${{{{ parameters.{name} }}}}"' for name in names)
    text = f"""{{
        "parameters": {{{", ".join(f'"{name}": {number}' for name, number in names.items())}}},
        "vars": {{"l": [3.10, {{"a": 1e3}}]}},
        "test_suites": {{"one": {{"provider": "local", "workflow": [
            {{"step": "custom_command", "custom_command": ["printf", "%s ", {words}]}},
            {{"step": "custom_command", "custom_command": ["echo", "l=${{{{ vars.l }}}}"]}}]}}}}}}"""
    row = run(project, "trial.json", text)
    assert printed(row, 0).split() == JSON_NUMBERS
    assert printed(row, 1) == 'l=[3.10, {"a": 1e3}]'


def test_whole_numbers_among_arguments_and_variables_keep_their_zeros(project: Project) -> None:
    text = """\
test_suites: {one: {provider: local, workflow: [
  {step: custom_command, custom_command: [echo, chmod, 0644]},
  {step: custom_command, custom_command: 'echo $UMASK', env: {UMASK: 0022}}]}}
"""
    row = run(project, "trial.yaml", text)
    assert [printed(row, 0), printed(row, 1)] == ["chmod 0644", "0022"]


def test_they_stay_numbers_where_numbers_are_wanted(project: Project) -> None:
    text = """\
parameters: {cluster_size: 01, ratio: 1.50}
test_suites: {one: {provider: local, workflow: [
  {step: custom_command, command: 'true', if: parameters.ratio > 1.4 && parameters.cluster_size == 1, timeout: 1e1},
  {step: wait, for: 0.10}]}}
"""
    assert run(project, "trial.yaml", text)["workflow_steps"][0]["status"] == "completed"


def test_what_cannot_be_kept_is_refused_with_its_place(project: Project) -> None:
    path = project.folder / "trial.yaml"
    path.write_text(
        "test_suites: {one: {provider: local, workflow: [\n  {step: custom_command, command: [echo, 3.10]}]}}\n"
    )
    done = project.seatrial("check", path)
    assert done.returncode == 2
    assert "trial.yaml:2:42: 3.10 is not text or a whole number" in done.stderr
    assert "put it in quotes" in done.stderr
    path = project.folder / "trial.json"
    path.write_text('{"parameters": {"x": 1e999}, "test_suites": {}}')
    done = project.seatrial("check", path)
    assert "1e999 is too large" in done.stderr
