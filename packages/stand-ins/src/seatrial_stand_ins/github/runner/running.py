"""A runner that really executes workflows, behind the seam of the GitHub server for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial_stand_ins.github.runner.calls import ActionFunction
from seatrial_stand_ins.github.runner.contexts import github
from seatrial_stand_ins.github.runner.graph import Graph
from seatrial_stand_ins.github.runner.settings import Grace, Settings
from seatrial_stand_ins.github.seam import Conclusion, Run


class WorkflowRunner:
    """Executes the jobs of workflows on this host, each in its own folder, and removes everything afterwards.

    `tools` are folders in front of PATH, `environment` more variables of every job, `actions` further actions
    (`owner/name` to an async function of an ActionCall, or to a folder with an `action.yml`). `folder` holds the jobs'
    folders while they run, and with `keep` afterwards too.
    """

    def __init__(
        self,
        *,
        tools: Path | Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        actions: Mapping[str, ActionFunction | Path] | None = None,
        folder: Path | None = None,
        grace: Grace | None = None,
        keep: bool = False,
    ) -> None:
        self.settings = Settings(
            folder=folder,
            tools=(tools,) if isinstance(tools, Path) else tuple(tools),
            environment=dict(environment or {}),
            actions=dict(actions or {}),
            grace=grace or Grace(),
            keep=keep,
        )
        self._remembered: dict[tuple[int, str], Mapping[str, str]] = {}

    async def run(self, run: Run) -> Conclusion:
        """Execute one attempt of a run; its conclusion."""
        try:
            workflow = read_workflow(run.workflow.text, run.workflow.path, strict=True)
        except WorkflowError as error:
            # GitHub shows no job of such a run, and the reason only on its page; here clients find it.
            told = run.begin_job("", run.workflow.path, waiting=True)
            for problem in error.problems:
                told.annotate("failure", problem.message, path=problem.file, line=problem.line)
            told.end("failure")
            return "startup_failure"

        def secrets(environment: str) -> Mapping[str, str]:
            return run.environment_secrets(environment) if environment else run.secrets

        graph = Graph(
            settings=self.settings,
            run=run,
            workflow=workflow,
            github=github(run, workflow),
            inputs=run.inputs,
            secrets=secrets,
            remembered=self._remembered,
        )
        return await graph.execute()
