"""`clean` and the things that no ledger names: whose they are decides whether they go."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.app.clean import CleanOptions, clean, main
from seatrial.app.orphans import Cleaned
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Ledger
from seatrial.errors import UsageError
from seatrial.model.resource import Resource

PLUGIN = '''
import json
from dataclasses import dataclass
from pathlib import Path
from seatrial import provider
from seatrial.errors import CannotTell, ToolMissing
from seatrial.errors import UsageError
from seatrial.model.resource import Resource

@dataclass(frozen=True)
class Settings:
    sea: str = "/nowhere"
    trouble: str = ""

@provider("ships")
class Ships:
    """Things that are files in a folder, each with its labels."""
    powers = frozenset()
    deadlines = {}
    on_this_host = True
    Settings = Settings
    def __init__(self, settings):
        self.sea = Path(settings.sea)
        self.trouble = settings.trouble
    def _try(self):
        if self.trouble == "missing":
            raise ToolMissing("the program shipyard is not there: apt-get install shipyard")
        if self.trouble:
            raise (CannotTell if self.trouble == "denied" else RuntimeError)(self.trouble)
    async def find(self, run):
        self._try()
        told = [json.loads(file.read_text()) for file in sorted(self.sea.glob("*.json"))]
        told.sort(key=lambda one: ["node", "network"].index(one["kind"]))
        return [Resource(**one) for one in told if run in ("*", one["run"])]
    async def destroy(self, resource):
        self._try()
        (self.sea / f"{resource.name}.json").unlink(missing_ok=True)
        with (self.sea / "sunk").open("a") as log:
            log.write(resource.name + "\\n")
'''

DEAD = "r0000000000000000000000a"
LONG_AGO = "2020-01-01T00:00:00Z"
FAR_AWAY = "2120-01-01T00:00:00Z"


@dataclass
class Sea:
    """A project with a provider whose things are files, and the things."""

    project: Path
    sea: Path

    def settings(self, **more: str) -> None:
        lines = ['plugins = ["ships.py"]', "[providers.ships]", f'sea = "{self.sea}"']
        (self.project / "seatrial.toml").write_text("\n".join([*lines, *(f'{k} = "{v}"' for k, v in more.items())]))

    def ship(self, name: str, run: str = DEAD, *, kind: str = "node", trial: str = "t1", **labels: str) -> Resource:
        """A thing that stands, with these labels besides the run's."""
        detail = {"project": str(self.project), "expires": FAR_AWAY, **labels}
        one = {"kind": kind, "name": name, "owner": "provider:ships", "run": run, "trial": trial, "detail": detail}
        (self.sea / f"{name}.json").write_text(json.dumps(one))
        return Resource(**one)  # type: ignore[arg-type]

    @property
    def afloat(self) -> set[str]:
        return {file.stem for file in self.sea.glob("*.json")}

    def clean(self, **options: Any) -> Cleaned:
        cleaned = asyncio.run(clean(CleanOptions(project=self.project, **options)))
        # This machine may run other projects, whose processes are said.
        cleaned.alone = [line for line in cleaned.alone if "(engine:process)" not in line]
        return cleaned


