"""GitHub, github.com and Enterprise Server: the Actions of one repository as a `links.forge.Forge`, and the token: from
the document, the environment, or a logged-in `gh`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process
from seatrial.links.forge.github.api import PATIENCE, VERSIONS, Api
from seatrial.links.forge.protocol import EVENT, Absent, Denied, Rejected, RunArtifact, RunJob, RunStep, WorkflowRun

READ, WRITE = "actions: read", "actions: write"
CONTENTS = "contents: read"

PAGE = 100
PAGES = 20
"""Pages read of a list: 2,000 entries."""

SEARCHED = 1000
"""The most runs GitHub lists for a branch or event; it drops the rest without a word."""

DETAILS = "return_run_details"
"""Asked for, a dispatch of API 2022-11-28 answers with the run's id; newer versions always do."""

SHORT = 10.0
"""Seconds for an optional question."""

GH_SECONDS = 15.0

NAMES = ("GH_TOKEN", "GITHUB_TOKEN")
ENTERPRISE_NAMES = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
"""Asked first where the API is not github.com's, as `gh` does."""

PUBLIC = ("api.github.com", "github.com")


class GitHub:
    """See links.forge.Forge."""

    def __init__(
        self,
        api_url: str,
        repository: str,
        token: str,
        say: Callable[[str], None] = lambda text: None,
        *,
        patience: float = PATIENCE,
        limited: float = PATIENCE,
    ) -> None:
        self.repository = repository
        self._api = Api(api_url, token, say, limited=limited)
        self._home = f"/repos/{repository}"
        self._patience = patience
        self._details = True
        self._me: str | None = None

    @property
    def pace(self) -> float:
        return self._api.pace

    @property
    def ahead(self) -> float:
        return self._api.ahead

    @property
    def trouble(self) -> str:
        return self._api.trouble

    async def close(self) -> None:
        await self._api.close()

    async def who(self) -> str:
        """By `GET /user`; a workflow's own token has no user."""
        if self._me is None:
            try:
                found = await self._api.get("/user", right="metadata: read", within=SHORT)
                self._me = str(found.get("login") or "")
            except Denied:
                self._me = ""
        return self._me

    async def head(self, ref: str) -> str:
        try:
            found = await self._get(f"/commits/{quote(ref, safe='')}", CONTENTS)
        except Absent:
            return ""
        except Rejected as error:  # 422: No commit found for SHA
            if "No commit found" in str(error):
                return ""
            raise
        return str(found.get("sha") or "")

    async def contains(self, ref: str, sha: str) -> bool:
        try:
            found = await self._get(f"/compare/{quote(sha, safe='')}...{quote(ref, safe='')}", CONTENTS)
        except (Absent, Rejected):
            return False
        return found.get("status") in ("ahead", "identical")

    async def read(self, path: str, ref: str) -> str:
        found = await self._get(f"/contents/{quote(path)}", CONTENTS, ref=ref)
        if not isinstance(found, dict) or found.get("encoding") != "base64":
            raise CannotTell(f"{path} of {self.repository} at {ref} is not a readable file")
        try:
            return base64.b64decode(str(found.get("content", ""))).decode()
        except ValueError as error:
            raise CannotTell(f"{path} of {self.repository} at {ref} is not text: {error}") from None

    async def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, object]) -> int:
        path = f"{self._home}{self._workflow(workflow)}/dispatches"
        texts = {name: _text(value) for name, value in inputs.items()}

        def body() -> dict[str, Any]:
            details = self._details and self._api.version == VERSIONS[0]
            return {"ref": ref, "inputs": texts, **({DETAILS: True} if details else {})}

        while True:
            try:
                answer = await self._api.ask("POST", path, json=body, right=WRITE, once=True, within=self._patience)
            except Rejected as error:
                if DETAILS in body() and DETAILS in str(error):
                    self._details = False  # an older server: it returns no id, and has not started anything yet
                    continue
                raise
            if answer.status == 204 or not answer.body:
                return 0
            try:
                return int(answer.json().get("workflow_run_id") or 0)
            except (ValueError, AttributeError, TypeError):
                return 0

    async def runs(
        self, workflow: str, *, ref: str = "", event: str = EVENT, above: int = -1, most: int = PAGE
    ) -> Sequence[WorkflowRun]:
        path = f"{self._workflow(workflow)}/runs"
        wanted = {name: value for name, value in (("event", event), ("branch", ref)) if value}
        found: list[WorkflowRun] = []
        every = above >= 0
        for page in range(1, PAGES + 1):
            told = await self._get(path, READ, per_page=PAGE if every else most, page=page, **wanted)
            rows = _rows(told, "workflow_runs", path)
            here = [_run(row) for row in rows]
            found += [run for run in here if run.id > above]
            if not every or any(run.id <= above for run in here):
                break
            if len(rows) < PAGE and not (wanted and len(found) >= SEARCHED):
                break
            if len(rows) < PAGE or page == PAGES:
                raise CannotTell(
                    f"{workflow} of {self.repository} has more runs above {above} than GitHub tells ({len(found)}): "
                    f"which are among them is not known; delete old runs, or look at {self._home}{path} yourself"
                )
        return sorted({run.id: run for run in found}.values(), key=lambda run: run.id, reverse=True)

    async def run(self, id: int) -> WorkflowRun:
        return _run(await self._get(f"/actions/runs/{id}", READ))

    async def jobs(self, id: int) -> Sequence[RunJob]:
        rows = await self._all(f"/actions/runs/{id}/jobs", "jobs", filter="latest")
        return [_job(row) for row in rows]

    async def waits_for(self, id: int) -> Sequence[str]:
        try:
            rows = await self._get(f"/actions/runs/{id}/pending_deployments", READ)
        except Denied:
            return ()
        return [str((row.get("environment") or {}).get("name") or "?") for row in rows if isinstance(row, Mapping)]

    async def log(self, job: int, into: Path, *, limit: int) -> None:
        path = f"{self._home}/actions/jobs/{job}/logs"
        await self._api.download(path, into, right=READ, limit=limit, timeout=self._patience)

    async def cancel(self, id: int) -> None:
        path = f"{self._home}/actions/runs/{id}/cancel"
        # 409: it has ended, or is about to.
        await self._api.ask("POST", path, right=WRITE, within=self._patience, also=(409,))

    async def artifacts(self, id: int) -> Sequence[RunArtifact]:
        rows = await self._all(f"/actions/runs/{id}/artifacts", "artifacts")
        return [
            RunArtifact(
                id=int(row["id"]),
                name=row["name"],
                size=row.get("size_in_bytes") or 0,
                expired=bool(row.get("expired")),
            )
            for row in rows
        ]

    async def download(self, artifact: RunArtifact, into: Path, *, limit: int, timeout: float) -> None:
        path = f"{self._home}/actions/artifacts/{artifact.id}/zip"
        await self._api.download(path, into, right=READ, limit=limit, timeout=timeout)

    def _workflow(self, workflow: str) -> str:
        return f"/actions/workflows/{quote(workflow.rpartition('/')[2], safe='')}"

    async def _get(self, path: str, right: str, **params: Any) -> Any:
        return await self._api.get(f"{self._home}{path}", right=right, within=self._patience, **params)

    async def _all(self, path: str, key: str, **params: Any) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for page in range(1, PAGES + 1):
            rows = _rows(await self._get(path, READ, per_page=PAGE, page=page, **params), key, path)
            found += rows
            if len(rows) < PAGE:
                break
        return found


