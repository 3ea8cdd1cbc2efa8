"""Detects a dispatch that would wait for its own dispatcher.

GitHub lets one run (or job) of a concurrency group continue; the next one waits, or cancels it. A job that dispatches a
workflow of its own group and then waits for it never ends. Seatrial detects this from the files, before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import Problem
from seatrial.links.forge.workflows.claims import Claim, Claims, Read
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.values import Unknown, as_text
from seatrial.links.forge.workflows.workflow import typed_inputs

VARIABLES = Unknown("vars", "variables of the repository are not read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """A group requested by the new run and held by its dispatcher."""

    held: Claim
    asked: Claim
    within: bool = False
    """Both are of the new run itself."""

    def problem(self) -> Problem:
        """The consequence, the place and the remedy."""
        asked, held = self.asked, self.held
        place = f"{held.whose} ({held.file}:{held.line})"
        group = f"the concurrency group {asked.name!r}"
        if self.within:
            what = f"the run would wait for itself, and GitHub would cancel it: {asked.whose} asks for {group}, "
            what += f"which {place} holds"
        elif asked.cancels:
            what = f"{asked.whose} that is dispatched would cancel the run that waits for it: "
            what += f"it has `cancel-in-progress` and asks for {group}, which {place} that runs now holds"
        else:
            what = f"{asked.whose} that is dispatched would wait for ever: it asks for {group}, "
            what += f"which {place} that runs now holds until the dispatched run has ended"
        other = "job-" if self.within else "e2e-"
        change = asked if self.within else held
        hint = f"rename one of the groups, for example in {change.file}, line {change.line}: "
        return Problem(asked.file, asked.line, 1, what, f"{hint}`{other}{change.template}`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Groups held, groups requested, collisions, and unknowns."""

    held: tuple[Claim, ...] = ()
    asked: tuple[Claim, ...] = ()
    collisions: tuple[Collision, ...] = ()
    doubts: tuple[str, ...] = ()
    """A sentence for each unknown with a possible collision behind it."""


def judge(
    *,
    repository: str,
    path: str,
    ref: str,
    inputs: Mapping[str, Any],
    read: Read,
    environment: Mapping[str, str],
    read_ours: Read | None = None,
    event: Mapping[str, Any] | None = None,
) -> Judgement:
    """Whether the workflow `path` of `repository`, dispatched at `ref` with `inputs`, would wait for its dispatcher.

    An input with a value not known yet is an `Unknown`. `environment` is the job's (GITHUB_…), `event` the contents of
    its GITHUB_EVENT_PATH. `read` gives workflows as they are at `ref`, `read_ours` (else `read`) as they were when our
    run began. Outside Actions no group is held. WorkflowError if the workflow to dispatch cannot be read.
    """
    inside = environment.get("GITHUB_ACTIONS") == "true"
    shared = inside and environment.get("GITHUB_REPOSITORY", "").lower() == repository.lower()
    ours = running(environment, event)
    doubts: list[str] = []

    text = read(path)
    asked: list[Claim] = []
    if text is None:
        doubts.append(f"{path} cannot be read at {ref}, so its concurrency groups are not known")
    else:
        workflow = read_workflow(text, path)
        github = dispatched(
            repository=repository, path=path, ref=ref, name=workflow.name, inputs=inputs, like=ours if shared else None
        )
        names = {"github": github, "vars": VARIABLES, "inputs": typed_inputs(workflow.dispatch or {}, inputs)}
        asked = list(Claims(read, repository, doubts).all(workflow, names))

    held = list(_held(environment, ours, event, read_ours or read, doubts)) if shared else []
    collisions = [Collision(held=one, asked=other) for one in held for other in asked if _collide(one, other, doubts)]
    # A job and its own run in one group collide; two jobs in one group only wait for each other, and do end.
    outer = [claim for claim in asked if claim.whose == "the workflow"]
    collisions += [
        Collision(held=one, asked=other, within=True)
        for one in outer
        for other in asked
        if other is not one and _collide(one, other, doubts)
    ]
    distinct = tuple(dict.fromkeys(doubts))
    return Judgement(held=tuple(held), asked=tuple(asked), collisions=tuple(collisions), doubts=distinct)


