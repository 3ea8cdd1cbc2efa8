"""Further steps of a planned suite, from Python: compiled and checked like those of its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.loading.read.document import Document
from seatrial.loading.read.positions import Mark
from seatrial.loading.resolve.kinds import Kinds
from seatrial.loading.resolve.survey import survey
from seatrial.loading.resolve.validation import hold_steps
from seatrial.loading.resolve.workflow import Workflow
from seatrial.loading.site import Problems
from seatrial.loading.suites import Basis
from seatrial.model.scenario import Location, StepPlan, Suite


def step_of(
    kinds: Kinds, bases: Mapping[str, Basis], suite: Suite, keys: Mapping[str, Any], call: Location
) -> StepPlan:
    """One more step of a suite; DocumentError with the line of the call (see `scenario.StepOf`)."""
    basis, problems = bases[suite.test_id], Problems()
    line = int(call.path[1])
    caller = Document(call.file, suite.document_folder / "call", keys, "", {(): Mark((line, 1), (line, 1))})
    workflow = Workflow(kinds, problems, caller, basis.workflow.scope)
    workflow.survey = survey([keys], call.path[:-1])
    made = workflow.step(dict(keys), call.path)
    hold_steps(suite, basis.merged, workflow, basis.provider)
    problems.done()
    assert made is not None
    return made
