"""Jobs and their steps, really executed: what GitHub's runner does, this one does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from github_server.runner.fake_run import SECRET, FakeRun, only, workflow
from seatrial_stand_ins.github.runner import ActionCall, ActionFailed, WorkflowRunner


def execute(run: FakeRun, **settings: Any) -> str:
    """Run it to its end; nothing of its jobs is left."""
    folder = run.folder.parent / "jobs"
    ended = asyncio.run(WorkflowRunner(folder=folder, **settings).run(run))
    assert not folder.exists() or list(folder.iterdir()) == []
    return ended


def test_outputs_variables_and_folders_of_path_reach_the_steps_after(tmp_path: Path) -> None:
    steps = """\
- id: first
  run: |
    echo "tag=v1" >> "$GITHUB_OUTPUT"
    { echo "text<<END"; echo "one"; echo "a=b"; echo "END"; } >> "$GITHUB_OUTPUT"
    echo "NAME=World" >> "$GITHUB_ENV"
    mkdir bin; printf '#!/bin/sh\\necho from the tool\\n' > bin/tool; chmod +x bin/tool
    echo "$PWD/bin" >> "$GITHUB_PATH"
    echo "name here: ${NAME-unset}"
- name: Second
  env: {MINE: "${{ env.NAME }} ${{ steps.first.outputs.tag }}"}
  run: |
    echo "$MINE $NAME"; tool
    echo "${{ steps.first.outputs.text }}" | sed 's/^/> /'
    echo "## Hello" >> "$GITHUB_STEP_SUMMARY"
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "success"
    job = only(run)
    assert (job.name, job.labels, job.conclusion) == ("a", ("ubuntu-latest",), "success")
    assert list(job.outcome) == ['Run echo "tag=v1" >> "$GITHUB_OUTPUT"', "Second"]
    assert "name here: unset" in job.log_text
    for line in ("World v1 World", "from the tool", "> one", "> a=b"):
        assert line in job.steps[1].lines
    assert job.steps[1].summary == "## Hello\n"


def test_a_failed_step_fails_the_job_and_only_steps_that_want_it_follow(tmp_path: Path) -> None:
    steps = """\
- {run: exit 3, id: bad}
- {run: echo no}
- {run: "echo saw ${{ steps.bad.outcome }} ${{ job.status }}", if: failure()}
- {run: echo always, if: always() && env.MINE == '1', env: {MINE: 1}}
- {run: echo cancelled, if: cancelled()}
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "failure"
    job = only(run)
    assert list(job.outcome.values()) == ["failure", "skipped", "success", "success", "skipped"]
    assert "##[error]Process completed with exit code 3." in job.steps[0].lines
    assert "saw failure failure" in job.log_text
    assert ("failure", "Process completed with exit code 3.", ".github", 1) in job.annotations


def test_an_allowed_failure_is_an_outcome_and_no_conclusion(tmp_path: Path) -> None:
    steps = """\
- {run: exit 1, id: a, continue-on-error: true}
- run: echo ${{ steps.a.outcome }}/${{ steps.a.conclusion }}
- {run: sleep 30, id: b, timeout-minutes: 0.005, continue-on-error: "${{ true }}"}
- run: echo ${{ steps.b.outcome }}
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "success"
    assert "failure/success" in only(run).log_text
    assert "has timed out after 0.005 minutes" in only(run).log_text
    assert "failure" in only(run).steps[3].lines


@pytest.mark.parametrize(
    "shell, script, shown, ends",
    [
        ("", "false | true", "bash -e {0}", "success"),
        ("bash", "false | true", "bash --noprofile --norc -eo pipefail {0}", "failure"),
        ("sh", "false; true", "sh -e {0}", "failure"),
        ("python", "import sys; print('hi'); sys.exit(0)", "python", "success"),
        ("cat {0}", "text", "cat {0}", "success"),
        ("nothing", "text", "Invalid shell option 'nothing'", "failure"),
        ("nothing {0}", "text", "nothing: command not found", "failure"),
        ("pwsh", "text", "has no shell 'pwsh'", "failure"),
    ],
)
def test_shells_have_githubs_flags(tmp_path: Path, shell: str, script: str, shown: str, ends: str) -> None:
    about = f", shell: '{shell}'" if shell else ""
    run = FakeRun(tmp_path / "r", workflow(f'- {{run: "{script}"{about}}}\n'))
    assert execute(run) == ends
    assert shown in only(run).log_text


