"""The public names of Seatrial. A change here changes the contract with plugins: add a changelog fragment."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "plugins.md"

SURFACE = {
    "seatrial": "__version__ check deployed fault fixture load plan provider reporter run step system",
    "seatrial.registry": "check fault provider reporter step system",
    "seatrial.spi": """
        AdoptsNodes Auditor Blame BreaksOff Check CheckTraits ChecksFields ChecksFiles ChecksSuite ChecksSystem
        ChecksTemplates CollectsDiagnostics Context DefaultsDeadlines EntersNodes ExplainsFailure ExplainsPower Fault
        Finding FindsNodes FindsRoles Finished FollowsOutput Gap GivesBack GivesOutputs HandsOver HasPowers
        IdentifiesBoots InjectsFaults KeepsConsole KeepsLogs KeepsRecords KnowsGaps KnowsHosts KnowsNodes
        KnowsParameters KnowsReadings LimitsRuns Link MeasuresNodes MissesNodes MovesPorts NamesNodes Need NeedsPowers
        NeedsPowersInGuest NoSettings OtherTrial OverLimit PausesNodes Powers PowersCluster PowersGuests PowersNodes
        PreparesTrial Provider ProviderTraits Readiness ReadsText Recognised Recognises RecordsReport RefusesPowers
        RemembersPower Reporter ReportsFailure ReportsStatus RestsOn Resumes RunsServices ServesAdmin SetsDeadlines
        SetsPace SetsWait SettlesSettings ShowsEvidence ShowsMade StartsServices Step StepTraits System SystemTraits
        TakesSnapshots WarnsOfSuite gaps_of health_of known_nodes link_of own_powers power_reading status_of traits
    """,
    "seatrial.errors": """
        CannotTell DocumentError ExtraMissing LeaseTaken LeftBehind LimitReached LinkDown LinkLost LinkRefused
        NeverTold NodeFailed NotSupported NothingSelected OverBudget Overrun PowersMissing Problem ProductFailed
        SeatrialError StepFailed StepStopped SuitesOverBudget ToolMissing UsageError nearest
    """,
    "seatrial.model.cluster": "ClusterStatus NodeHealth PowerState all_off cluster_status",
    "seatrial.model.event": "Event",
    "seatrial.model.fold": "Fold",
    "seatrial.model.reading": "Health Reading Source Trust absent concluded measured remembered reported",
    "seatrial.model.resource": "Connection Node NodeSpec Resource Service",
    "seatrial.model.result": "Category CheckResult Observation Outcome Status Verdict failed passed unknown worst",
    "seatrial.model.scenario": """
        Budget CheckPlan Location NodeLimit Notification Outputs Plan Retry ServicePlan StepPlan Suite SystemPlan
    """,
    "seatrial.model.values": """
        Argv CutText Duration Expression FileNames Names Pattern Range Timeout WaitFor argv_of duration json_safe
    """,
    "seatrial.links.http": "Answer Web request",
    "seatrial.links.process": "TimedOut members process_start run",
    "seatrial.links.ssh": "SSHLink",
    "seatrial.testing": """
        ContractFixture FakeLink FakeNode FakeProvider FakeRun FakeSystem ProviderContract VirtualLoop World
        check_plan context doing fake_registry flow looking step_plan virtual_time
    """,
}


@pytest.mark.parametrize("module", SURFACE)
def test_a_public_module_has_these_names(module: str) -> None:
    assert sorted(importlib.import_module(module).__all__) == SURFACE[module].split()


@pytest.mark.parametrize("module", SURFACE)
def test_every_public_name_is_there_and_says_what_it_is(module: str) -> None:
    public = importlib.import_module(module)
    silent = []
    for name in SURFACE[module].split():
        thing = getattr(public, name)
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and not inspect.getdoc(thing):
            silent.append(name)
    assert silent == []


def test_no_two_public_types_have_one_name() -> None:
    homes: dict[str, set[object]] = {}
    for module, names in SURFACE.items():
        for name in names.split():
            thing = getattr(importlib.import_module(module), name)
            if inspect.isclass(thing):
                homes.setdefault(name, set()).add(thing)
    assert {name: things for name, things in homes.items() if len(things) > 1} == {}


def test_public_values_are_frozen() -> None:
    thawed = [
        f"{module}.{name}"
        for module, names in SURFACE.items()
        if module.startswith("seatrial.model")
        for name in names.split()
        if dataclasses.is_dataclass(thing := getattr(importlib.import_module(module), name))
        and not vars(thing)["__dataclass_params__"].frozen
    ]
    assert thawed == []


def test_the_guide_lists_the_public_modules() -> None:
    (table,) = re.findall(r"## Public modules\n(.*?)(?=\n## |\Z)", GUIDE.read_text(), re.DOTALL)
    listed = re.findall(r"^\| `([a-z._]+)`", table, re.MULTILINE)
    assert listed == list(SURFACE)


def test_the_examples_of_plugins_import_public_modules_only() -> None:
    imported = set()
    for file in (GUIDE.parents[2] / "examples" / "plugins").glob("*.py"):
        for module, names in re.findall(r"^from (seatrial[a-z._]*) import (.*)$", file.read_text(), re.MULTILINE):
            for name in names.split(", "):
                inside = f"{module}.{name}"
                imported.add((inside, "") if inside in SURFACE else (module, name))
    assert {
        one for one in imported if one[0] not in SURFACE or (one[1] and one[1] not in SURFACE[one[0]].split())
    } == set()
