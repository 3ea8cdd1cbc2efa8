"""`dispatch_workflow`: start a CI workflow, and wait for exactly this run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.expressions import late
from seatrial.links.forge.runs.dispatch import until_visible
from seatrial.links.forge.runs.following import end_run, run_to_end
from seatrial.links.forge.runs.order import DispatchWithArtifacts, order_of
from seatrial.links.forge.runs.repository import LITERAL, Place, find_place, open_forge
from seatrial.links.forge.runs.validation import later, wrong_here, wrong_there
from seatrial.model.resource import Resource
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context

KIND = "workflow-run"
OWNER = "step:dispatch_workflow"


@step("dispatch_workflow")
@dataclass(frozen=True, kw_only=True)
class DispatchWorkflow(DispatchWithArtifacts):
    """Start a workflow of GitHub Actions, wait for exactly this run, and fetch its artifacts."""

    repository: str = ""
    """`OWNER/NAME`; default: $GITHUB_REPOSITORY, then the git remote of the document's folder."""
    api_url: str = ""
    """The URL of the API; default: $GITHUB_API_URL, then https://api.github.com."""
    ref: str = ""
    """A branch or tag; by default the checked-out branch."""
    token: str = ""
    """`${{ secrets.NAME }}`; default: $GH_TOKEN or $GITHUB_TOKEN, then the output of `gh auth token`."""

    def check_files(self, folder: Path) -> Iterable[tuple[str, str]]:
        """Errors found in the local checkout, and a token written in the document."""
        if self.token:  # `check_templates` checks a step with templates
            yield "token", LITERAL
        try:
            place = self._place(folder, os.environ)
        except UsageError as error:
            yield "", str(error)
            return
        for path, message, hint in wrong_here(place, order_of(self, place.ref, self.inputs), os.environ):
            yield path[0], f"{message}{hint and f' ({hint})'}"

    @classmethod
    def check_templates(cls, fields: Mapping[str, Any], folder: Path) -> Iterable[tuple[str, str]]:
        """The same for a step with templates: everything independent of them."""
        words = ("workflow", "repository", "api_url", "ref")
        texts: dict[str, Any] = {word: str(fields.get(word) or "") for word in words}
        inputs, token = fields.get("inputs") or {}, str(fields.get("token") or "")
        if token and not _later(token):
            yield "token", LITERAL
        if not texts["workflow"] or not isinstance(inputs, Mapping) or any(map(_later, texts.values())):
            return
        inputs = {name: later(name) if _later(value) else value for name, value in inputs.items()}
        correlation = str(fields.get("correlation_input") or "")
        step = cls(**texts, inputs=inputs, correlation_input="" if _later(correlation) else correlation)
        yield from step.check_files(folder)

    def asks_others(self, ctx: Context) -> bool:
        return True

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the run failed or left no such artifact, Overrun when it did not end in time; CannotTell when
        somebody cancelled it, it did not start in time, or it cannot be identified.

        Outputs: the JSON in its artifacts, `run_id`, `run_url`, `run_sha`, `artifacts` (name to folder).
        """
        environment = ctx.environment()
        place = self._place(ctx.document_folder, environment)
        order = order_of(self, place.ref, self.inputs)
        patience = self.deadlines.whole
        opened = open_forge(
            place.record, self.token, environment, ctx.log, patience=patience,
            unanswered=lambda text: ctx.seen(text, measured=False),
        )  # fmt: skip
        async with opened as (forge, token):
            ctx.secret(token)
            await until_visible(forge, place.ref, self.deadlines.visible, place.checkout, ctx.log)
            if wrong := await wrong_there(forge, place, order, environment, ctx.log):
                raise UsageError("; ".join(f"{message}{hint and f' ({hint})'}" for _, message, hint in wrong))
            template = late.template_of(self.token, environment)
            return await run_to_end(ctx, forge, place, template, order, kind=KIND, owner=OWNER)

    async def give_back(self, resource: Resource) -> None:
        """Cancel the run if it is still active, from the ledger's record alone (called on a bare instance)."""
        await end_run(resource.detail, os.environ)

    def _place(self, folder: Path, environment: Mapping[str, str]) -> Place:
        return find_place(folder, environment, repository=self.repository, api_url=self.api_url, ref=self.ref)


def _later(value: object) -> bool:
    """Whether a value is only known when the step runs."""
    return isinstance(value, str) and "$" in value
