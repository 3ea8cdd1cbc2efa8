"""The removal of objects, releases, definitions and namespaces by the ledger's record alone, also after SIGKILL.

An object that does not carry the trial's label is somebody else's and stays, whatever its name is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from seatrial.errors import LeftBehind
from seatrial.links.kubernetes import Cluster, Conflict, Kind, MissingRight, NoSuchKind, NoSuchObject, Object
from seatrial.links.kubernetes.cluster import Propagation
from seatrial.links.kubernetes.deploying import claims, helm
from seatrial.links.kubernetes.deploying.access import again
from seatrial.links.kubernetes.deploying.applying import CRD
from seatrial.links.kubernetes.deploying.ownership import (
    HANDED_TO,
    RUN,
    SHARED,
    USED_BY,
    belongs,
    handed,
    marks,
    owner_of,
)
from seatrial.model.resource import Resource
from seatrial.spi.concurrency import map_concurrently

NAMESPACE, OBJECTS, RELEASE, DEFINITION = "namespace", "objects", "release", "definition"
"""The kinds of entries in the ledger."""
ORDER = (RELEASE, OBJECTS, DEFINITION, NAMESPACE)
"""In the order of their removal."""

AT_ONCE = 8
PAUSE = 0.2
SHOWN = 5
"""Objects named in the message about a deletion that waits."""

Named = Sequence[str]
"""API version, kind, namespace and name of an object."""
Ours = Callable[[Object], bool]


async def give_back(resource: Resource) -> None:
    """Remove it; already gone is success. LeftBehind names what does not go, and what it waits for."""
    detail: Mapping[str, Any] = resource.detail
    clock = asyncio.get_running_loop().time
    end = clock() + float(detail["wait"])
    async with again(detail["place"]) as cluster:
        removal = Removal(cluster, resource.trial, end, resource.run)
        if resource.kind == RELEASE:
            await helm.uninstall(detail, resource.trial, max(end - clock(), 1.0))
            release = (detail["release"], detail["namespace"])
            await removal.objects(detail["objects"], lambda thing: helm.is_part(thing, *release))
            await removal.objects(detail["hooks"], lambda thing: helm.is_hook(thing, detail["since"]))
            await removal.claims(detail.get("claims", ()))
        elif resource.kind == DEFINITION:
            await removal.definition(detail["name"], detail["namespaces"])
        elif resource.kind == NAMESPACE:
            await removal.namespace(detail["name"])
        else:
            await removal.objects(detail["objects"], lambda thing: belongs(thing, resource.trial))
            await removal.claims(detail.get("claims", ()))


class Removal:
    """Deletes objects of one trial, and waits for their end until a moment of the loop's clock."""

    def __init__(self, cluster: Cluster, trial: str, end: float, run: str = "") -> None:
        self._cluster, self._trial, self._end, self._run = cluster, trial, end, run

    async def objects(self, names: Sequence[Named], ours: Ours) -> None:
        """Delete those of these objects that the trial made, the newest first: those of defined kinds before the rest,
        while their controllers still run."""
        newest_first = list(names)[::-1]
        stages = [[name for name in newest_first if _is_defined(name) is first] for first in (True, False)]
        for stage in stages:
            asked = await map_concurrently(lambda name: self._delete(name, ours), stage, most=AT_ONCE)
            await self._until_gone([one for one in asked if one is not None])

    async def claims(self, expected: Sequence[Mapping[str, Any]]) -> None:
        """Delete the claims of volumes that StatefulSets of the trial left behind."""
        for one in expected:
            kind, found = await self._cluster.kind(claims.KIND), await claims.made(self._cluster, one)
            for thing in found:
                metadata = thing["metadata"]
                await self._cluster.delete(kind, metadata["name"], metadata["namespace"], uid=metadata["uid"])
            await self._until_gone([(kind, thing) for thing in found])

    async def definition(self, name: str, namespaces: Sequence[str]) -> None:
        """Take the trial's mark from a definition; delete it if nobody else needs it. Where the trial is the last user,
        and others have objects in their own namespaces, those become users: the last of them deletes it."""
        kind = await self._cluster.kind(CRD)
        while (present := await self._cluster.get(kind, name)) is not None:
            if self._trial not in marks(present):
                return
            users = [user for user in marks(present) if user != self._trial and await self._uses(present, user)]
            if users:
                if await self._annotate(kind, present, dict.fromkeys(_marks_of(self._trial))):
                    return
                continue
            instances = await self._instances(present, namespaces)
            owned = await self._owned_namespaces(instances)
            if strangers := [thing for thing in instances if _where(thing) not in owned]:
                raise LeftBehind(f"the definition {name} stays: {self._holders(name, strangers)}")
            if heirs := [one for one in owned.values() if owner_of(one) != self._trial]:
                await self._annotate(kind, present, _handing(heirs))
                continue  # whether they still exist is seen after the mark is there
            if await self._delete_unchanged(kind, present):
                await self._until_gone([(kind, present)])
                return

    async def _delete_unchanged(self, kind: Kind, thing: Object) -> bool:
        """Delete it, unless somebody has changed it meanwhile."""
        metadata = thing["metadata"]
        unchanged = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": unchanged}
        name = metadata["name"]
        try:
            await self._cluster.ask("DELETE", kind.path("", name), f"delete {kind} {name}", body=options)
        except Conflict:
            return False
        except NoSuchObject:
            pass
        return True

    async def _annotate(self, kind: Kind, thing: Object, annotations: Mapping[str, str | None]) -> bool:
        """Change annotations, unless somebody has changed the object meanwhile."""
        metadata = thing["metadata"]
        change = {"metadata": {"annotations": annotations, "resourceVersion": metadata["resourceVersion"]}}
        try:
            await self._cluster.patch(kind, metadata["name"], change)
        except (Conflict, NoSuchObject):
            return False
        return True

    async def _uses(self, definition: Object, user: str) -> bool:
        """Whether a user will release a definition: one to which it was handed over does so after the end of its
        namespace."""
        namespace, _, uid = handed(definition, user).partition("/")
        if not namespace:
            return True
        present = await self._cluster.get(await self._cluster.kind("v1/Namespace"), namespace)
        return present is not None and present["metadata"]["uid"] == uid

    async def _owned_namespaces(self, instances: Sequence[Object]) -> dict[str, Object]:
        """The namespaces of trials and of shared services in which these objects are, by name."""
        kind = await self._cluster.kind("v1/Namespace")
        owned: dict[str, Object] = {}
        for name in sorted({namespace for thing in instances if (namespace := _where(thing))}):
            with suppress(MissingRight):
                present = await self._cluster.get(kind, name)
                if present is not None and owner_of(present):
                    owned[name] = present
        return owned

    def _holders(self, name: str, strangers: Sequence[Object]) -> str:
        """Whose objects hold a definition, and what removes it when they are gone."""
        nobodys = [_shown(name, thing) for thing in strangers if not owner_of(thing)]
        parts = [f"no trial of Seatrial made {', '.join(nobodys[:SHOWN])}"] if nobodys else []
        parts += [f"{owner_of(thing)} made {_shown(name, thing)}" for thing in strangers if owner_of(thing)][:SHOWN]
        run = f" {self._run}" if self._run else ""
        return f"{'; '.join(parts)}; when they are gone, `seatrial clean{run}` removes it"

    async def _inherited(self) -> None:
        """Release the definitions that others handed over to this trial."""
        kind = await self._cluster.kind(CRD)
        try:
            listed = await self._cluster.list(kind, "", labels=f"{SHARED}=true", metadata=True)
        except MissingRight:
            return
        for definition in listed.objects:
            if handed(definition, self._trial):
                await self.definition(definition["metadata"]["name"], ())

    async def _instances(self, definition: Object, namespaces: Sequence[str]) -> list[Object]:
        """The objects of a defined kind that are not this trial's."""
        spec = definition["spec"]
        version = next(one["name"] for one in spec["versions"] if one.get("served"))
        try:
            kind = await self._cluster.kind(f"{spec['group']}/{version}/{spec['names']['kind']}")
            found = await self._cluster.list(kind, "")
        except NoSuchKind:
            return []
        return [
            thing
            for thing in found.objects
            if not belongs(thing, self._trial) and thing["metadata"].get("namespace") not in namespaces
        ]

    async def namespace(self, name: str) -> None:
        """Delete a namespace with all that is in it, if it is the trial's."""
        kind = await self._cluster.kind("v1/Namespace")
        present = await self._cluster.get(kind, name)
        if present is None or not belongs(present, self._trial):
            await self._inherited()
            return
        await self._cluster.delete(kind, name, uid=present["metadata"]["uid"])

        async def reason(last: Object) -> str:
            held = await self._held(name)
            if not held:
                conditions = (last.get("status") or {}).get("conditions") or ()
                held = [str(one["message"]) for one in conditions if one.get("status") == "True"]
            return f"the namespace {name} does not end: {'; '.join(held[:SHOWN]) or 'no reason is known'}"

        await self._gone(kind, present, reason)
        await self._inherited()

    async def _held(self, namespace: str) -> list[str]:
        """What is still in a namespace, with the finalizers that hold it."""
        kinds = [kind for kind in await self._cluster.kinds() if kind.namespaced and "list" in kind.verbs]

        async def held(kind: Kind) -> list[str]:
            try:
                objects = (await self._cluster.list(kind, namespace)).objects
            except (NoSuchKind, MissingRight):
                return []
            return [_why(kind, thing) for thing in objects if kind.name != "Event"]

        # One object may be listed under two versions of its API.
        found = await map_concurrently(held, kinds, most=AT_ONCE)
        return list(
            dict.fromkeys(sorted((why for some in found for why in some), key=lambda why: "finalizer" not in why))
        )

    async def _delete(self, name: Named, ours: Ours) -> tuple[Kind, Object] | None:
        api_version, kind_name, namespace, own_name = name
        try:
            kind = await self._cluster.kind_of({"apiVersion": api_version, "kind": kind_name})
            present = await self._cluster.get(kind, own_name, namespace)
        except NoSuchKind:
            return None  # its definition is gone, and so are all of its kind
        if present is None or not ours(present):
            return None
        uid = present["metadata"]["uid"]
        try:
            # In the foreground it stays until what it made is gone too. The garbage collector learns of a new kind
            # late, and would hold its objects as long.
            propagation: Propagation = "Background" if _is_defined(name) else "Foreground"
            await self._cluster.delete(kind, own_name, namespace, propagation=propagation, uid=uid)
        except Conflict:
            return None  # another object of its name
        return kind, present

    async def _until_gone(self, asked: Sequence[tuple[Kind, Object]]) -> None:
        async def one(pair: tuple[Kind, Object]) -> None:
            kind, thing = pair

            async def reason(last: Object) -> str:
                return f"{_why(kind, last)} does not end"

            await self._gone(kind, thing, reason)

        await map_concurrently(one, asked, most=AT_ONCE)

    async def _gone(self, kind: Kind, thing: Object, reason: Callable[[Object], Awaitable[str]]) -> None:
        """Return when this very object is gone."""
        metadata, clock = thing["metadata"], asyncio.get_running_loop().time
        while True:
            try:
                present = await self._cluster.get(kind, metadata["name"], str(metadata.get("namespace") or ""))
            except NoSuchKind:
                return
            if present is None or present["metadata"]["uid"] != metadata["uid"]:
                return
            if clock() > self._end:
                raise LeftBehind(await reason(present))
            await asyncio.sleep(PAUSE)


