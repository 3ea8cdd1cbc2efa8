"""`custom_command`, and the files behind `script:`."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.model.values import CutText, Timeout
from seatrial.spi import Finished
from seatrial.steps.custom_command import CustomCommand, find


def script(path: Path, text: str = "echo ran $0 $@\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(mode)
    return path


def test_arguments_go_to_the_program_as_they_are_in_the_documents_folder(tmp_path: Path) -> None:
    script(tmp_path / "scripts" / "show.sh", 'pwd; echo "$1"; echo "$E2E_RUN_ID $EXTRA"; echo oops >&2\n')
    ctx = FakeContext(tmp_path)
    command = CustomCommand(custom_command=("./scripts/show.sh", "a b"), env={"EXTRA": "more"})
    outputs = within(lambda: command.run(ctx))
    assert outputs == {"exit_code": 0, "stdout": f"{tmp_path}\na b\n{ctx.trial_id} more", "stderr": "oops"}
    assert ctx.outputs == [("command", f"{tmp_path}\na b\n{ctx.trial_id} more\noops\n")]


def test_a_string_goes_to_the_shell_and_json_is_read(tmp_path: Path) -> None:
    command = CustomCommand(custom_command="""cat | tr a-z A-Z >/dev/null; echo '{"items": [1, 2]}'""", stdin="x")
    assert within(lambda: command.run(FakeContext(tmp_path)))["json"] == {"items": [1, 2]}


def test_another_exit_code_is_a_failed_test_with_the_last_lines(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="ended with exit code 3, expected 0: lost two rows") as caught:
        within(lambda: CustomCommand(custom_command="echo 'lost two rows' >&2; exit 3").run(FakeContext(tmp_path)))
    assert caught.value.category == "test"
    assert caught.value.evidence == "lost two rows"


def test_the_exit_codes_that_pass_can_be_named(tmp_path: Path) -> None:
    command = CustomCommand(custom_command="exit 3", expect_exit_code=(0, 3))
    assert within(lambda: command.run(FakeContext(tmp_path)))["exit_code"] == 3
    with pytest.raises(StepFailed, match="expected 3"):
        within(lambda: CustomCommand(custom_command="exit 0", expect_exit_code=3).run(FakeContext(tmp_path)))


def test_a_long_stream_is_marked_in_the_outputs_and_named_by_its_file_in_the_evidence(tmp_path: Path) -> None:
    long = CustomCommand(custom_command="seq 1 20000")
    text = within(lambda: long.run(FakeContext(tmp_path)))["stdout"]
    assert isinstance(text, CutText)
    assert text.startswith("… (43357 characters before)\n")
    assert (text.whole, text[-5:]) == (108893, "20000")
    wrong = CustomCommand(custom_command="seq 1 30; exit 3")
    with pytest.raises(StepFailed) as caught:
        within(lambda: wrong.run(FakeContext(tmp_path)))
    assert caught.value.evidence == "\n".join([*map(str, range(11, 31)), f"the whole output: {tmp_path / 'test.log'}"])


def test_json_with_a_dropped_middle_is_no_output(tmp_path: Path) -> None:
    command = CustomCommand(custom_command="printf '['; seq -s, 1 300000 | tr -d '\\n'; printf ']'")
    assert "json" not in within(lambda: command.run(FakeContext(tmp_path)))


@pytest.mark.parametrize("command", [("no-such-program-at-all",), "no-such-program-at-all --now"])
def test_a_missing_program_is_unknown(tmp_path: Path, command: object) -> None:
    with pytest.raises(ToolMissing, match="no-such-program-at-all"):
        within(lambda: CustomCommand(custom_command=command).run(FakeContext(tmp_path)))  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["no-such-program-at-all", ("sh", "-c", "no-such-program-at-all; exit $?")])
def test_a_missing_program_is_no_expected_failure(tmp_path: Path, command: object) -> None:
    """`expect: failure` asks for a StepFailed."""
    with pytest.raises(ToolMissing, match="no-such-program-at-all"):
        within(lambda: CustomCommand(command=command).run(FakeContext(tmp_path)))  # type: ignore[arg-type]
    with pytest.raises(StepFailed):
        within(lambda: CustomCommand(command="exit 3").run(FakeContext(tmp_path)))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_command_that_takes_too_long_is_an_overrun_with_what_it_said_and_is_gone(tmp_path: Path) -> None:
    command = CustomCommand(custom_command="echo $$; exec sleep 60", timeout=Timeout(2))  # long enough to say it
    ctx = FakeContext(tmp_path)
    with pytest.raises(Overrun, match=r"did not end within 2 s") as caught:
        within(lambda: command.run(ctx))
    assert gone(int(caught.value.evidence))


def test_a_cancelled_command_is_gone_with_its_children(tmp_path: Path) -> None:
    async def cancel() -> None:
        command = CustomCommand(custom_command="sleep 60 & echo $! > child; wait")
        task = asyncio.create_task(command.run(FakeContext(tmp_path)))
        async with asyncio.timeout(30):
            while not (tmp_path / "child").is_file() or not (tmp_path / "child").read_text().strip():
                await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    within(cancel, seconds=60)
    assert gone(int((tmp_path / "child").read_text()))


def test_a_short_command_is_no_resource(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    for _ in range(2):
        within(lambda: CustomCommand(custom_command=("true",)).run(ctx))
    assert ctx.ledger == ["made process engine:process"], "the one of all programs of its trial"


def test_what_a_command_leaves_running_lives_on_and_is_reported(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    command = CustomCommand(custom_command="sleep 60 >/dev/null 2>&1 & echo $!")
    outputs = within(lambda: command.run(ctx))
    assert not gone(int(outputs["stdout"]))
    os.kill(int(outputs["stdout"]), 9)
    assert any("left processes behind" in one for one in ctx.said)


def test_a_script_has_arguments_and_is_looked_for_upward(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").touch()
    path = script(tmp_path / "custom_commands" / "check.sh")
    ctx = FakeContext(tmp_path)
    ctx.document_folder = tmp_path / "a" / "b"
    ctx.document_folder.mkdir(parents=True)
    made = CustomCommand(script="check.sh 'n 12' 300")
    assert list(made.check_files(ctx.document_folder)) == []
    assert within(lambda: made.run(ctx))["stdout"] == f"ran {path} n 12 300"


def test_a_script_beside_the_document_comes_first(tmp_path: Path) -> None:
    script(tmp_path / "custom_commands" / "check.sh")
    near = script(tmp_path / "check.sh")
    assert find("check.sh", tmp_path) == near


def test_a_script_outside_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    script(tmp_path / "evil.sh")
    project.mkdir()
    (project / "seatrial.toml").touch()
    for name in ("../evil.sh", str(tmp_path / "evil.sh"), "custom_commands/../../evil.sh"):
        with pytest.raises(CannotTell, match="outside the project"):
            find(name, project)


def test_a_script_that_is_not_there_or_not_executable_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").touch()
    assert (
        "script 'check.sh' does not exist; looked for"
        in dict(CustomCommand(script="check.sh").check_files(tmp_path))["script"]
    )
    script(tmp_path / "check.sh", mode=0o644)
    if os.geteuid() != 0 or not os.access(tmp_path / "check.sh", os.X_OK):
        assert "chmod +x" in dict(CustomCommand(script="check.sh").check_files(tmp_path))["script"]


def test_the_folder_must_be_inside_the_documents(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    ctx = FakeContext(tmp_path)
    assert within(lambda: CustomCommand(custom_command="pwd", cwd="sub").run(ctx))["stdout"] == str(tmp_path / "sub")
    with pytest.raises(CannotTell, match="leads out of"):
        within(lambda: CustomCommand(custom_command="pwd", cwd="../..").run(ctx))
    assert [key for key, _ in CustomCommand(custom_command="pwd", cwd="..").check_files(tmp_path)] == ["cwd"]


def test_on_runs_over_the_links_of_the_nodes_with_the_runs_names(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    for node in ctx.system.all[:2]:
        ctx.link(node).commands["hostname"] = Finished(exit_code=0, stdout=f"{node.name}\n", stderr="")
    outputs = within(lambda: CustomCommand(custom_command="hostname", on="n11,n12").run(ctx))
    assert outputs["stdout"] == "n11"
    assert outputs["nodes"]["n12"]["stdout"] == "n12"
    assert ctx.links["n12"].seen[0]["env"] == {"E2E_RUN_ID": ctx.trial_id, "SEATRIAL_RUN_ID": "run"}


def test_on_names_the_node_that_failed(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.link(ctx.system.all[1]).commands["check"] = Finished(exit_code=1, stdout="", stderr="bad\n")
    with pytest.raises(StepFailed, match="ended with exit code 1 on n12, expected 0: bad"):
        within(lambda: CustomCommand(custom_command="check", on="*").run(ctx))


@pytest.mark.parametrize(
    "fields, key",
    [
        ({}, ""),
        ({"custom_command": "x", "script": "y"}, "script"),
        ({"script": "y", "on": "n11"}, "script"),
        ({"custom_command": "x", "on": "n11", "cwd": "sub"}, "cwd"),
        ({"custom_command": "x", "expect_exit_code": ()}, "expect_exit_code"),
        ({"script": "'unclosed"}, "script"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, object], key: str) -> None:
    assert key in [one for one, _ in CustomCommand(**fields).check_fields()]  # type: ignore[arg-type]


def test_a_run_of_a_small_program_costs_little(tmp_path: Path) -> None:
    async def many() -> float:
        ctx = FakeContext(tmp_path)
        command = CustomCommand(custom_command=("true",))
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(10):
                await command.run(ctx)
            best = min(best, (time.perf_counter() - start) / 10)
        return best

    # Generous: this catches an accidental wait or a thread per command, not a slow machine.
    assert within(many) < 0.05, sys.platform
