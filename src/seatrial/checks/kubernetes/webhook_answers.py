"""Whether an admission webhook answers the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.checks.kubernetes.view import InCluster, View, one_line
from seatrial.links.kubernetes import ApiRefused, Conflict, Kind, MissingRight, Object
from seatrial.links.kubernetes.selectors import of_spec
from seatrial.model.result import Observation, Verdict, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context

VALIDATING = "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration"
MUTATING = "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration"
NAMESPACE = "v1/Namespace"

AGAIN = 0.15
"""Seconds between two looks of a wait: no event of the API reports that a webhook answers."""


@check("webhook_answers")
@dataclass(frozen=True, kw_only=True)
class WebhookAnswers(InCluster):
    """An admission webhook answers for an object: the API server asks it in a dry run, and nothing is created."""

    name: str
    """The ValidatingWebhookConfiguration or MutatingWebhookConfiguration."""
    webhook: str = ""
    """One webhook of it, by its name; default: all that are asked about the object."""
    object: Mapping[str, Any]
    """An object to create in the dry run; the webhook's rules must match it."""
    refuses: str = ""
    """Text of the refusal that the webhook must answer with; default: it must admit the object."""

    may_be_empty: ClassVar[tuple[str, ...]] = ("object",)

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.name:
            yield "name", "the name of the webhook configuration is empty"
        for key in ("apiVersion", "kind", "metadata"):
            if key not in self.object:
                yield "object", f"`{key}` is missing: it is a whole object, as in a manifest"

    async def observe(self, ctx: Context) -> Observation:
        async def judge(view: View) -> Observation:
            return await self._judge(ctx, view)

        observation = await self.look(ctx, [VALIDATING, MUTATING, NAMESPACE], judge)
        if observation.verdict is not Verdict.PASSED:
            ctx.look_again_when(lambda: asyncio.sleep(AGAIN))
        return observation

    async def _judge(self, ctx: Context, view: View) -> Observation:
        wanted = f"refuses with {self.refuses!r}" if self.refuses else "admits"
        configuration = view.one(VALIDATING, self.name) or view.one(MUTATING, self.name)
        if configuration is None:
            return failed("absent", wanted, f"there is no webhook configuration {self.name}")
        kind = await view.cluster.kind_of(self.object)
        where = str(self.object["metadata"].get("namespace") or view.namespace)
        asked = [
            hook for hook in configuration.get("webhooks") or () if _is_asked(view, hook, kind, self.object, where)
        ]
        if self.webhook:
            if self.webhook not in [hook["name"] for hook in configuration.get("webhooks") or ()]:
                return failed("absent", wanted, f"{self.name} has no webhook {self.webhook}")
            asked = [hook for hook in asked if hook["name"] == self.webhook]
        if not asked:
            return unknown(
                f"the rules of {self.webhook or self.name} do not match {kind}: it is not asked about this object",
                wanted,
            )
        try:
            await view.cluster.create(self.object, namespace=where, dry_run=True)
        except Conflict:
            answer = ""  # admission comes before the look for one of the same name
        except MissingRight:
            raise
        except ApiRefused as error:
            answer = error.text
        else:
            answer = ""
        return self._judged(ctx, asked, answer, wanted)

    def _judged(self, ctx: Context, asked: Sequence[Mapping[str, Any]], answer: str, wanted: str) -> Observation:
        names = [str(hook["name"]) for hook in asked]
        said = one_line(ctx, answer)
        if any(f'failed calling webhook "{name}"' in answer for name in names):
            return failed("no answer", wanted, said)
        if any(f'admission webhook "{name}"' in answer for name in names):
            if not self.refuses:
                return failed("refused", wanted, said)
            if self.refuses in answer:
                return passed("refused", wanted)
            return failed("refused", wanted, f"it refuses with another text: {said}")
        if answer:
            return unknown(f"the API server refuses the object, and not by {self.webhook or self.name}: {said}", wanted)
        if self.refuses:
            return failed("admitted", wanted, f"{self.webhook or self.name} admits the object")
        if silent := [str(hook["name"]) for hook in asked if hook.get("failurePolicy") == "Ignore"]:
            return unknown(
                f"the API server admits it also when {', '.join(silent)} does not answer (failurePolicy Ignore); "
                "`refuses` with an object that it must refuse can tell", wanted,
            )  # fmt: skip
        if conditional := [str(hook["name"]) for hook in asked if hook.get("matchConditions")]:
            return unknown(f"{', '.join(conditional)} has matchConditions: whether it was asked cannot be seen", wanted)
        return passed("admitted", wanted)


def _is_asked(view: View, hook: Mapping[str, Any], kind: Kind, thing: Mapping[str, Any], namespace: str) -> bool:
    """Whether the API server asks a webhook about the creation of an object."""
    metadata = thing.get("metadata") or {}
    if not of_spec(hook.get("objectSelector")).matches(metadata.get("labels")):
        return False
    if kind.namespaced:
        place: Object | None = view.one(NAMESPACE, namespace)
        labels = place["metadata"].get("labels") if place is not None else {}
        if not of_spec(hook.get("namespaceSelector")).matches(labels):
            return False
    return any(_matches(rule, kind) for rule in hook.get("rules") or ())


def _matches(rule: Mapping[str, Any], kind: Kind) -> bool:
    def has(key: str, *values: str) -> bool:
        return any(value in (rule.get(key) or ()) for value in (*values, "*"))

    scope = rule.get("scope") or "*"
    return (
        has("operations", "CREATE")
        and has("apiGroups", kind.group)
        and has("apiVersions", kind.version)
        and has("resources", kind.plural, "*/*")
        and scope in ("*", "Namespaced" if kind.namespaced else "Cluster")
    )