def _is_defined(name: Named) -> bool:
    """Whether an object is of a kind that a definition adds: their groups have a domain that is not Kubernetes' own."""
    group = name[0].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def _where(thing: Object) -> str:
    return str(thing["metadata"].get("namespace") or "")


def _marks_of(trial: str) -> tuple[str, str]:
    return f"{USED_BY}{trial}", f"{HANDED_TO}{trial}"


def _handing(namespaces: Iterable[Object]) -> dict[str, str | None]:
    """The marks by which the owners of these namespaces become users of a definition."""
    made: dict[str, str | None] = {}
    for namespace in namespaces:
        metadata = namespace["metadata"]
        known = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
        used_by, handed_to = _marks_of(owner_of(namespace))
        made |= {used_by: str(known.get(RUN) or ""), handed_to: f"{metadata['name']}/{metadata['uid']}"}
    return made


def _shown(kind: Kind | str, thing: Object) -> str:
    metadata = thing["metadata"]
    namespace = metadata.get("namespace")
    return f"{kind} {f'{namespace}/' if namespace else ''}{metadata['name']}"


def _why(kind: Kind, thing: Object) -> str:
    """An object with what its deletion waits for."""
    metadata = thing["metadata"]
    holds = [one for one in metadata.get("finalizers") or () if one not in ("foregroundDeletion", "orphan")]
    if holds:
        return f"{_shown(kind, thing)} (it waits for its finalizer {', '.join(holds)})"
    if "foregroundDeletion" in (metadata.get("finalizers") or ()):
        return f"{_shown(kind, thing)} (it waits for what it owns)"
    return _shown(kind, thing)