def _rows(told: Any, key: str, path: str) -> list[Mapping[str, Any]]:
    rows = told.get(key) if isinstance(told, Mapping) else None
    if not isinstance(rows, list):
        raise CannotTell(f"{path} answers without {key!r}")
    return rows


def _run(row: Mapping[str, Any]) -> WorkflowRun:
    actor = row.get("triggering_actor") or row.get("actor") or {}
    try:
        return WorkflowRun(
            id=int(row["id"]),
            title=str(row.get("display_title") or row.get("name") or ""),
            workflow=str(row.get("path") or "").partition("@")[0],
            actor=str(actor.get("login") or ""),
            attempt=int(row.get("run_attempt") or 1),
            **_texts(
                row,
                event="event", branch="head_branch", sha="head_sha", status="status", conclusion="conclusion",
                url="html_url", created="created_at", updated="updated_at", began="run_started_at",
            ),
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CannotTell(f"GitHub returned a run that cannot be read: {type(error).__name__}: {error}") from error


def _job(row: Mapping[str, Any]) -> RunJob:
    return RunJob(
        id=int(row["id"]),
        labels=tuple(map(str, row.get("labels") or ())),
        steps=tuple(
            RunStep(number=int(step.get("number") or 0), **_texts(step, name="name", conclusion="conclusion"))
            for step in row.get("steps") or ()
        ),
        **_texts(
            row,
            name="name", status="status", conclusion="conclusion", url="html_url", started="started_at",
            runner="runner_name",
        ),
    )  # fmt: skip


def _texts(row: Mapping[str, Any], **keys: str) -> dict[str, Any]:
    """Fields by their keys in the answer; empty where it has none."""
    return {name: str(row.get(key) or "") for name, key in keys.items()}


def _text(value: object) -> str:
    """Inputs are texts on the wire, whatever their type in the workflow."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


async def find_token(given: str, api_url: str, environment: Mapping[str, str]) -> str:
    """The given token, else the environment's, else `gh auth token`; CannotTell names the variable to set."""
    if given.strip():
        return given.strip()
    host = host_of(api_url)
    names = NAMES if host in PUBLIC else (*ENTERPRISE_NAMES, *NAMES)
    for name in names:
        if value := environment.get(name, "").strip():
            return value
    try:
        done = await process.run(
            ["gh", "auth", "token", "--hostname", host], env=dict(environment), timeout=GH_SECONDS, grace=0.5
        )
    except (ToolMissing, TimeoutError):
        done = None
    if done is not None and done.ok and done.stdout.strip():
        return done.stdout.strip()
    raise CannotTell(
        f"no token for {host}: set {' or '.join(NAMES)}, give `token: ${{{{ secrets.NAME }}}}`, "
        f"or log in with `gh auth login --hostname {host}`"
    )


def host_of(api_url: str) -> str:
    """The host name of a server in `gh`: `github.com` for `https://api.github.com`."""
    netloc = urlsplit(api_url).netloc.rpartition("@")[2]
    return "github.com" if netloc in PUBLIC else netloc
