"""`collect`."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import CannotTell
from seatrial.spi import Finished
from seatrial.steps.collect import Collect, safe


def test_files_commands_and_logs_go_into_a_folder_per_node(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, names=("n11", "n12"))
    for node in ctx.system.all:
        ctx.link(node).files = {"/var/log/app/a.log": f"a of {node.name}", "/var/log/app/b.log": "b"}
        ctx.link(node).commands["df -h"] = Finished(exit_code=0, stdout="full\n", stderr="")
    step = Collect(paths="/var/log/app/*", commands={"disk": "df -h"}, logs=True)
    outputs = within(lambda: step.run(ctx))
    assert (ctx.artifacts / "n12/var/log/app/a.log").read_text() == "a of n12"
    assert (ctx.artifacts / "n11/disk").read_text() == "full\n"
    assert (ctx.artifacts / "n11/service.log").read_text() == "last words of n11"
    assert outputs["count"] == 8
    assert "n11/var/log/app/b.log" in outputs["files"]


def test_a_missing_file_cannot_be_told_unless_it_is_optional(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    with pytest.raises(CannotTell, match=r"there is no /nowhere on n11"):
        within(lambda: Collect(nodes="n11", paths=("/nowhere",)).run(ctx))
    outputs = within(lambda: Collect(nodes="n11", paths=("/nowhere",), optional=True).run(ctx))
    assert outputs["missing"] == {"n11": ["there is no /nowhere"]}
    assert any("warning: not collected from n11" in one for one in ctx.said)


def test_a_node_that_does_not_answer_does_not_keep_the_others(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, names=("n11", "n12"))
    ctx.provider.machines["n11"].link = False
    ctx.link(ctx.system.all[1]).files = {"/x": "x"}
    with pytest.raises(CannotTell, match="n11 does not answer"):
        within(lambda: Collect(paths=("/x",)).run(ctx))
    assert (ctx.artifacts / "n12/x").read_text() == "x"
    assert within(lambda: Collect(paths=("/x",), optional=True).run(ctx))["count"] == 1


def test_no_name_leads_out_of_the_artifacts(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, names=("n11",))
    ctx.link(ctx.system.all[0]).files = {"../../../etc/passwd": "secret"}
    within(lambda: Collect(paths=("../../../etc/passwd",), commands={"../../out": "true"}).run(ctx))
    written = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert all(one.is_relative_to(ctx.artifacts / "n11") for one in written)
    assert len(written) == 2


def test_names_are_made_safe() -> None:
    assert [safe(one) for one in ("a b", "..", ".", "x/y", "", "a.log", ".bashrc")] == [
        "a_b",
        "__",
        "_",
        "x_y",
        "_",
        "a.log",
        ".bashrc",
    ]


def test_nothing_to_collect_is_refused() -> None:
    assert [key for key, _ in Collect().check_fields()] == [""]
    assert [key for key, _ in Collect(commands={"a b": "x", "a_b": "y"}).check_fields()] == ["commands"]
