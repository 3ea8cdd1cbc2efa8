"""The actions that the runner knows: checkout, artifacts, caches, set-ups, composite ones."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from github_server.runner.fake_run import FakeRun, jobs, only, workflow
from seatrial_stand_ins.github.runner import WorkflowRunner


def execute(run: FakeRun, **settings: Any) -> str:
    """Run it to its end."""
    return asyncio.run(WorkflowRunner(folder=run.folder.parent / "jobs", **settings).run(run))


def names(archive: bytes) -> list[str]:
    """What is in a zip archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return sorted(opened.namelist())


def test_checkout_puts_the_repository_into_the_workspace(tmp_path: Path) -> None:
    steps = """\
- run: echo old > old.txt
- {uses: actions/checkout@v4, id: c}
- run: test "$(cat app/a.txt)" = hello -a ! -e old.txt -a "${{ steps.c.outputs.commit }}" = "$GITHUB_SHA"
- {uses: actions/checkout@v4, with: {path: sub, ref: main}}
- run: test -e sub/app/a.txt -a -e app/a.txt
"""
    run = FakeRun(tmp_path / "r", workflow(steps), files={"app/a.txt": "hello\n"})
    assert execute(run) == "success", only(run).log_text
    assert list(only(run).outcome)[-1] == "Post Run actions/checkout@v4"


@pytest.mark.parametrize(
    "inputs, message",
    [
        ("repository: other/place", "checks out acme/notes only"),
        ("ref: nowhere", "the ref 'nowhere' cannot be checked out: there is no nowhere"),
        ("path: ../out", "is not under"),
        ("clean: maybe", "the input 'clean' of actions/checkout is true or false"),
    ],
)
def test_a_checkout_that_cannot_be_fails(tmp_path: Path, inputs: str, message: str) -> None:
    run = FakeRun(tmp_path / "r", workflow(f"- {{uses: actions/checkout@v4, with: {{{inputs}}}}}"))
    assert execute(run) == "failure"
    assert message in only(run).log_text


TREE = "mkdir -p d/e d/.git; for f in d/a.txt d/e/b.txt d/e/c.log d/.hidden d/.git/x top.txt; do echo $f > $f; done"


@pytest.mark.parametrize(
    "inputs, expected",
    [
        ("path: d", ["a.txt", "e/b.txt", "e/c.log"]),
        ("path: top.txt", ["top.txt"]),
        ("path: d/e/b.txt", ["b.txt"]),
        ("path: 'd/**/*.txt'", ["a.txt", "e/b.txt"]),
        ("path: 'd/*/'", ["e/b.txt", "e/c.log"]),
        ('path: "d/e\\ntop.txt"', ["d/e/b.txt", "d/e/c.log", "top.txt"]),
        ('path: "d\\n!d/e/*.log"', ["a.txt", "e/b.txt"]),
        ("path: d, include-hidden-files: true", [".git/x", ".hidden", "a.txt", "e/b.txt", "e/c.log"]),
        ("path: d/.hidden", None),
        ("path: '${{ github.workspace }}/d/e'", ["b.txt", "c.log"]),
    ],
)
def test_an_artifact_holds_what_its_path_stands_for(tmp_path: Path, inputs: str, expected: list[str] | None) -> None:
    steps = f"- run: '{TREE}'\n- {{uses: actions/upload-artifact@v4, with: {{{inputs}}}}}\n"
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "success", only(run).log_text
    assert {name: names(one) for name, one in run.artifacts.items()} == ({"artifact": expected} if expected else {})


@pytest.mark.parametrize(
    "inputs, ends, message",
    [
        ("path: none", "success", "No files were found with the provided path: none."),
        ("path: none, if-no-files-found: error", "failure", "No files were found with the provided path: none."),
        ("path: none, if-no-files-found: maybe", "failure", "Unrecognized if-no-files-found"),
        ("path: d, name: a/b", "failure", "The artifact name is not valid: a/b"),
        ("name: x", "failure", "Input required and not supplied: path"),
    ],
)
def test_an_artifact_that_cannot_be_says_so(tmp_path: Path, inputs: str, ends: str, message: str) -> None:
    run = FakeRun(tmp_path / "r", workflow(f"- {{uses: actions/upload-artifact@v4, with: {{{inputs}}}}}\n"))
    assert execute(run) == ends
    assert message in only(run).log_text
    assert run.artifacts == {}


def test_a_name_is_taken_once_unless_it_is_to_be_overwritten(tmp_path: Path) -> None:
    put = "- {{uses: actions/upload-artifact@v4, with: {{path: {}, name: n{}}}}}\n"
    steps = (
        f"- run: '{TREE}'\n" + put.format("d", "") + put.format("top.txt", ", overwrite: true") + put.format("d", "")
    )
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "failure"
    assert "(409) Conflict" in only(run).log_text
    assert names(run.artifacts["n"]) == ["top.txt"]


def test_artifacts_go_from_job_to_job(tmp_path: Path) -> None:
    text = f"""\
make:
  runs-on: x
  steps:
    - run: '{TREE}'
    - {{uses: actions/upload-artifact@v4, id: u, with: {{name: one, path: d/e}}}}
    - {{uses: actions/upload-artifact@v4, with: {{name: two, path: top.txt}}}}
    - run: test "${{{{ steps.u.outputs.artifact-id }}}}" = 1
take:
  needs: make
  runs-on: x
  steps:
    - {{uses: actions/download-artifact@v4, id: d, with: {{name: one, path: here}}}}
    - run: test "$(cat here/b.txt)" = d/e/b.txt -a "${{{{ steps.d.outputs.download-path }}}}" = "$PWD/here"
    - {{uses: actions/download-artifact@v4, with: {{path: all}}}}
    - run: test -e all/one/c.log -a -e all/two/top.txt
    - {{uses: actions/download-artifact@v4, with: {{pattern: "t*", merge-multiple: true, path: some}}}}
    - run: test "$(ls some)" = top.txt
    - {{uses: actions/download-artifact@v4, with: {{name: three}}}}
"""
    run = FakeRun(tmp_path / "r", jobs(text))
    assert execute(run) == "failure"
    outcome = [step.conclusion for step in run.jobs["take"].steps]
    assert outcome == [*["success"] * 6, "failure"], run.jobs["take"].log_text
    assert "Artifact not found for name: three; there are: one, two" in run.jobs["take"].log_text


