"""Everything a plugin needs beyond the model and the errors: its inputs and its duties.

How the parts meet. A *provider* makes nodes and has powers over them. A *system* is one instance per trial: it requests
nodes with `ctx.create_node`, installs its services on them and measures them. A *step* drives provider and system
through its `Context`; a *check* observes them. Create every resource through `ctx.make`: it writes the intent first, so
the resource is removed whatever happens.
"""

from __future__ import annotations

from seatrial.spi.check import Check, CheckTraits, ReadsText
from seatrial.spi.context import Context
from seatrial.spi.link import BreaksOff, Finished, FollowsOutput, Link
from seatrial.spi.measuring import health_of, link_of, status_of
from seatrial.spi.provider import (
    AdoptsNodes,
    EntersNodes,
    ExplainsPower,
    KeepsConsole,
    NoSettings,
    PausesNodes,
    Powers,
    PowersGuests,
    PowersNodes,
    PreparesTrial,
    Provider,
    ProviderTraits,
    Readiness,
    RemembersPower,
    ReportsFailure,
    RunsServices,
    TakesSnapshots,
    power_reading,
)
from seatrial.spi.recognition import Recognised, Recognises
from seatrial.spi.reporter import Reporter
from seatrial.spi.step import (
    ChecksFields,
    ChecksFiles,
    ChecksSystem,
    ChecksTemplates,
    NamesNodes,
    NeedsPowers,
    NeedsPowersInGuest,
    RestsOn,
    Step,
    StepTraits,
)
from seatrial.spi.system import (
    ChecksSuite,
    FindsRoles,
    Gap,
    GivesBack,
    GivesOutputs,
    HandsOver,
    HasPowers,
    KeepsLogs,
    KeepsRecords,
    KnowsGaps,
    KnowsNodes,
    KnowsReadings,
    MeasuresNodes,
    MissesNodes,
    Need,
    PowersCluster,
    RecordsReport,
    ReportsStatus,
    Resumes,
    ServesAdmin,
    SetsDeadlines,
    SetsPace,
    SetsWait,
    SettlesSettings,
    ShowsEvidence,
    StartsServices,
    System,
    SystemTraits,
    WarnsOfSuite,
    gaps_of,
    known_nodes,
    own_powers,
)
from seatrial.spi.traits import traits

__all__ = [
    "AdoptsNodes", "BreaksOff", "Check", "CheckTraits", "ChecksFields", "ChecksFiles", "ChecksSuite", "ChecksSystem",
    "ChecksTemplates", "Context", "EntersNodes", "ExplainsPower", "FindsRoles", "Finished", "FollowsOutput", "Gap",
    "GivesBack", "GivesOutputs", "HandsOver", "HasPowers", "KeepsConsole", "KeepsLogs", "KeepsRecords", "KnowsGaps",
    "KnowsNodes", "KnowsReadings", "Link", "MeasuresNodes", "MissesNodes", "NamesNodes", "Need", "NeedsPowers",
    "NeedsPowersInGuest", "NoSettings", "PausesNodes", "Powers", "PowersCluster", "PowersGuests", "PowersNodes",
    "PreparesTrial", "Provider", "ProviderTraits", "Readiness", "ReadsText", "Recognised", "Recognises",
    "RecordsReport", "RemembersPower", "Reporter", "ReportsFailure", "ReportsStatus", "RestsOn", "Resumes",
    "RunsServices", "ServesAdmin", "SetsDeadlines", "SetsPace", "SetsWait", "SettlesSettings", "ShowsEvidence",
    "StartsServices", "Step", "StepTraits", "System", "SystemTraits", "TakesSnapshots", "WarnsOfSuite",
    "gaps_of", "health_of", "known_nodes", "link_of", "own_powers", "power_reading", "status_of", "traits",
]  # fmt: skip
