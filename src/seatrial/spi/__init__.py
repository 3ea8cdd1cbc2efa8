"""Everything a plugin needs beyond the model and the errors: its inputs and its duties.

How the parts meet. A *provider* makes nodes and has powers over them. A *system* is one instance per trial: it requests
nodes with `ctx.create_node`, installs its services on them and measures them. A *step* drives provider and system
through its `Context`; a *check* observes them. Create every resource through `ctx.make`: it writes the intent first, so
the resource is removed whatever happens.
"""

from __future__ import annotations

from seatrial.spi.check import Check, CheckTraits, ExplainsFailure, ReadsText
from seatrial.spi.contamination import Auditor, Blame, Finding, OtherTrial
from seatrial.spi.context import Context
from seatrial.spi.link import BreaksOff, Finished, FollowsOutput, Link
from seatrial.spi.measuring import health_of, link_of, status_of
from seatrial.spi.provider import (
    AdoptsNodes,
    EntersNodes,
    ExplainsPower,
    Fault,
    InjectsFaults,
    KeepsConsole,
    LimitsRuns,
    NoSettings,
    OverLimit,
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
    ShowsMade,
    Step,
    StepTraits,
)
from seatrial.spi.system import (
    ChecksSuite,
    CollectsDiagnostics,
    DefaultsDeadlines,
    FindsNodes,
    FindsRoles,
    Gap,
    GivesBack,
    GivesOutputs,
    HandsOver,
    HasPowers,
    IdentifiesBoots,
    KeepsLogs,
    KeepsRecords,
    KnowsGaps,
    KnowsHosts,
    KnowsNodes,
    KnowsParameters,
    KnowsReadings,
    MeasuresNodes,
    MissesNodes,
    MovesPorts,
    Need,
    PowersCluster,
    RecordsReport,
    RefusesPowers,
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
    "AdoptsNodes", "Auditor", "Blame", "BreaksOff", "Check", "CheckTraits", "ChecksFields", "ChecksFiles",
    "ChecksSuite", "ChecksSystem", "ChecksTemplates", "CollectsDiagnostics", "Context", "DefaultsDeadlines",
    "EntersNodes", "ExplainsFailure", "ExplainsPower", "Fault", "Finding", "FindsNodes", "FindsRoles", "Finished",
    "FollowsOutput", "Gap", "GivesBack", "GivesOutputs", "HandsOver", "HasPowers", "IdentifiesBoots", "InjectsFaults",
    "KeepsConsole", "KeepsLogs", "KeepsRecords", "KnowsGaps", "KnowsHosts", "KnowsNodes", "KnowsParameters",
    "KnowsReadings", "LimitsRuns", "Link", "MeasuresNodes", "MissesNodes", "MovesPorts", "NamesNodes", "Need",
    "NeedsPowers", "NeedsPowersInGuest", "NoSettings", "OtherTrial", "OverLimit", "PausesNodes", "Powers",
    "PowersCluster", "PowersGuests", "PowersNodes", "PreparesTrial", "Provider", "ProviderTraits", "Readiness",
    "ReadsText", "Recognised", "Recognises", "RecordsReport", "RefusesPowers", "RemembersPower", "Reporter",
    "ReportsFailure", "ReportsStatus", "RestsOn", "Resumes", "RunsServices", "ServesAdmin", "SetsDeadlines",
    "SetsPace", "SetsWait", "SettlesSettings", "ShowsEvidence", "ShowsMade", "StartsServices", "Step", "StepTraits",
    "System", "SystemTraits", "TakesSnapshots", "WarnsOfSuite", "gaps_of", "health_of", "known_nodes", "link_of",
    "own_powers", "power_reading", "status_of", "traits",
]  # fmt: skip
