"""Wrong input through the real command: exit code 2, every error with its place, and nothing was started."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project, processes_of
from tests.loading.test_bad_documents import BAD, step

PLUGIN = Path(__file__).parents[1] / "loading" / "plugin_file.py"
PLACE = re.compile(r"error: (?P<file>[^\s:]+)(?::(?P<line>[1-9]\d*):(?P<column>[1-9]\d*))?: \S")
"""A file alone when the whole file is meant."""
GOOD = step("{step: t_nothing, note: fine}")
CANARY = "test_suites: {canary: {workflow: [{step: custom_command, custom_command: [touch, %s]}]}}\n"

TROUBLES = [
    ("a tab", b"test_suites:\n\tone:\n\t\tworkflow: []\n", "2:1", "with spaces, not with tabs"),
    ("Windows line ends", b"test_suites:\r\n  one:\r\n    workflow:\r\n      - step: deplyo\r\n", "4:15", "'deploy'"),
    ("a byte order mark", b"\xef\xbb\xbfsteps: [{step: deplyo}]\n", "1:16", "'deploy'"),
    ("UTF-16", "steps: []\n".encode("utf-16"), "1:1", "save the file as UTF-8"),
    ("a program", b"\x7fELF\x02\x01\x01\x00\x00\xd0\xff", "1:10", "UTF-8"),
    ("nothing at all", b"", "1:1", "test_suites"),
    ("steps as keys", b"steps:\n  - init\n  - deploy: {timeout: 5s}\n", "3:5", "write `step: deploy`"),
    ("an anchor that is merged", b"a: &a {step: init}\nsteps:\n  - <<: *a\n", "3:5", "YAML 1.2"),
]
"""What people's editors and habits make of a document: the bytes, where, and words of the message or its hint."""


def put(folder: Path, files: Any) -> Path:
    """Write the files of a row of the table; the first one is what is run."""
    given = {"suite.yaml": files} if isinstance(files, str) else files
    for name, content in given.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / next(iter(given))


def nothing_started(project: Project) -> None:
    assert not (project.folder / ".seatrial").exists(), "a run began"
    assert not (project.folder / "xdg").exists(), "something was leased"
    assert not (project.folder / "touched").exists(), "a step ran"
    assert processes_of(project.folder) == []