def test_secrets_and_masks_are_in_no_log_name_or_annotation(tmp_path: Path) -> None:
    steps = """\
- name: Use ${{ secrets.MY_SECRET }}
  env: {S: "${{ secrets.MY_SECRET }}", T: "${{ github.token }}"}
  run: |
    V="gen""erated-value"
    echo "secret $S"
    echo "::add-mask::$V"
    echo "later $V"
    echo "::error::bad $V"
    echo "$S $V" >> $GITHUB_STEP_SUMMARY
    echo "masked=$V" >> $GITHUB_OUTPUT
    test "$T" = "ghs_token-of-the-run"
  id: one
- {name: "Post ${{ steps.one.outputs.masked }}", run: "true"}
"""
    job = "outputs: {open: x, hidden: '${{ steps.one.outputs.masked }}'}"
    run = FakeRun(tmp_path / "r", workflow(steps, job=job))
    assert execute(run) == "success"
    told = repr(only(run).steps) + repr(only(run).annotations)
    for line in ("secret ***", "later ***", "bad ***", "*** ***", "Use ***", "Post ***"):
        assert line in told
    assert SECRET not in told
    assert "generated-value" not in told
    assert ("warning", "Skip output 'hidden' since it may contain secret.", ".github", 0) in only(run).annotations


def test_workflow_commands_are_heard(tmp_path: Path) -> None:
    steps = """\
- run: |
    echo "::group::Things"
    echo "::endgroup::"
    echo "::warning file=app/a.py,line=7,title=T%2CU::first%0Asecond"
    echo "::notice::n"
    echo "::stop-commands::tok"
    echo "::error::not heard"
    echo "::tok::"
    echo "::debug::quiet"
    echo "::unknown::left as it is"
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "success"
    job = only(run)
    assert job.annotations == [("warning", "first\nsecond", "app/a.py", 7), ("notice", "n", "", 0)]
    lines = job.steps[0].lines
    assert "##[group]Things" in lines
    assert "::error::not heard" in lines
    assert "::unknown::left as it is" in lines
    assert "quiet" not in lines


def test_a_command_that_github_took_back_fails_the_step(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "r", workflow("- run: echo '::set-env name=a::b'"))
    assert execute(run) == "failure"
    assert "The `set-env` command is disabled; write to $GITHUB_ENV instead" in only(run).log_text


def test_an_old_command_still_works_with_a_warning(tmp_path: Path) -> None:
    steps = "- {id: s, run: \"echo '::set-output name=a::b'; echo '::save-state name=c::d'\"}"
    run = FakeRun(tmp_path / "r", workflow(f"{steps}\n- run: test '${{{{ steps.s.outputs.a }}}}' = b"))
    assert execute(run) == "success"
    said = [message for level, message, *_ in only(run).annotations if level == "warning"]
    assert said == [
        "The `set-output` command is deprecated; write to $GITHUB_OUTPUT instead",
        "The `save-state` command is deprecated; write to $GITHUB_STATE instead",
    ]


@pytest.mark.parametrize(
    "script, message",
    [
        ("echo oops >> $GITHUB_OUTPUT", "invalid format 'oops'"),
        ("echo 'a<<END' >> $GITHUB_ENV", "matching delimiter not found 'END'"),
        ("echo '=b' >> $GITHUB_OUTPUT", "the name is empty"),
        ("echo 'NODE_OPTIONS=x' >> $GITHUB_ENV", "Can't store NODE_OPTIONS"),
        ("head -c 1100000 /dev/zero | tr '\\\\0' x >> $GITHUB_STEP_SUMMARY", "supports content up to a size of 1024k"),
    ],
)
def test_a_wrong_environment_file_fails_the_step(tmp_path: Path, script: str, message: str) -> None:
    run = FakeRun(tmp_path / "r", workflow(f'- run: "{script}"'))
    assert execute(run) == "failure"
    assert message in only(run).log_text


def test_contexts_and_the_environment_say_the_same(tmp_path: Path) -> None:
    steps = """\
- shell: python
  env:
    CONTEXTS: "${{ toJSON(github) }}"
    RUNNER: "${{ toJSON(runner) }}"
  run: |
    import json, os
    for prefix, context in (("GITHUB", "CONTEXTS"), ("RUNNER", "RUNNER")):
        for name, value in json.loads(os.environ[context]).items():
            if name not in ("event", "token"):
                value = str(value).lower() if isinstance(value, bool) else value
                assert os.environ[f"{prefix}_{name.upper()}"] == value, name
    event = json.load(open(os.environ["GITHUB_EVENT_PATH"]))
    assert event == json.loads(os.environ["CONTEXTS"])["event"], event
    assert event["inputs"] == {"n": "3"}, event
    assert os.environ["CI"] == os.environ["GITHUB_ACTIONS"] == "true"
    assert os.environ["EXTRA"] == "of the test" and "HOST_ONLY" not in os.environ
    assert os.environ["HOME"] != "HOME-of-the-host" and os.path.isdir(os.environ["HOME"])