def test_an_archive_with_names_outside_of_it_is_refused(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "r", workflow("- {uses: actions/download-artifact@v4, with: {name: evil, path: here}}"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../evil.txt", "x")
    run.artifacts = {"evil": content.getvalue()}
    assert execute(run) == "failure"
    assert "which is outside of it" in only(run).log_text


def test_a_cache_is_always_missed(tmp_path: Path) -> None:
    steps = """\
- {uses: actions/cache@v4, id: c, with: {path: x, key: "k-${{ runner.os }}"}}
- {run: echo filled, if: steps.c.outputs.cache-hit != 'true'}
- {uses: actions/cache/save@v4, with: {path: x, key: k}}
- {uses: actions/cache/restore@v4, with: {path: x, key: k, fail-on-cache-miss: true}}
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "failure"
    assert "Cache not found for input keys: k-Linux" in only(run).log_text
    assert list(only(run).outcome.values()) == ["success", "success", "success", "failure"]


def test_what_is_set_up_must_be_there(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("python3", "ruby"):
        (tools / name).write_text(f"#!/bin/sh\necho {name} 9.9 $*\n")
        (tools / name).chmod(0o755)
    steps = """\
- {uses: actions/setup-python@v5, id: p, with: {python-version: "3.12"}}
- run: command -v python; echo ${{ steps.p.outputs.python-path }}
- {uses: ruby/setup-ruby@v1, with: {ruby-version: "3.3"}}
- uses: actions/setup-dotnet@v4
- {uses: actions/setup-cobol@v4, if: always()}
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin:/bin")
        run = FakeRun(tmp_path / "r", workflow(steps))
        assert execute(run, tools=tools) == "failure"
    log = only(run).log_text
    assert "Asked for: python 3.12" in log
    assert "python3 9.9 --version" in log
    assert f"{tools}/python3" in log
    assert "ruby 9.9 --version" in log
    assert "the program 'dotnet' is not on PATH, and this runner installs nothing" in log
    assert "does not know actions/setup-cobol; it knows setup-dotnet" in log


ACTION = """\
name: Greet
inputs:
  who: {required: true}
  greeting: {default: "Hello from ${{ github.repository }}"}
outputs:
  text: {value: "${{ steps.say.outputs.text }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      env: {GREETING: "${{ inputs.greeting }}"}
      run: |
        echo "text=$GREETING, ${{ inputs.who }} $LEVEL" >> "$GITHUB_OUTPUT"
        cat "$GITHUB_ACTION_PATH/data.txt"
        echo "FROM_ACTION=1" >> "$GITHUB_ENV"
    - {run: "test '${{ inputs.who }}' != nobody", shell: sh}
    - {run: echo only on failure, shell: bash, if: failure()}
    - {uses: ./.github/actions/inner, with: {n: "${{ steps.say.outputs.text }}"}}
"""
INNER = """\
inputs: {n: {default: none}}
runs:
  using: composite
  steps: [{run: 'echo "inner has ${{ inputs.n }}; ${{ toJSON(steps) }}"', shell: bash}]
"""


def test_a_composite_action_has_inputs_outputs_and_steps_of_its_own(tmp_path: Path) -> None:
    steps = """\
- uses: actions/checkout@v4
- {uses: ./.github/actions/greet, id: g, with: {WHO: "${{ github.actor }}", more: x}, env: {LEVEL: step}}
- run: echo "got ${{ steps.g.outputs.text }} $FROM_ACTION ${LEVEL-no level} ${{ steps.say.outputs.text }}."
- {uses: ./.github/actions/greet, with: {who: nobody}, continue-on-error: true}
- {uses: ./missing}
"""
    files = {
        ".github/actions/greet/action.yml": ACTION,
        ".github/actions/greet/data.txt": "data of the action\n",
        ".github/actions/inner/action.yaml": INNER,
    }
    run = FakeRun(tmp_path / "r", workflow(steps), files=files)
    assert execute(run) == "failure"
    job = only(run)
    text = "Hello from acme/notes, mona step"
    assert f"got {text} 1 no level ." in job.steps[2].lines
    assert "data of the action" in job.steps[1].lines
    assert f"inner has {text}; {{}}" in job.steps[1].lines
    assert "only on failure" not in job.steps[1].lines
    assert ("warning", "Unexpected input(s) ['more'], valid inputs are ['greeting', 'who']", "", 0) in job.annotations
    assert job.steps[3].conclusion == "success"
    assert "only on failure" in job.steps[3].lines
    assert "./.github/actions/greet failed: a step of it did" in job.log_text
    assert "Did you forget to run actions/checkout" in job.steps[4].lines[-1]


def test_a_folder_stands_for_an_action_of_somebody_else(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "action.yml").write_text(INNER)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "action.yml").write_text("runs: {using: node20, main: x.js}\n")
    steps = "- {uses: some/action@v1, with: {n: 5}}\n- uses: some/node@v1\n"
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run, actions={"some/action": folder, "some/node": wrong}) == "failure"
    assert "inner has 5; {}" in only(run).log_text
    assert "this runner runs composite actions, not `using: node20`" in only(run).log_text