def refused(project: Project, done: subprocess.CompletedProcess[str]) -> list[str]:
    """The errors of a command that was refused, each with its place."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line for line in errors if not PLACE.match(line)] == [], "an error without a place"
    nothing_started(project)
    return errors


@pytest.fixture
def canary(project: Project) -> str:
    """A document with nothing wrong in it: beside wrong ones it must not run either."""
    (project.folder / "canary.yaml").write_text(CANARY % (project.folder / "touched"))
    return "canary.yaml"


def test_every_wrong_document_is_refused_in_one_call_and_nothing_runs(project: Project, canary: str) -> None:
    paths = [put(project.folder / f"{at:03}", row[1]).relative_to(project.folder) for at, row in enumerate(BAD)]
    assert len(paths) >= 40
    errors = refused(project, project.seatrial("run", canary, *paths, "--plugin", PLUGIN))
    for at, (what, _, where, _) in enumerate(BAD):
        told = [line for line in errors if line.startswith(f"error: {at:03}/")]
        assert any(line.startswith(f"error: {at:03}/{where}: ") for line in told), f"{what}: {told}"
    assert not any("canary" in line for line in errors)


def test_the_same_errors_are_one_json_document_for_a_program(project: Project) -> None:
    rows = [row for row in BAD if isinstance(row[1], str) or len(row[1]) == 1]
    paths = [put(project.folder / f"{at:03}", row[1]).relative_to(project.folder) for at, row in enumerate(rows)]
    done = project.seatrial("check", *paths, "--plugin", PLUGIN, "--format", "json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["success"] is False
    places = {
        "{file}:{line}:{column}".format(**problem) if problem["line"] else problem["file"]
        for problem in told["problems"]
    }
    assert [row[0] for at, row in enumerate(rows) if f"{at:03}/{row[2]}" not in places] == []
    words = "\n".join(f"{problem['file']} {problem['message']} {problem['hint']}" for problem in told["problems"])
    assert [row[0] for at, row in enumerate(rows) if not _said(words, f"{at:03}/", row[3])] == []
    nothing_started(project)


def _said(text: str, folder: str, words: str) -> bool:
    told = words.replace("\n    ", " ")  # a message and its hint
    return any(told in line for line in text.splitlines() if line.startswith(folder))


def test_what_editors_and_habits_make_of_a_document_is_told_with_its_remedy(project: Project) -> None:
    names = [f"{at}.yaml" for at in range(len(TROUBLES))]
    for name, (_, content, _, _) in zip(names, TROUBLES, strict=True):
        (project.folder / name).write_bytes(content)
    done = project.seatrial("run", *names)
    refused(project, done)
    blocks = done.stderr.split("error: ")
    for name, (what, _, where, words) in zip(names, TROUBLES, strict=True):
        assert any(block.startswith(f"{name}:{where}: ") and words in block for block in blocks), (
            f"{what}:\n{done.stderr}"
        )


def test_files_that_are_no_documents_are_refused_unread(project: Project, canary: str) -> None:
    with (project.folder / "huge.json").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    os.mkfifo(project.folder / "pipe.yaml")
    (project.folder / "loop.yaml").symlink_to("loop.yaml")
    names = ("huge.json", "pipe.yaml", "missing.yaml", "loop.yaml", f"{canary}/inside.yaml")
    errors = refused(project, project.seatrial("run", canary, *names, timeout=60))
    assert [PLACE.match(line)["file"] for line in errors] == sorted(names)  # type: ignore[index]
    for words in (
        "104.9 MB",
        "not a regular file",
        "missing.yaml: file not found",
        "cannot be read",
        "a part of its path is a file",
    ):
        assert any(words in line for line in errors), words


@pytest.mark.parametrize(
    "words, document, place, told",
    [
        (("--max-nodes", "2"), GOOD, "big.yaml:3:3", "the suite 'one'"),
        ((), "max_concurrent_nodes: 2\n" + GOOD, "big.yaml:4:3", "the suite 'one'"),
        (
            (),
            GOOD.replace("t_strong", "t_weak").replace(
                "t_nothing, note: fine", "t_crash, target_node: n11, method: destroy"
            ),
            "big.yaml:5:9",
            "'crash'",
        ),
    ],
    ids=["over the budget of the command", "over the budget of the document", "a missing power"],
)
def test_what_can_never_run_is_refused_by_name(
    project: Project, canary: str, words: tuple[str, ...], document: str, place: str, told: str
) -> None:
    (project.folder / "big.yaml").write_text(document)
    (error,) = refused(project, project.seatrial("run", "big.yaml", *words, "--plugin", PLUGIN))
    assert error.startswith(f"error: {place}: ")
    assert told in error


@pytest.mark.parametrize(
    "words",
    [("--run-test", "nope"), ("--provider", "aws"), ("--shard", "2/2")],
    ids=["by name", "by provider", "by shard"],
)
def test_nothing_selected_is_exit_code_5(project: Project, canary: str, words: tuple[str, str]) -> None:
    done = project.seatrial("run", canary, *words)
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert done.stderr.startswith("error: no suite ")
    nothing_started(project)


def test_all_skipped_is_exit_code_5_with_a_row_and_its_reason(project: Project) -> None:
    (project.folder / "s.yaml").write_text("requirements: {commands: [no-such-program]}\nsteps: [{step: deploy}]\n")
    done = project.seatrial("run", "s.yaml", "--format", "json")
    assert done.returncode == 5
    told = json.loads(done.stdout)
    assert (told["success"], told["totals"]["skipped"]) == (False, 1)
    assert "no-such-program" in told["results"][0]["reason"]


def test_each_row_says_on_which_line_of_its_document_the_suite_begins(project: Project) -> None:
    (project.folder / "s.yaml").write_text(
        "requirements: {commands: [no-such-program]}\n"
        "test_suites:\n"
        "  one:\n    workflow: [{step: deploy}]\n\n"
        "  two: {workflow: [{step: deploy}]}\n"
    )
    project.seatrial("run", "s.yaml", "--format", "none")
    rows = {row["name"]: row["provenance"] for row in project.results()["results"]}
    assert {name: (one["document"], one["line"]) for name, one in rows.items()} == {
        "one": ("s.yaml", 3),
        "two": ("s.yaml", 6),
    }