- run: test "${{ vars.ZONE }} ${{ inputs.n == 3 }} ${{ github.event.inputs.n }}" = "north true 3"
- run: test "$A $B $C $GITHUB_SHA" = "step job workflow ${{ github.sha }}"
  env: {A: step, GITHUB_SHA: mine}
- run: test "$(basename "$PWD")" = folder
"""
    more = "env: {A: workflow, B: workflow, C: workflow}\ndefaults: {run: {working-directory: folder}}"
    text = workflow(steps, job="env: {A: job, B: job}\ndefaults: {run: {working-directory: .}}", more=more)
    text = text.replace("defaults: {run: {working-directory: .}}", "defaults: {}")
    text = text.replace("    steps:\n", "    steps:\n      - {run: mkdir folder, working-directory: .}\n")
    run = FakeRun(tmp_path / "r", text, inputs={"n": 3})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOST_ONLY", "1")
        patch.setenv("HOME", "HOME-of-the-host")
        ended = execute(run, environment={"EXTRA": "of the test"})
    assert ended == "success", only(run).log_text


def test_tools_of_the_test_are_in_front_of_path(tmp_path: Path) -> None:
    tool = tmp_path / "tools" / "ls"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho the tests own ls\n")
    tool.chmod(0o755)
    run = FakeRun(tmp_path / "r", workflow("- run: ls"))
    assert execute(run, tools=tool.parent) == "success"
    assert "the tests own ls" in only(run).steps[0].lines


def test_hash_files_is_of_the_workspace(tmp_path: Path) -> None:
    steps = """\
- uses: actions/checkout@v4
- run: test "${{ hashFiles('a/**') }}" = "${{ hashFiles('a/one', 'a/b/two') }}" -a -n "${{ hashFiles('a/*') }}"
- run: test -z "${{ hashFiles('none/**') }}"
- {run: echo there, if: "hashFiles('a/one') != ''"}
"""
    run = FakeRun(tmp_path / "r", workflow(steps), files={"a/one": "1", "a/b/two": "2"})
    assert execute(run) == "success", only(run).log_text
    assert "there" in only(run).log_text


def test_an_action_that_nobody_knows_fails_and_says_so(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "r", workflow("- uses: docker/login-action@v3\n- run: echo no"))
    assert execute(run) == "failure"
    assert "this runner does not know the action docker/login-action" in only(run).log_text
    assert "actions={'docker/login-action': …}" in only(run).log_text


def test_a_test_registers_an_action_of_its_own(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def login(call: ActionCall) -> None:
        seen.append((call.action, call.version, dict(call.inputs)))
        call.outputs["who"] = call.input("username")
        call.host.export("LOGGED_IN", "yes")
        assert await call.execute(["sh", "-c", "echo ran with $CI"]) == 0

        async def out() -> None:
            call.host.log("logged out")

        call.posts.append(out)

    async def broken(call: ActionCall) -> None:
        raise ActionFailed("it is broken")

    steps = """\
- {uses: docker/login-action@v3, id: l, with: {Username: "${{ github.actor }}"}}
- run: test "$LOGGED_IN ${{ steps.l.outputs.who }}" = "yes mona"
- uses: some/broken@v1
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run, actions={"Docker/login-action": login, "some/broken": broken}) == "failure"
    assert seen == [("docker/login-action", "v3", {"username": "mona"})]
    job = only(run)
    assert "ran with true" in job.log_text
    assert list(job.outcome.items())[-2:] == [
        ("Run some/broken@v1", "failure"),
        ("Post Run docker/login-action@v3", "success"),
    ]
    assert job.steps[-1].lines == ["logged out"]


def test_a_wrong_workflow_does_not_start(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "r", "on: push\n")
    assert execute(run) == "startup_failure"
    assert [one[1] for one in only(run).annotations] == ["a workflow has at least one job under `jobs`"]


def test_an_expression_that_has_no_value_fails_its_step(tmp_path: Path) -> None:
    steps = "- run: echo ${{ nothing.at.all }}\n- run: a\n  if: always() && fromJSON('{')\n"
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert execute(run) == "failure"
    assert "there is no 'nothing' in this place" in only(run).log_text
    assert list(only(run).outcome.values()) == ["failure", "failure"]
