"""What happens to a deployment's workflow run, and what has to be said of it."""

from __future__ import annotations

from tests.acceptance.github_project import DEADLINES, Case

from seatrial_stand_ins.github import (
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
    HangsUp,
    QueuedForEver,
    RateLimited,
    RunsForEver,
    Script,
    SecondaryLimit,
    ServerErrors,
    TimesOut,
)

SHORT = {**DEADLINES, "queue": 3}

CASES = {
    "fails": Case(
        faults=lambda workflow, artifact: [Fails(workflow, job="app", step="Build", message="no space left on device")],
        verdict="failed", category="product", said=r"job 'app', step 'Build': .*no space left on device",
    ),
    "times_out": Case(
        faults=lambda workflow, artifact: [TimesOut(workflow)],
        verdict="failed", category="timeout", said=r"took too long: job 'app'",
    ),
    "never_ends": Case(
        faults=lambda workflow, artifact: [RunsForEver(workflow)], deploy={"deadlines": {**DEADLINES, "run": 3}},
        verdict="failed", category="timeout", said=r"did not end within 3 s: 'provision' goes on",
    ),
    "cancelled": Case(
        faults=lambda workflow, artifact: [CancelledBySomebody(workflow, after=0.2)], script=Script(ends=False),
        verdict="unknown", category="infrastructure", said=r"was cancelled by somebody, not by this",
    ),
    "queued_for_ever": Case(
        faults=lambda workflow, artifact: [QueuedForEver(workflow)], deploy={"deadlines": SHORT},
        verdict="unknown", category="timeout", said=r"did not begin within 3 s", torn_down=(),
    ),
    "skipped": Case(
        script=Script(conclusion="skipped"), verdict="unknown", category="infrastructure", said=r"ran nothing",
    ),
    "needs_approval": Case(
        script=Script(conclusion="action_required"),
        verdict="unknown", category="infrastructure", said=r"needs the approval of",
    ),
    "no_artifact": Case(
        faults=lambda workflow, artifact: [ArtifactMissing(artifact)],
        deploy={"deadlines": {**DEADLINES, "download": 5}}, verdict="unknown", category="timeout",
        said=r"no artifact 'output-\d+' was listed within [1-5] s; there are: none",
    ),
    "empty": Case(
        faults=lambda workflow, artifact: [ArtifactEmpty(artifact)],
        verdict="failed", category="product", said=r"is empty: it has no files",
    ),
    "zero_bytes": Case(
        faults=lambda workflow, artifact: [ArtifactEmpty(artifact, archive=False)],
        verdict="failed", category="product", said=r"is empty: it has no bytes",
    ),
    "twice": Case(
        faults=lambda workflow, artifact: [ArtifactTwice(artifact)],
        verdict="failed", category="product", said=r"left 2 artifacts named 'output-\d+'",
    ),
    "five_gigabytes": Case(
        faults=lambda workflow, artifact: [ArtifactHuge(artifact)],
        verdict="unknown", category="infrastructure", said=r"has 5120 MB; allowed are 256 .* not fetched",
    ),
    "five_gigabytes_unsaid": Case(
        faults=lambda workflow, artifact: [ArtifactHuge(artifact, honest=False)], deploy={"limits": {"megabytes": 1}},
        verdict="unknown", category="infrastructure", said=r"larger than its listed size, and larger than allowed",
    ),
    "bomb": Case(
        faults=lambda workflow, artifact: [ArtifactBomb(artifact, size=3 * 1024**2)],
        deploy={"limits": {"unpacked_megabytes": 1}},
        verdict="unknown", category="infrastructure", said=r"holds 3 MB; allowed are 1",
    ),
    "leads_out": Case(
        faults=lambda workflow, artifact: [ArtifactWithPaths(artifact)],
        verdict="unknown", category="infrastructure", said=r"'\.\./evil\.json' that leads out of it",
    ),
    "no_json": Case(
        faults=lambda workflow, artifact: [ArtifactNotJson(artifact)],
        verdict="failed", category="product", said=r"provision-output\.json .* is not JSON",
    ),
    "expired": Case(
        faults=lambda workflow, artifact: [ArtifactExpired(artifact)],
        verdict="unknown", category="infrastructure", said=r"has expired",
    ),
    "cut_off": Case(
        faults=lambda workflow, artifact: [ArtifactCutOff(artifact)],
        deploy={"deadlines": {**DEADLINES, "download": 5}},
        verdict="unknown", category="infrastructure", said=r"artifact-\d+\.zip broke off",
    ),
    "errors_for_a_while": Case(weather=lambda path: [ServerErrors(path, times=3)]),
    "a_limit": Case(weather=lambda path: [RateLimited(path, times=2, reset_in=1.0, skip=4)]),
    "a_second_limit": Case(weather=lambda path: [SecondaryLimit(path, times=1, skip=6)]),
    "hangs_up": Case(weather=lambda path: [HangsUp(path, method="GET", times=2, skip=3)]),
    "too_long_a_limit": Case(
        weather=lambda path: [RateLimited(path, times=None, reset_in=3000)],
        verdict="unknown", category="infrastructure", torn_down=(),
        said=r"limits our requests for \d+ s more, and \d+ s are left",
    ),
    "not_taken": Case(weather=lambda path: [ServerErrors(f"{path}.*/dispatches$", times=1)]),
    "taken_all_the_same": Case(
        weather=lambda path: [ServerErrors(f"{path}.*/dispatches$", times=1, after_effect=True)]
    ),
    "taken_and_hung_up": Case(weather=lambda path: [HangsUp(f"{path}.*/dispatches$", after_effect=True)]),
}  # fmt: skip
