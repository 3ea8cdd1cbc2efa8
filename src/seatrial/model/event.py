"""The events of a run: the engine's only output, and the only source of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from seatrial.model.frozen import frozen

__all__ = ["Event"]


@frozen(kw_only=False)
class Event:
    """An event of a run.

    Kinds and their data (all JSON values; durations in seconds):

    run_started      version, argv, project, documents, options, pid, host
    suite_planned    test_id, name, provider, deployment_id, description, document, line, parameters, nodes (count),
                     steps: [{step, type, id, description, steps?: [...]}] (step: the path "1", "2.1", from 1)
    suite_started    folder
    step_started     step, type, id, description, attempt
    step_finished    step, type, id, description, status (completed|failed|skipped), verdict (passed|failed|unknown, or
                     empty when skipped), duration, error, category, evidence, attempts, outputs, allowed (a failure
                     without effect on the verdict), reason (why it was skipped), document, line (unless it passed)
    check_observed   step, check, verdict, passed, seen, expected, why, category, attempts, duration, allowed_failure
    node             node, state (creating|running|stopped|crashed|starting|stopping|restarting|destroyed|parked), why
    fault            node, fault (crash|stop|restart|...), method, step
    problems         step, problems: [{file, path (on this host, if it exists), line, column, severity, message}],
                     count (of all), lines (useful output without a place), log (relative to the suite's
                     folder), again (the command to run it alone)
    cache            step, taken (from the cache), why: [text]
    output           step, source, text (a tail), file (relative to the suite's folder: the whole)
    printed          step, source, text: output as it comes, for reporters alone, not in the journal
    parameter        step, name, value (from now on, a fallback of the document), why
    log              level (debug|info|notice|warning|error), text
    cluster          op (kept|reused|parked|dropped), deployed_by (a trial's id), nodes (names), duration, why
    diagnostics      folder (relative to the suite's folder), path, nodes: {node: [part]}, missing: {node: {part: why}},
                     system: [file], resources: [file], duration
    contamination    mode (fail|strict|warn), findings: [{what, change (made|changed|deleted|unlabelled), where, mark,
                     by, blame (this|perhaps|nobody), evidence, advice}], problems: [text] (what could not be looked at)
    resource         op (intended|made|given_back|kept|left), kind, name, owner, until and reach (the way into
                     the node for a person) if it is kept
    access           nodes: {node: command of a shell on it}, while a person can use them: kept, paused, or in Python
    paused           step, error: a person is asked (`--pause-on-failure`)
    resumed          step, answer (again|continue|end), duration
    cleanup_started  why
    cleanup_finished given_back (count), kept: [...], left: [{kind, name, owner, error}], duration
    suite_finished   verdict, status (completed|failed|skipped), category, error, evidence, reason, duration, left
    run_finished     verdict, exit_code, duration, interrupted (signal name or empty), left (count)

    Paths of repeated children contain the round: "3#2.1" is step 1 in round 2 of step 3.
    """

    kind: str
    at: float
    """Seconds since 1970, from the run's own clock."""
    run: str
    trial: str = ""
    """The trial's id; empty for events of the whole run."""
    data: Mapping[str, object] = field(default_factory=dict)
