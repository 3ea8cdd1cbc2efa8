"""Secrets among the inputs of a teardown, which the ledger keeps for the day after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.github_project import FILES, REPOSITORY, TEARDOWN, Port, document, scripted

from seatrial_stand_ins.github import GitHubServer

WORD = "sup3r-s3cret-w0rd"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    into = TEARDOWN.replace("    inputs:\n", '    inputs:\n      word: {type: string, default: ""}\n')
    with GitHubServer(scripted(), check_answers=False) as server:
        server.add_repository(REPOSITORY, files={**FILES, ".github/workflows/teardown.yml": into})
        yield Port(tmp_path, server, more={"PASS": WORD})


def test_a_secret_of_a_teardown_gets_there_and_into_no_file(port: Port) -> None:
    row = port.verdict(document("deploy", teardown={"inputs": {"word": "it is ${{ secrets.PASS }}"}}))
    assert row.verdict == "passed", row
    assert [run.inputs["word"] for run in port.server.runs(REPOSITORY, "teardown.yml")] == [f"it is {WORD}"]
    assert WORD not in port.told()


@pytest.mark.parametrize("hidden", ["${{ 'x' + secrets.PASS }}", "${{ secrets['PASS'] }}"])
def test_one_within_an_expression_is_refused_when_the_document_is_read(port: Port, hidden: str) -> None:
    done = port.seatrial("check", port.write("trial.json", document(teardown={"inputs": {"word": hidden}})))
    assert done.returncode == 2
    assert "a secret within an expression would appear in the ledger" in done.stdout + done.stderr


def test_one_that_comes_by_way_of_a_variable_is_refused_before_anything_is_started(port: Port) -> None:
    kept = {"step": "set", "values": {"word": "${{ secrets.PASS }}"}}
    row = port.verdict(document(kept, "deploy", teardown={"inputs": {"word": "${{ vars.word }}"}}))
    assert (row.verdict, row.category) == ("unknown", "test")
    assert "teardown.inputs.word: a secret within an expression would appear in the ledger" in row.error
    assert port.server.runs(REPOSITORY) == []
    assert WORD not in port.told()
