"""Whether the kinds of a CustomResourceDefinition are served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.checks.kubernetes.view import CRDS, InCluster, View, soon
from seatrial.checks.per_node import text_of
from seatrial.links.kubernetes import MissingRight, NoSuchKind, NoSuchObject
from seatrial.links.kubernetes.objects import condition, holds
from seatrial.model.result import Observation, failed, passed
from seatrial.registry import check
from seatrial.spi import Context

UNSERVED = "not served"


@check("crd_established")
@dataclass(frozen=True, kw_only=True)
class CrdEstablished(InCluster):
    """A CustomResourceDefinition is established, and its objects are listed: `crd_established:boats.example.org`."""

    name: str
    """`PLURAL.GROUP`."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"name": text_of(rest, "name", "crd_established:boats.example.org")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        plural, _, group = self.name.partition(".")
        if "$" not in self.name and not (plural and "." in group):
            yield "name", f"invalid name {self.name!r}; allowed: PLURAL.GROUP, like boats.example.org"

    async def observe(self, ctx: Context) -> Observation:
        observation = await self.look(ctx, [CRDS], self._judge)
        if observation.seen == UNSERVED:
            ctx.look_again_when(soon)
        return observation

    async def _judge(self, view: View) -> Observation:
        definition = view.one(CRDS, self.name)
        if definition is None:
            return failed("absent", "established", f"there is no CustomResourceDefinition {self.name}")
        if definition["metadata"].get("deletionTimestamp"):
            held = ", ".join(definition["metadata"].get("finalizers") or ())
            return failed("terminating", "established", f"{self.name} is being deleted, held by the finalizer {held}")
        for kind in ("NamesAccepted", "Established"):
            if not holds(definition, kind):
                told = condition(definition, kind)
                why = f"{kind} is {told.get('status') or 'not set yet'}"
                return failed(
                    kind, "established", f"{self.name}: {why} {told.get('reason', '')}: {told.get('message', '')}"
                )
        try:
            kind_served = await view.cluster.kind(self.name)
            await view.cluster.list(kind_served, "")
        except (NoSuchKind, NoSuchObject) as error:
            return failed(
                UNSERVED, "served", f"{self.name} is established, and the API server does not serve it: {error}"
            )
        except MissingRight as error:
            if error.code == 403:
                return passed("established", "established", "its objects may not be listed with this login")
            raise
        return passed("established", "established")