@pytest.fixture
def sea(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sea:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Sea(project=tmp_path / "project", sea=tmp_path / "sea")
    made.project.mkdir()
    made.sea.mkdir()
    (made.project / "ships.py").write_text(PLUGIN)
    made.settings()
    return made


def ledger_of(project: Path, *resources: Resource, run: str = DEAD, until: float = 0.0) -> Path:
    """A dead run's ledger that names these."""
    ledger = Ledger.open(project / ".seatrial" / "ledger", run)
    for resource in resources:
        ledger.intend(resource)
        if until:
            ledger.kept(resource, until)
    ledger.close()
    return ledger.file


def test_what_no_ledger_names_of_this_project_is_found_said_and_given_back(sea: Sea) -> None:
    sea.ship("titanic")
    looked = sea.clean(dry_run=True)
    assert sea.afloat == {"titanic"}
    assert looked.given_back == ["node titanic (provider:ships), in no ledger"]
    cleaned = sea.clean()
    assert sea.afloat == set()
    assert cleaned.found == [f"node titanic (provider:ships) of run {DEAD} of {sea.project}, in no ledger"]
    assert cleaned.given_back == ["node titanic (provider:ships)"]
    assert (cleaned.left, cleaned.alone) == ([], [])


def test_the_command_says_what_it_found(sea: Sea, capsys: pytest.CaptureFixture[str]) -> None:
    sea.ship("titanic")
    assert main(CleanOptions(project=sea.project)) == 0
    told = capsys.readouterr().out
    assert told.startswith("found node titanic (provider:ships) of run ")
    assert "removed node titanic (provider:ships)\n" in told


def test_what_the_ledger_of_a_dead_run_did_not_know_goes_with_what_it_knew(sea: Sea) -> None:
    ledger_of(sea.project, sea.ship("known"))
    sea.ship("unknown")
    looked = sea.clean(dry_run=True)
    assert looked.given_back == ["node known (provider:ships)", "node unknown (provider:ships)"]
    assert looked.found == [f"node unknown (provider:ships) of run {DEAD}, missing from its ledger"]
    cleaned = sea.clean()
    assert sea.afloat == set()
    assert cleaned.found == [f"node unknown (provider:ships) of run {DEAD}, missing from its ledger"]


def test_kind_after_kind_goes_in_the_order_of_the_list(sea: Sea) -> None:
    for name in ("a", "b"):
        sea.ship(f"net-{name}", kind="network")
        sea.ship(f"ship-{name}")
    sea.clean()
    sunk = (sea.sea / "sunk").read_text().split()
    assert [name[:3] for name in sunk] == ["shi", "shi", "net", "net"]


def test_a_living_run_keeps_what_is_its_own(sea: Sea) -> None:
    sea.ship("titanic")
    ledger = Ledger.open(sea.project / ".seatrial" / "ledger", DEAD)
    try:
        cleaned = sea.clean()
    finally:
        ledger.close()
    assert sea.afloat == {"titanic"}
    assert cleaned.alone == [f"run {DEAD}: still active"]


def test_what_is_kept_stays_with_all_that_belongs_to_it_until_its_time(sea: Sea) -> None:
    kept = sea.ship("kept")
    sea.ship("its-disk")
    sea.ship("leaked", trial="t2")
    ledger_of(sea.project, kept, until=time.time() + 600)
    assert sea.clean(dry_run=True).given_back == ["node leaked (provider:ships)"]
    assert sea.afloat == {"kept", "its-disk", "leaked"}
    cleaned = sea.clean()
    assert sea.afloat == {"kept", "its-disk"}
    assert any("kept until" in one for one in cleaned.alone)
    sea.clean(all=True)
    assert sea.afloat == set()


def test_what_another_project_has_a_ledger_for_is_left_alone_and_said(sea: Sea, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ledger_of(other)
    (other / ".seatrial" / "ledger" / f"{DEAD}.jsonl").write_text("\n")
    sea.ship("theirs", project=str(other))
    cleaned = sea.clean()
    assert sea.afloat == {"theirs"}
    (said,) = cleaned.alone
    assert said.startswith(f"node theirs (ships) of run {DEAD}: its ledger is in the project {other}")
    with (other / ".seatrial" / "ledger" / f"{DEAD}.jsonl").open() as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        (said,) = sea.clean().alone
    assert said == f"node theirs (ships) of run {DEAD}: this run of the project {other} is still active"


@pytest.mark.parametrize(("expires", "goes"), [(LONG_AGO, True), (FAR_AWAY, False), ("", False), ("soon", False)])
def test_of_a_project_that_is_gone_it_goes_when_its_time_is_over(
    sea: Sea, tmp_path: Path, expires: str, goes: bool
) -> None:
    sea.ship("orphan", project=str(tmp_path / "gone"), expires=expires)
    looked, cleaned = sea.clean(dry_run=True), sea.clean()
    assert (sea.afloat == set()) is goes
    assert bool(cleaned.given_back) is bool(looked.given_back) is goes
    assert any("so the run may still be active" in one for one in cleaned.alone) is not goes


@pytest.mark.parametrize("alive", [True, False])
def test_of_a_project_that_is_gone_it_goes_when_its_process_is_dead(sea: Sea, tmp_path: Path, alive: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        if not alive:
            process.communicate(b"\n")
        gone = str(tmp_path / "gone")
        holder = {"run": DEAD, "trial": "t1", "pid": process.pid, "host": os.uname().nodename, "project": gone}
        Leases().take("bridge", "st7", holder)
        sea.ship("orphan", project=gone)
        cleaned = sea.clean()
        process.communicate(b"\n") if alive else None
    assert sea.afloat == ({"orphan"} if alive else set())
    assert ("bridge st7 (engine:lease)" in cleaned.given_back) is not alive
    assert any(f"a process with its id {process.pid}" in one for one in cleaned.alone) is alive


def test_what_names_no_project_is_nobodys_of_ours(sea: Sea) -> None:
    sea.ship("somebodys", project="")
    cleaned = sea.clean()
    assert sea.afloat == {"somebodys"}
    assert cleaned == Cleaned()


def test_what_lost_its_labels_and_is_of_a_run_of_this_project_goes(sea: Sea) -> None:
    (sea.project / ".seatrial" / "runs" / DEAD).mkdir(parents=True)
    sea.ship("disk", project="", expires="")
    assert sea.clean().given_back == ["node disk (provider:ships)"]


def test_one_file_without_labels_does_not_keep_the_rest_of_its_run_for_ever(sea: Sea, tmp_path: Path) -> None:
    sea.ship("orphan", project=str(tmp_path / "gone"), expires=LONG_AGO)
    sea.ship("its-disk", project="", expires="")
    sea.clean()
    assert sea.afloat == set()


def test_a_provider_that_the_project_never_used_is_not_asked(sea: Sea) -> None:
    (sea.project / "seatrial.toml").write_text('plugins = ["ships.py"]\n')
    sea.ship("titanic")
    assert sea.clean() == Cleaned()


def test_a_provider_that_only_a_run_with_on_used_is_asked_with_the_projects_settings(sea: Sea) -> None:
    (sea.project / "seatrial.toml").write_text('plugins = ["ships.py"]\n')
    journal = sea.project / ".seatrial" / "runs" / DEAD / "events.jsonl"
    journal.parent.mkdir(parents=True)
    planned = {"kind": "suite_planned", "at": 1, "run": DEAD, "trial": "t1", "data": {"provider": "ships"}}
    journal.write_text(json.dumps(planned, separators=(",", ":")) + "\n")
    sea.ship("titanic")
    # Its settings have no folder of things now: asked it is, and has nothing.
    assert sea.clean() == Cleaned()
    sea.settings()
    assert sea.clean().given_back == ["node titanic (provider:ships)"]


def test_a_list_that_cannot_be_read_is_red_and_keeps_nobody(sea: Sea) -> None:
    sea.settings(trouble="the engine answers 500")
    (left,) = sea.clean().left
    assert (left["kind"], left["name"]) == ("list", "ships")
    assert "RuntimeError: the engine answers 500" in left["error"]
    assert main(CleanOptions(project=sea.project)) == 4


def test_an_engine_that_is_not_installed_is_skipped_unless_a_ledger_names_its_things(sea: Sea) -> None:
    sea.settings(trouble="missing")
    assert sea.clean() == Cleaned()
    ledger_of(sea.project, sea.ship("titanic"))
    (left,) = sea.clean().left
    assert left["name"] == "titanic"
    assert "apt-get install shipyard" in left["error"]


@pytest.mark.parametrize(
    "raised", ['ExtraMissing("pip install seatrial[ships]")', 'ImportError("no module named sea")']
)
def test_a_provider_whose_extra_is_not_installed_is_skipped_unless_a_ledger_names_its_things(
    sea: Sea, raised: str
) -> None:
    without = PLUGIN.replace("self.sea = ", f"raise {raised}\n        self.sea = ")
    (sea.project / "ships.py").write_text(without.replace("import CannotTell", "import CannotTell, ExtraMissing"))
    assert sea.clean() == Cleaned()
    ledger_of(sea.project, sea.ship("titanic"))
    (left,) = sea.clean().left
    assert left["name"] == "titanic"


def test_settings_that_are_wrong_are_told(sea: Sea) -> None:
    wrong = PLUGIN.replace("self.sea = ", 'raise UsageError("no sea")\n        self.sea = ')
    (sea.project / "ships.py").write_text(wrong.replace("import CannotTell", "import CannotTell, UsageError"))
    (left,) = sea.clean().left
    assert left["error"] == "could not list resources: no sea"


def test_one_run_alone_can_be_named(sea: Sea) -> None:
    other = DEAD.replace("a", "b")
    (sea.project / ".seatrial" / "runs" / DEAD).mkdir(parents=True)
    sea.ship("mine")
    sea.ship("later", run=other)
    sea.clean(run=DEAD)
    assert sea.afloat == {"later"}


ALIVE = "r0000000000000000000000b"


def test_a_run_of_another_machine_goes_by_its_tags_and_no_other_does(sea: Sea) -> None:
    sea.ship("titanic", project="/elsewhere")
    sea.ship("net", kind="network", project="/elsewhere")
    sea.ship("olympic", ALIVE, project="/elsewhere")
    looked = sea.clean(provider="ships", tagged=DEAD, dry_run=True)
    assert (len(looked.given_back), len(sea.afloat)) == (2, 3)
    cleaned = sea.clean(provider="ships", tagged=DEAD)
    assert sea.afloat == {"olympic"}
    assert cleaned.given_back == ["node titanic (provider:ships)", "network net (provider:ships)"]
    assert sea.clean(provider="ships", tagged=DEAD).given_back == []


def test_expired_resources_go_by_their_tags_and_those_of_an_active_run_stay(sea: Sea) -> None:
    sea.ship("titanic", project="/elsewhere", expires=LONG_AGO)
    sea.ship("olympic", ALIVE, project="/elsewhere")
    sea.ship("britannic", "r0000000000000000000000c", expires=LONG_AGO)
    ledger = Ledger.open(sea.project / ".seatrial" / "ledger", "r0000000000000000000000c")
    try:
        cleaned = sea.clean(provider="ships", expired=True)
    finally:
        ledger.close()
    assert sea.afloat == {"olympic", "britannic"}
    assert cleaned.alone == [
        f"node olympic (ships) of run {ALIVE}: expires at {FAR_AWAY}",
        "run r0000000000000000000000c: still active",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "ships"}, "name either a run"),
        ({"provider": "ships", "tagged": DEAD, "expired": True}, "name either a run"),
        ({"tagged": DEAD}, "name the provider that has resources of run"),
        ({"provider": "shups", "expired": True}, "unknown provider 'shups'"),
        ({"expired": True}, "no provider is named"),
    ],
)
def test_tags_are_used_for_what_is_named_alone(sea: Sea, options: dict[str, Any], said: str) -> None:
    sea.ship("titanic", expires=LONG_AGO)
    with pytest.raises(UsageError, match=said):
        sea.clean(**options)
    assert sea.afloat == {"titanic"}


def test_a_list_that_is_denied_is_left_behind(sea: Sea) -> None:
    sea.settings(trouble="denied")
    cleaned = sea.clean(provider="ships", expired=True)
    assert [row["error"] for row in cleaned.left] == ["the search failed: denied"]
