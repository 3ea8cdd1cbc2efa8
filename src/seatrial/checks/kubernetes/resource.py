"""Whether an object of any kind is as expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from seatrial.checks.content import holds as expression_holds
from seatrial.checks.kubernetes.pods_ready import selected, wrong_selector
from seatrial.checks.kubernetes.view import InCluster, View, one_line
from seatrial.checks.per_node import text_of
from seatrial.links.kubernetes import Object
from seatrial.links.kubernetes.objects import is_terminating, name_of
from seatrial.links.output import beginning
from seatrial.model.result import Observation, Verdict, failed, passed, unknown
from seatrial.model.values import Expression, Range
from seatrial.registry import check
from seatrial.spi import Context

NO_VALUE = ("no such key", "KeyError:")
"""What the CEL library says for a field that an object does not have: plain, and within a loop such as `exists`."""

FIRST, NEXT = 300, 120
"""Characters of the message of the first condition, and of the next ones."""


@check("kubernetes")
@check("resource")
@dataclass(frozen=True, kw_only=True)
class Resource(InCluster):
    """An object of any kind exists, and an expression over it is true: `resource:configmap/settings`.

    `kubernetes` is another name of this check.
    """

    expression_names: ClassVar[tuple[str, ...]] = ("object", "metadata", "spec", "status")

    kind: str
    """As kubectl takes it: `Deployment`, `deploy`, `deployments.apps`, `apps/v1/Deployment`."""
    name: str = ""
    """The object's name; without it all objects of `labels` must be as expected, and there must be one."""
    labels: str = ""
    """A label selector, instead of `name`."""
    that: Expression = Expression("")
    """CEL over `object`, and its parts `metadata`, `spec`, `status` (empty if it has none). An object that is being
    deleted counts only if this names `deletionTimestamp`."""
    count: Annotated[int, Range(0)] | None = None
    """The exact number of objects of `labels`."""
    absent: bool = False
    """It must not exist, also not as one whose deletion has begun."""

    text_pattern: ClassVar[str] = ":[^/]+(/[^/]+)*/.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        kind, _, name = text_of(rest, "object", "resource:configmap/settings").rpartition("/")
        if not kind or not name:
            raise ValueError(
                f"incomplete object {rest!r}; allowed: resource:KIND/NAME, like resource:configmap/settings"
            )
        return {"kind": kind, "name": name}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.kind:
            yield "kind", "the kind is empty"
        if self.name and self.labels:
            yield "labels", "`name` already names the object: use `name` or `labels`"
        if self.name and self.count is not None:
            yield "count", "`count` goes with `labels`; one name is one object"
        if self.absent and (self.that or self.count is not None):
            yield "absent", "an absent object has nothing to compare: leave out `that` and `count`"
        yield from wrong_selector(self.labels)

    async def observe(self, ctx: Context) -> Observation:
        async def judge(view: View) -> Observation:
            return await self._judge(ctx, view)

        return await self.look(ctx, [self.kind], judge)

    async def _judge(self, ctx: Context, view: View) -> Observation:
        things = self._chosen(view)
        ending = (
            [] if self.absent or "deletionTimestamp" in self.that else [one for one in things if is_terminating(one)]
        )
        things = [thing for thing in things if thing not in ending]
        names = [name_of(thing) for thing in things]
        which = f"{self.kind} {self.name}" if self.name else f"{self.kind} with {self.labels or 'any labels'}"
        if self.absent:
            if not things:
                return passed("absent", "absent")
            return failed(names, "absent", f"{which} still exists{_held(things)}")
        wanted = 1 if self.name else self.count
        if (wanted is None and not things) or (wanted is not None and len(things) != wanted):
            expected = "at least one" if wanted is None else wanted
            why = f"{which} does not exist" if not things else f"{len(things)} objects: {', '.join(names[:10])}"
            why = (
                f"{which} does not count any more{_held(ending)}" if ending and not things else f"{why}{_held(ending)}"
            )
            seen: object = len(things) or ("being deleted" if ending else "absent")
            return failed(seen, "present" if self.name else expected, why)
        if not self.that:
            return passed(names, "present")
        for thing in things:
            observation = await self._holds(ctx, thing)
            if observation.verdict is not Verdict.PASSED:
                return observation
        return passed(names, str(self.that))

    def _chosen(self, view: View) -> list[Object]:
        if not self.name:
            return selected(view.all(self.kind), self.labels)
        thing = view.one(self.kind, self.name)
        return [] if thing is None else [thing]

    async def _holds(self, ctx: Context, thing: Object) -> Observation:
        parts = {part: thing.get(part) or {} for part in ("metadata", "spec", "status")}
        conditions, decisive = _conditions(thing, self.that)
        statuses = {str(one.get("type")): one.get("status") for one in conditions}
        seen = {"name": name_of(thing), **({"conditions": statuses} if statuses else {})}
        observation = await expression_holds(ctx, self.that, seen, object=thing, **parts)
        if observation.verdict is Verdict.UNKNOWN and any(text in observation.why for text in NO_VALUE):
            # The object is measured, and it does not have the value: its controller has not written it.
            observation = failed(seen, str(self.that), observation.why.replace("KeyError:", "there is no"))
        if observation.verdict is Verdict.UNKNOWN and thing.get("kind") == "Secret":
            # The reason may quote a value of it, which no other place knows as a secret.
            why = f"`{self.that}` over the Secret {name_of(thing)} is neither true nor false"
            return unknown(why, observation.expected, seen)
        if observation.verdict is Verdict.FAILED:
            told = [_said(one, FIRST if at == 0 else NEXT) for at, one in enumerate(conditions)]
            untrue = [text for text, one in zip(told, conditions, strict=True) if one.get("status") != "True"]
            rest = [text for text in untrue if text not in told[:decisive]]
            # What decides comes first: people and reports see the beginning of a reason.
            why = "; ".join([*told[:decisive], f"{observation.why}{_held([thing])}", *rest])
            return failed(seen, observation.expected, one_line(ctx, f"{self.kind} {name_of(thing)}: {why}"))
        return observation


def _conditions(thing: Object, that: str) -> tuple[list[Mapping[str, Any]], int]:
    """Its conditions, the decisive ones first, and how many are decisive: those that the expression names, else those
    that are false."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    found = [one for one in conditions if isinstance(one, Mapping)]
    words = ("False", "Unknown", "True")

    def is_named(one: Mapping[str, Any]) -> bool:
        return any(f"{quote}{one.get('type')}{quote}" in that for quote in "'\"")

    def place(one: Mapping[str, Any]) -> tuple[bool, int]:
        status = one.get("status")
        return not is_named(one), words.index(status) if status in words else len(words)

    found.sort(key=place)
    named = sum(map(is_named, found))
    return found, named or sum(one.get("status") == "False" for one in found)


def _said(condition: Mapping[str, Any], most: int) -> str:
    """A condition in its own words."""
    message = beginning(str(condition.get("message") or ""), most)
    return f"{condition.get('type')}={condition.get('status')} ({condition.get('reason')}): {message}"


def _held(things: Iterable[Object]) -> str:
    """Which finalizers hold an object whose deletion has begun."""
    for thing in things:
        if is_terminating(thing):
            held = ", ".join(thing["metadata"].get("finalizers") or ())
            by = f", held by the finalizer {held}" if held else ""
            return f"; {name_of(thing)} is being deleted since {thing['metadata']['deletionTimestamp']}{by}"
    return ""
