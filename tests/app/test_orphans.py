"""What else stands on this machine after a run is reported, and never touched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.app.orphans import foreign_resources
from seatrial.app.project import find
from seatrial.engine.ledger import Ledger
from seatrial.model.resource import Resource
from seatrial.registry import Registry, provider

OURS = "r0000000000000000000000a"
THEIRS = "r0000000000000000000000b"


@provider("listing")
class Listing:
    """Lists what it is told, and may not be asked for more."""

    on_this_host = True
    things: Sequence[Resource] = ()
    trouble = ""

    def __init__(self, settings: object) -> None:
        pass

    async def find(self, run: str) -> Sequence[Resource]:
        assert run == "*"
        if self.trouble:
            raise RuntimeError(self.trouble)
        return self.things


def told(project: Path, *things: tuple[str, Path | str], used: Sequence[str] = ("listing",), **more: Any) -> list[str]:
    """What is said of things of these runs and projects after our run."""
    registry = Registry()
    resources = [
        Resource(kind="node", name=f"{run}-n11", owner="provider:listing", run=run, detail={"project": str(whose)})
        for run, whose in things
    ]
    marks = vars(Listing)["__seatrial__"]
    registry.add(type("Listing", (Listing,), {"things": resources, "__seatrial__": marks, **more}))
    return asyncio.run(foreign_resources(find(project), registry, OURS, used))


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def ledger(project: Path, run: str = THEIRS) -> Ledger:
    opened = Ledger.open(project / ".seatrial" / "ledger", run)
    opened.intend(Resource(kind="node", name="n", owner="provider:listing", run=run))
    return opened


def test_what_is_of_this_run_or_of_nobody_is_no_stranger(tmp_path: Path) -> None:
    assert told(tmp_path, (OURS, tmp_path), (THEIRS, "")) == []


def test_a_thing_that_no_ledger_names_is_told_with_its_run_and_project(tmp_path: Path) -> None:
    (line,) = told(tmp_path, (THEIRS, "/gone"), (THEIRS, "/gone"))
    assert line.startswith("not from this run: node r0000000000000000000000b-n11 (listing), node ")
    assert "of run r0000000000000000000000b of /gone, in no ledger" in line


def test_a_run_that_goes_on_elsewhere_is_no_stranger_until_it_is_over(tmp_path: Path) -> None:
    other = tmp_path / "other"
    going_on = ledger(other)
    assert told(tmp_path, (THEIRS, other)) == []
    going_on.close()
    assert "by a finished run" in told(tmp_path, (THEIRS, other))[0]


def test_what_this_project_itself_keeps_is_known(tmp_path: Path) -> None:
    ledger(tmp_path).close()
    assert told(tmp_path, (THEIRS, tmp_path)) == []


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (line,) = told(tmp_path, trouble="500")
    assert line == "could not list other resources on listing: the search failed: RuntimeError: 500"


def test_providers_of_other_hosts_and_those_that_were_not_used_are_not_asked(tmp_path: Path) -> None:
    assert told(tmp_path, trouble="asked", used=()) == []
    assert told(tmp_path, trouble="asked", on_this_host=False) == []
