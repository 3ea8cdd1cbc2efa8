"""`dispatch_workflow`: a CI workflow is started, and exactly that run is waited for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.expressions import late
from seatrial.links.forge.runs.cleanup import end_run
from seatrial.links.forge.runs.dispatch import until_visible
from seatrial.links.forge.runs.following import run_to_end
from seatrial.links.forge.runs.order import DEADLINES, LIMITS, Limits, Order, RunDeadlines
from seatrial.links.forge.runs.repository import LITERAL, Place, find_place, open_forge
from seatrial.links.forge.runs.validation import Draft, wrong_here, wrong_there
from seatrial.model.resource import Resource
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context

KIND = "workflow-run"
OWNER = "step:dispatch_workflow"


@step("dispatch_workflow")
@dataclass(frozen=True, kw_only=True)
class DispatchWorkflow:
    """Start a workflow of GitHub Actions, wait for exactly that run, and fetch what it left."""

    workflow: str
    """The file's name in `.github/workflows`: `deploy.yml`."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Values for the workflow's own inputs."""
    artifacts: tuple[str, ...] = ()
    """Artifacts to fetch; the keys of JSON files in them become outputs."""
    repository: str = ""
    """`OWNER/NAME`; else $GITHUB_REPOSITORY, else the git remote of the document's folder."""
    api_url: str = ""
    """Else $GITHUB_API_URL, else https://api.github.com."""
    ref: str = ""
    """A branch or tag; else the branch that is checked out."""
    token: str = ""
    """`${{ secrets.NAME }}`; else $GH_TOKEN or $GITHUB_TOKEN, else what `gh auth token` says."""
    correlation_input: str = ""
    """The input that takes an id which the workflow puts into its `run-name`."""
    deadlines: RunDeadlines = DEADLINES
    """How long each part may take."""
    limits: Limits = LIMITS
    """How large artifacts may be."""

    def check_files(self, folder: Path) -> Iterable[tuple[str, str]]:
        """What the local checkout shows to be wrong, and a token that stands in the document."""
        if self.token:  # a step that still has templates in it is asked by `check_templates`
            yield "token", LITERAL
        try:
            place = self._place(folder, os.environ)
        except UsageError as error:
            yield "", str(error)
            return
        for path, message, hint in wrong_here(place, self._draft(), os.environ):
            yield path[0], f"{message}{hint and f' ({hint})'}"

    @classmethod
    def check_templates(cls, fields: Mapping[str, Any], folder: Path) -> Iterable[tuple[str, str]]:
        """The same of a step that still has templates in it: all that does not hang on them."""
        texts = {key: str(fields.get(key) or "") for key in ("workflow", "repository", "api_url", "ref")}
        inputs, token = fields.get("inputs") or {}, str(fields.get("token") or "")
        if token and not _later(token):
            yield "token", LITERAL
        if not texts["workflow"] or not isinstance(inputs, Mapping) or any(map(_later, texts.values())):
            return
        later = frozenset(name for name, value in inputs.items() if _later(value))
        known = {name: value for name, value in inputs.items() if name not in later}
        correlation = str(fields.get("correlation_input") or "")
        step = cls(
            workflow=texts["workflow"],
            inputs=known,
            repository=texts["repository"],
            api_url=texts["api_url"],
            ref=texts["ref"],
            correlation_input="" if _later(correlation) else correlation,
        )
        try:
            place = step._place(folder, os.environ)
        except UsageError as error:
            yield "", str(error)
            return
        for path, message, hint in wrong_here(place, replace(step._draft(), later=later), os.environ):
            yield path[0], f"{message}{hint and f' ({hint})'}"

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the run failed or left no such artifact, Overrun when it did not end in time; CannotTell when
        it was cancelled by somebody, was not begun in time, or cannot be told from others.

        Outputs: what the JSON in its artifacts says, `run_id`, `run_url`, `run_sha`, `artifacts` (name to folder).
        """
        environment = ctx.environment()
        place = self._place(ctx.document_folder, environment)
        forge, token = await open_forge(place.record, self.token, environment, ctx.log, patience=self.deadlines.whole)
        ctx.secret(token)
        try:
            order = self._order(place)
            await until_visible(forge, place.ref, self.deadlines.visible, place.checkout, ctx.log)
            if wrong := await wrong_there(forge, place, self._draft(), environment, ctx.log):
                raise UsageError("; ".join(f"{message}{hint and f' ({hint})'}" for _, message, hint in wrong))
            later = late.template_of(self.token, environment)
            return (await run_to_end(ctx, forge, place, later, order, kind=KIND, owner=OWNER)).told
        finally:
            await forge.close()

    async def give_back(self, resource: Resource) -> None:
        """Cancel the run if it goes on, from the ledger's record alone (called on a bare instance)."""
        await end_run(resource.detail, os.environ)

    def _place(self, folder: Path, environment: Mapping[str, str]) -> Place:
        return find_place(folder, environment, repository=self.repository, api_url=self.api_url, ref=self.ref)

    def _draft(self) -> Draft:
        return Draft(workflow=self.workflow, inputs=self.inputs, correlation_input=self.correlation_input)

    def _order(self, place: Place) -> Order:
        return Order(
            workflow=self.workflow,
            ref=place.ref,
            inputs=self.inputs,
            artifacts=self.artifacts,
            correlation_input=self.correlation_input,
            deadlines=self.deadlines,
            limits=self.limits,
        )


def _later(value: object) -> bool:
    """Whether a value is filled in when the step runs."""
    return isinstance(value, str) and "$" in value
