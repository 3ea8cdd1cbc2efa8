"""Whether Jobs have completed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from seatrial.checks.kubernetes.pods_ready import selected, wrong_selector
from seatrial.checks.kubernetes.view import InCluster, View, missing
from seatrial.checks.per_node import text_of
from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.objects import condition, holds, is_terminating, name_of
from seatrial.links.kubernetes.readiness import reasons
from seatrial.links.kubernetes.readiness.pods import is_ready, sentence
from seatrial.links.kubernetes.readiness.reasons import Reason
from seatrial.model.result import Category, Observation, failed, passed
from seatrial.model.values import Range
from seatrial.registry import check
from seatrial.spi import Context

JOB, POD = "batch/v1/Job", "v1/Pod"


@check("jobs")
@dataclass(frozen=True, kw_only=True)
class Jobs(InCluster):
    """Jobs have completed, all of them, and there is at least one: `jobs`, `jobs:migrate`."""

    name: str = ""
    """One Job; default: all of `labels`."""
    labels: str = ""
    """A label selector; default: all Jobs of the namespace."""
    count: Annotated[int, Range(1)] | None = None
    """The exact number of Jobs; default: at least one."""

    text_pattern: ClassVar[str] = "(:.+)?"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"name": text_of(rest, "name of a Job", "jobs:migrate")} if rest else {}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.name and (self.labels or self.count is not None):
            yield "name", "`name` names one Job: leave out `labels` and `count`"
        yield from wrong_selector(self.labels)

    async def observe(self, ctx: Context) -> Observation:
        return await self.look(ctx, [JOB, POD], self._judge)

    def _chosen(self, view: View) -> list[Object]:
        if not self.name:
            return selected(view.all(JOB), self.labels)
        job = view.one(JOB, self.name)
        return [] if job is None else [job]

    async def _judge(self, view: View) -> Observation:
        jobs = self._chosen(view)
        if not jobs and self.name:
            return missing("Job", self.name, view.namespace)
        if not jobs or (self.count is not None and len(jobs) != self.count):
            return failed(len(jobs), self.count or "at least one", f"{len(jobs)} Jobs in namespace {view.namespace}")
        seen = {name_of(job): _state(job) for job in jobs}
        expected = dict.fromkeys(seen, "complete")
        if wrong := [job for job in jobs if _state(job) != "complete"]:
            return failed(seen, expected, _why(view, wrong[0]))
        return passed(seen, expected)

    async def why_not(self, ctx: Context, cluster: Cluster, namespace: str) -> Reason:
        why = Reason()

        async def judge(view: View) -> Observation:
            nonlocal why
            for job in [job for job in self._chosen(view) if _state(job) != "complete"][:1]:
                parts = [_why(view, job, alone=True)]
                category = ""
                if pods := view.owned(POD, job):
                    last = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
                    reason = await reasons.of_pod(cluster, namespace, last)
                    parts.append(reason.text)
                    category = _category(job, last, reason)
                else:
                    parts.append(await reasons.of_creation(cluster, namespace, job))
                why = Reason("; ".join(filter(None, parts)), category)
            return failed()

        await self.look(ctx, [JOB, POD], judge)
        return why


def _category(job: Object, pod: Object, reason: Reason) -> str:
    """A Job that works, without a failed pod, has not had enough time."""
    works = _state(job) == "active" and not (job.get("status") or {}).get("failed") and is_ready(pod)
    return Category.TIMEOUT if works else reason.category


def _state(job: Object) -> str:
    if holds(job, "Complete"):
        return "complete"
    if holds(job, "Failed"):
        return "failed"
    if is_terminating(job):
        return "terminating"
    return "suspended" if job["spec"].get("suspend") else "active"


def _why(view: View, job: Object, *, alone: bool = False) -> str:
    """Why it has not completed. `alone`: without a word about its pods."""
    status, name = job.get("status") or {}, name_of(job)
    done, wanted = int(status.get("succeeded") or 0), job["spec"].get("completions") or 1
    state = _state(job)
    text = f"Job {name} is {state}: {done} of {wanted} completions, {int(status.get('failed') or 0)} failed pods"
    if state == "failed":
        failure = condition(job, "Failed")
        text = f"Job {name} failed ({failure.get('reason')}): {failure.get('message')}"
    pods = (
        [] if alone else [pod for pod in view.owned(POD, job) if (pod.get("status") or {}).get("phase") != "Succeeded"]
    )
    return f"{text}; {sentence(pods[-1])}" if pods else text
