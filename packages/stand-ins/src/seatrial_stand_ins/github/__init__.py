"""A GitHub server for tests, on loopback: real git repositories, workflows, runs, and injected faults.

`with GitHubServer() as server:` serves the REST API in a thread, so a test can call any client, also in another
process. Its `Runner` executes the runs; the default, `Scripted`, lets each pass at once. The extra `testing` installs
the requirements. `seatrial_stand_ins.github.plants` has the faults.
"""

from seatrial_stand_ins.github.plants import (
    Answers,
    ArtifactBomb,
    ArtifactCutOff,
    ArtifactEmpty,
    ArtifactExpired,
    ArtifactHuge,
    ArtifactMissing,
    ArtifactNotJson,
    ArtifactTwice,
    ArtifactWithPaths,
    CancelledBySomebody,
    Fails,
    ForeignRuns,
    HangsUp,
    LateRefs,
    LateRuns,
    Planted,
    QueuedForEver,
    Quota,
    RateLimited,
    RunsForEver,
    SecondaryLimit,
    ServerErrors,
    Slow,
    TimesOut,
)
from seatrial_stand_ins.github.scripted import Gate, Script, Scripted, archive
from seatrial_stand_ins.github.seam import Conclusion, Job, Run, Runner, WorkflowFile
from seatrial_stand_ins.github.server import GitHubServer

__all__ = [
    "Answers",
    "ArtifactBomb",
    "ArtifactCutOff",
    "ArtifactEmpty",
    "ArtifactExpired",
    "ArtifactHuge",
    "ArtifactMissing",
    "ArtifactNotJson",
    "ArtifactTwice",
    "ArtifactWithPaths",
    "CancelledBySomebody",
    "Conclusion",
    "Fails",
    "ForeignRuns",
    "Gate",
    "GitHubServer",
    "HangsUp",
    "Job",
    "LateRefs",
    "LateRuns",
    "Planted",
    "QueuedForEver",
    "Quota",
    "RateLimited",
    "Run",
    "Runner",
    "RunsForEver",
    "Script",
    "Scripted",
    "SecondaryLimit",
    "ServerErrors",
    "Slow",
    "TimesOut",
    "WorkflowFile",
    "archive",
]