def _held(
    environment: Mapping[str, str],
    github: Mapping[str, Any],
    event: Mapping[str, Any] | None,
    read: Read,
    doubts: list[str],
) -> Iterator[Claim]:
    """The groups held by our own run and job: GITHUB_WORKFLOW_REF is `owner/name/path@ref`."""
    repository = environment.get("GITHUB_REPOSITORY", "")
    whole = environment.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    path = whole.removeprefix(f"{repository}/") if whole.lower().startswith(f"{repository}/".lower()) else ""
    text = read(path) if path else None
    if text is None:
        where = path or whole or "the file named by GITHUB_WORKFLOW_REF"
        doubts.append(f"the running workflow ({where}) cannot be read, so its groups are unknown: check it out")
        return
    workflow = read_workflow(text, path)
    inputs: Any = Unknown("inputs", "the event's file was not read")
    if event is not None:
        given = event.get("inputs")
        inputs = typed_inputs(workflow.dispatch or {}, given if isinstance(given, Mapping) else {})
    names = {"github": github, "vars": VARIABLES, "inputs": inputs}
    yield from Claims(read, repository, doubts).around(workflow, names, environment.get("GITHUB_JOB", ""))


def _collide(held: Claim, asked: Claim, doubts: list[str]) -> bool:
    if not held.may_be(asked):
        return False
    why = [one for one in (held.unknown, asked.unknown, held.maybe, asked.maybe) if one]
    if not why:
        return True
    doubts.append(
        f"the concurrency groups {asked} and {held} may be one, but Seatrial cannot decide it: {'; '.join(why)}"
    )
    return False


_NAMES = (
    "actor", "actor_id", "api_url", "base_ref", "event_name", "graphql_url", "head_ref", "job", "ref", "ref_name",
    "ref_protected", "ref_type", "repository", "repository_id", "repository_owner", "repository_owner_id",
    "retention_days", "run_attempt", "run_id", "run_number", "server_url", "sha", "triggering_actor", "workflow",
    "workflow_ref", "workflow_sha", "workspace",
)  # fmt: skip
"""Fields of `github`, also in a job's environment as `GITHUB_…`."""

_OF_THE_REPOSITORY = (
    "api_url", "graphql_url", "repository", "repository_id", "repository_owner", "repository_owner_id", "server_url",
)  # fmt: skip
"""Fields shared by two runs of one repository."""


def running(environment: Mapping[str, str], event: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `github` context of the job with this environment; `event` is the contents of its GITHUB_EVENT_PATH."""
    github: dict[str, Any] = {
        name: environment.get(f"GITHUB_{name.upper()}", Unknown(f"github.{name}", f"GITHUB_{name.upper()} is not set"))
        for name in _NAMES
    }
    github["event"] = event if event is not None else Unknown("github.event", "the event's file was not read")
    github["token"] = Unknown("github.token", "it is a secret")
    return github


def dispatched(
    *, repository: str, path: str, ref: str, name: str, inputs: Mapping[str, Any], like: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The `github` context of a future run; `like` is one of the same repository."""
    later = "the run does not exist yet"
    github: dict[str, Any] = {one: Unknown(f"github.{one}", later) for one in _NAMES}
    for one in _OF_THE_REPOSITORY:
        if like is not None and one in like:
            github[one] = like[one]
    full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    given = {key: one if isinstance(one, Unknown) else as_text(one) for key, one in inputs.items()}
    github |= {
        "repository": repository,
        "repository_owner": repository.partition("/")[0],
        "ref": full,
        "ref_name": full.split("/", 2)[-1],
        "ref_type": "tag" if full.startswith("refs/tags/") else "branch",
        "base_ref": "",
        "head_ref": "",
        "event_name": "workflow_dispatch",
        "event": {"inputs": given, "ref": full, "workflow": path},
        "run_attempt": "1",
        # Unique to the run: no other run shares a group named with it.
        "run_id": "(the id of the new run)",
        "workflow": name,
        "workflow_ref": f"{repository}/{path}@{full}",
        "token": Unknown("github.token", "it is a secret"),
    }
    return github
