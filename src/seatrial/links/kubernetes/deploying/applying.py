"""Applying objects: server-side, never over something that exists already, definitions shared among trials."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.kubernetes import ApiRefused, Cluster, Conflict, Kind, MissingRight, NoSuchKind, NoSuchObject
from seatrial.links.kubernetes.deploying.manifests import Object, called
from seatrial.links.kubernetes.deploying.ownership import DEFINITION, SHARED, USED_BY, belongs, marks

Create = Callable[[], Awaitable[None]]

CRD = "CustomResourceDefinition"
SERVED = 20.0
"""Seconds for the API server to serve a kind that was just defined."""
PAUSE = 0.1
WEBHOOK = "failed calling webhook"


def in_order(objects: Sequence[Object]) -> list[Object]:
    """Namespaces first, the rest in the order of the files; definitions are apart."""
    plain = [thing for thing in objects if thing["kind"] != CRD]
    return sorted(plain, key=lambda thing: thing["kind"] != "Namespace")


def named(thing: Mapping[str, Any]) -> list[str]:
    """An object for the ledger."""
    metadata = thing["metadata"]
    return [thing["apiVersion"], thing["kind"], str(metadata.get("namespace") or ""), metadata["name"]]


async def kind_of(cluster: Cluster, thing: Mapping[str, Any], seconds: float = SERVED) -> Kind:
    """The kind of an object, also of one whose definition is new; StepFailed when the server has no such kind."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while True:
        try:
            return await cluster.kind_of(thing)
        except NoSuchKind as error:
            if clock() > end:
                raise StepFailed(f"{called(thing)}: {error}") from None
        await asyncio.sleep(PAUSE)


async def apply(cluster: Cluster, thing: Object, trial: str, *, new_kinds: bool) -> None:
    """Apply an object of the trial; CannotTell when it exists and is not the trial's, StepFailed when the server
    refuses it as it is. A webhook that is not up yet is asked until the step's deadline."""
    kind = await kind_of(cluster, thing, SERVED if new_kinds else 0)
    metadata = thing["metadata"]
    namespace, name = str(metadata.get("namespace") or ""), metadata["name"]
    present = await cluster.get(kind, name, namespace)
    if present is not None and not belongs(present, trial):
        raise CannotTell(
            f"{called(thing)} already exists, and this trial did not make it: name it otherwise, or remove it yourself"
        )
    while True:
        try:
            # The first time nothing of another owner is overwritten, should it have come meanwhile.
            await cluster.apply(thing, namespace=namespace, force=present is not None)
            return
        except Conflict as error:
            raise CannotTell(f"{called(thing)} appeared meanwhile, and this trial did not make it: {error}") from None
        except ApiRefused as error:
            if WEBHOOK not in error.text:
                raise _judged(thing, error) from None
        await asyncio.sleep(0.5)


def _judged(thing: Object, error: ApiRefused) -> Exception:
    """What the server does not accept is the product's fault; a missing right or namespace is not."""
    if isinstance(error, MissingRight | NoSuchObject):
        return CannotTell(f"{called(thing)}: {error}")
    return StepFailed(f"{called(thing)}: {error}")


# Definitions (CRDs): one for the whole cluster, whoever needs it


def checksum(definition: Mapping[str, Any]) -> str:
    """Of what it defines."""
    return hashlib.sha256(json.dumps(definition.get("spec"), sort_keys=True).encode()).hexdigest()[:32]


async def define(cluster: Cluster, definition: Object, trial: str, run: str) -> None:
    """Apply a definition, or use one that exists with the same content; CannotTell if its content is another one."""
    kind, name = await kind_of(cluster, definition, 0), definition["metadata"]["name"]
    mark = {f"{USED_BY}{trial}": run}
    while True:
        present = await cluster.get(kind, name)
        if present is None:
            made = json.loads(json.dumps(definition))
            metadata = made["metadata"]
            own = {DEFINITION: checksum(definition), **mark}
            metadata["annotations"] = {**(metadata.get("annotations") or {}), **own}
            metadata["labels"] = {**(metadata.get("labels") or {}), SHARED: "true"}
            try:
                await cluster.create(made)
                break
            except Conflict:
                continue
            except ApiRefused as error:
                raise _judged(definition, error) from None
        metadata = present["metadata"]
        if metadata.get("deletionTimestamp"):
            await asyncio.sleep(PAUSE)
            continue
        if SHARED not in (metadata.get("labels") or {}):
            if not _within(definition.get("spec"), present.get("spec")):
                raise CannotTell(_other(name, "which no trial made"))
            return  # somebody else's, and as needed: it is not touched
        if (metadata.get("annotations") or {}).get(DEFINITION) != checksum(definition):
            raise CannotTell(_other(name, f"of {', '.join(marks(present)) or 'another trial'}"))
        change = {"metadata": {"annotations": mark, "resourceVersion": metadata["resourceVersion"]}}
        try:
            await cluster.patch(kind, name, change)
            break
        except (Conflict, NoSuchObject):
            continue
    await _established(cluster, kind, name)


def _other(name: str, whose: str) -> str:
    return f"the cluster has another definition {name}, {whose}: two versions of it cannot exist in one cluster"


def _within(wanted: object, present: object) -> bool:
    """Whether a value has everything that is wanted; the server adds defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(present, Mapping) and all(_within(value, present.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(present, list)
            and len(wanted) == len(present)
            and all(_within(one, other) for one, other in zip(wanted, present, strict=True))
        )
    return wanted == present


async def _established(cluster: Cluster, kind: Kind, name: str) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + SERVED
    while True:
        definition = await cluster.get(kind, name) or {}
        conditions = (definition.get("status") or {}).get("conditions") or ()
        states = {one["type"]: one for one in conditions}
        if states.get("Established", {}).get("status") == "True":
            return
        refused = states.get("NamesAccepted", {})
        if refused.get("status") == "False" and refused.get("reason") != "NotAccepted":
            raise StepFailed(f"{CRD} {name}: {refused.get('message')}")
        if clock() > end:
            raise StepFailed(f"{CRD} {name} is not established within {SERVED:g} s")
        await asyncio.sleep(PAUSE)
