"""What of a cluster's record is not a trial's own, with the signs of who did it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from seatrial.links.kubernetes.deploying.ownership import SERVICE, SHARED, TRIAL, USED_BY
from seatrial.model.frozen import frozen
from seatrial.spi import Blame, Context, Finding, OtherTrial
from seatrial.systems.kubernetes.contamination.recorder import CONTROLLERS, DEFINITION, NAMESPACE, Recorder, Seen, Write

RUN, PROJECT = "seatrial.run", "seatrial.project"

TOOLS = re.compile(
    r"kubectl|[Hh]elm|seatrial|kustomize|curl|python|OpenAPI-Generator|Mozilla|node-fetch|k9s|oc$|unknown"
)
"""Field managers that are programs of people: which person, they do not say."""

TRIAL_ID = re.compile(r"(?<![a-z0-9])t[0-9a-hjkmnp-tv-z]{23}(?![a-z0-9])")

GONE = 5.0
"""Seconds to see the end of the trial's own namespace."""

MADE = "created|serverside-applied|run"
CHANGED = (
    "configured|patched|edited|replaced|labeled|unlabeled|annotated|scaled|restarted|serverside-applied|"
    "(?:image|env|resource requirements) updated|autoscaled"
)


@frozen
class Own:
    """A trial's own names in a cluster."""

    namespaces: Sequence[str]
    objects: Sequence[Sequence[str]]
    """API version, kind, namespace and name of each."""
    kept: bool
    """Whether its resources still exist, kept or left behind: the report says so."""


class ClusterAuditor:
    """Of one trial."""

    before_sweep = False

    def __init__(self, recorder: Recorder, trial: str, since: float, own: Callable[[], Own]) -> None:
        self._recorder, self._trial, self._since, self._own = recorder, trial, since, own
        self._others: dict[str, OtherTrial] = {}

    async def findings(self, ctx: Context) -> Sequence[Finding]:
        """All that was made, changed or deleted since the trial began and is not its own."""
        recorder, own = self._recorder, self._own()
        if recorder.blind:
            ctx.log(f"nobody looks for contamination of the cluster {recorder.server}: {recorder.blind}")
            return ()
        await recorder.connected()
        if not own.kept:
            for namespace in own.namespaces:
                await recorder.gone(namespace, GONE)
        for kind, why in recorder.unseen.items():
            ctx.log(f"nobody looks for contamination of the kind {kind}: {why}", "debug")
        self._know_others()
        seen = sorted(recorder.seen.values(), key=lambda one: max(one.made, one.changed, one.deleted))
        return [finding for one in seen for finding in self._of(one, own)]

    def others(self) -> Sequence[OtherTrial]:
        return list(self._others.values())

    async def close(self) -> None:
        """The recorder is the run's."""

    def _know_others(self) -> None:
        recorder = self._recorder
        for metadata in [*recorder.namespaces.values(), *(one.metadata for one in recorder.seen.values())]:
            values = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
            if (trial := values.get(TRIAL)) and trial != self._trial:
                self._others.setdefault(
                    trial, OtherTrial(id=trial, run=values.get(RUN, ""), project=values.get(PROJECT, ""))
                )
            for mark, run in values.items():
                if mark.startswith(USED_BY) and (user := mark.removeprefix(USED_BY)) != self._trial:
                    self._others.setdefault(user, OtherTrial(id=user, run=run))

    # One object

    def _of(self, one: Seen, own: Own) -> Iterator[Finding]:
        owner = self._whose(one)
        named = (one.kind.api_version, one.kind.name, one.namespace, one.name)
        if owner == self._trial:
            left = one.made >= self._since and not one.deleted and not own.kept
            if left and list(named) not in [list(name) for name in own.objects] and one.namespace not in own.namespaces:
                yield self._finding(
                    one, "made", one.made, one.last, mark="this trial's id", blame=Blame.THIS,
                    evidence="it carries the id of this trial, is not in its ledger, and still exists",
                    advice="remove it in your own clean-up, or let the system apply it",
                )  # fmt: skip
        elif one.kind.name == DEFINITION and (one.made < self._since or SHARED in one.labels):
            yield from self._of_definition(one, own)
        elif owner:
            yield from self._of_another(one, owner)
        elif service := self._service_of(one):
            yield from self._of_service(one, service)
        elif not self._is_inside_a_new_namespace(one) and list(named) not in [list(name) for name in own.objects]:
            yield from self._of_nobody(one, own)

    def _of_definition(self, one: Seen, own: Own) -> Iterator[Finding]:
        all_users = _users(one.changed_as or one.metadata)
        users = [user for user in all_users if user != self._trial]
        alone = self._trial in all_users and not users
        mark = f"used by the trial {', '.join(users)}" if users else "no run's label"
        if one.changed >= self._since and not alone:
            yield from self._signed(
                one, "changed", one.changed, one.changed_by, mark=mark,
                advice="a definition is one for the whole cluster: install it once, or take turns (`exclusive`)",
            )  # fmt: skip
        if one.deleted >= self._since and (users or SHARED not in one.labels):
            yield from self._signed(
                one, "deleted", one.deleted, one.last, mark=mark, owner=self._other(users[0]) if users else None,
                advice="leave shared definitions to the last trial that needs them",
            )  # fmt: skip

    def _of_another(self, one: Seen, owner: str) -> Iterator[Finding]:
        """Of another trial: its own work, unless something shows that it was this one's. Operators of one kind have one
        field manager, whosever they are, so what a program in the cluster writes there counts as its own."""
        stamped = one.labels.get(TRIAL) == owner
        inside = self._trial_of_namespace(one.namespace) == owner
        mark = f"{'label' if stamped else 'in the namespace' if inside else 'id'} of the trial {owner}"
        if one.deleted >= self._since:
            yield from self._signed(
                one, "deleted", one.deleted, None, mark=mark, owner=self._other(owner), proven=True,
                companions=self._companions(one), words=_telling(one.labels),
                advice="select by the trial's own label, in its own namespace: `-l LABEL=$E2E_RUN_ID`",
            )  # fmt: skip
        elif one.made >= self._since and not stamped and _is_by_hand(one.last):
            yield from self._signed(one, "made", one.made, one.last, mark=mark, proven=True, words=(),
                               advice="apply it to the trial's own namespace, $E2E_TEST_NAMESPACE")  # fmt: skip
        elif one.changed >= self._since and _is_by_hand(one.changed_by):
            yield from self._signed(one, "changed", one.changed, one.changed_by, mark=mark, proven=True, words=(),
                               advice="change objects of the trial's own namespace alone")  # fmt: skip

    def _of_service(self, one: Seen, service: str) -> Iterator[Finding]:
        """Of a shared service, which has a keeper of its own."""
        mark, advice = f"label of the service {service}", "leave shared services as they are"
        if one.deleted >= self._since:
            yield from self._signed(one, "deleted", one.deleted, None, mark=mark, proven=True, words=(), advice=advice)
        elif one.changed >= self._since and _is_by_hand(one.changed_by):
            yield from self._signed(
                one, "changed", one.changed, one.changed_by, mark=mark, proven=True, words=(), advice=advice
            )

    def _of_nobody(self, one: Seen, own: Own) -> Iterator[Finding]:
        """Without any run's mark."""
        proven = bool(one.namespace)
        if (one.metadata.get("annotations") or {}).get("meta.helm.sh/release-namespace") in own.namespaces:
            return
        if one.made >= self._since:
            again = one.deleted >= self._since
            proven = proven and not (one.last and _is_by_hand(one.last))
            where = (
                "leave `namespace` out, and use $E2E_TEST_NAMESPACE"
                if one.namespace or one.kind.name == NAMESPACE
                else "put $E2E_RUN_ID into its name and labels, and remove it at the end"
            )
            yield from self._signed(
                one, "made", one.made, one.last, mark="no run's label", proven=proven, removed=again, advice=where
            )
        elif one.deleted >= self._since:
            yield from self._signed(one, "deleted", one.deleted, None, mark="no run's label", proven=proven,
                               advice="delete what the trial itself has made")  # fmt: skip
        elif one.changed >= self._since and not self._is_own_operator(one):
            yield from self._signed(one, "changed", one.changed, one.changed_by, mark="no run's label", proven=proven,
                               advice="change what the trial itself has made")  # fmt: skip

    # Signs

    def _signed(
        self, one: Seen, change: str, at: float, write: Write | None, *, mark: str, advice: str,
        owner: OtherTrial | None = None, proven: bool = False, removed: bool = False,
        companions: Sequence[tuple[str, float]] = (), words: Sequence[str] | None = None,
    ) -> Iterator[Finding]:  # fmt: skip
        if write is not None and self._is_of_others(write):
            return
        blame, evidence, by_hand = self._by_writer(write)
        if words is None:
            words = (one.name if not one.namespace or one.namespace == "default" else one.namespace,)
        yield self._finding(
            one, change, at, write, mark=mark, advice=advice, blame=blame, evidence=evidence, by_hand=by_hand,
            traces=self._traces(one, change), words=words, owner=owner, proven=proven, removed=removed,
            companions=companions,
        )  # fmt: skip

    def _finding(
        self, one: Seen, change: Any, at: float, write: Write | None, *, mark: str, removed: bool = False, **more: Any
    ) -> Finding:
        moment = f"at {_clock(at)}"
        by = f"{write.manager if write else 'somebody'} {moment}"
        by += f", removed again at {_clock(one.deleted)}," if removed else ""
        where = f"the cluster {self._recorder.server}"
        return Finding(what=str(one), change=change, where=where, mark=mark, by=by, at=at, **more)

    def _homes(self, write: Write) -> tuple[set[str], set[str]]:
        """The namespaces in which a field manager wrote, and the trials whose they are."""
        homes = {
            namespace for namespace, writers in self._recorder.writers.items() if namespace and write.manager in writers
        }
        return homes, {self._trial_of_namespace(namespace) for namespace in homes} - {""}

    def _is_of_others(self, write: Write) -> bool:
        """Whether the field manager works for other trials, and not for this one."""
        _, trials = self._homes(write)
        return not _is_by_hand(write) and bool(trials) and self._trial not in trials

    def _by_writer(self, write: Write | None) -> tuple[Blame, str, bool]:
        """The blame by the field manager, the evidence, and whether a command can have been it."""
        if write is None or _is_by_hand(write):
            return Blame.NOBODY, "", True
        homes, trials = self._homes(write)
        if trials == {self._trial}:
            return Blame.THIS, f"{write.manager} wrote objects of this trial too, and of no other", False
        if self._trial in trials:
            others = ", ".join(sorted(trials - {self._trial}))
            return Blame.PERHAPS, f"{write.manager} wrote objects of this trial and of {others}", False
        return Blame.NOBODY, "", not homes

    def _traces(self, one: Seen, change: str) -> tuple[str, ...]:
        """What kubectl prints for it. Its namespace is in the newer form of a deletion only, so the rest says nothing
        where this trial has an object of that kind and name itself."""
        resource = re.escape(f"{one.kind.name.lower()}.{one.kind.group}" if one.kind.group else one.kind.name.lower())
        name = re.escape(one.name)
        exact = rf'^{resource} "{name}" (?:force )?deleted from {re.escape(one.namespace)} namespace'
        deleted = (exact,) if one.namespace else ()
        if self._has_namesake(one):
            return deleted if change == "deleted" else ()
        if change == "deleted":
            return (*deleted, rf'^{resource} "{name}" (?:force )?deleted$')
        return (rf"^{resource}/{name} (?:{MADE if change == 'made' else CHANGED})\b",)

    def _has_namesake(self, one: Seen) -> bool:
        return any(
            other is not one and (other.kind, other.name) == (one.kind, one.name) and self._whose(other) == self._trial
            for other in self._recorder.seen.values()
        )

    def _companions(self, one: Seen) -> list[tuple[str, float]]:
        """Objects of this trial with a label in common that were deleted too."""
        found = []
        for other in self._recorder.seen.values():
            if other.kind != one.kind or other.labels.get(TRIAL) != self._trial or not other.deleted:
                continue
            common = set(_telling(one.labels)) & set(_telling(other.labels))
            if common:
                found.append((f"{other}, which has {min(common)} too,", other.deleted))
        return found

    # Whose

    def _whose(self, one: Seen) -> str:
        """The trial by its label, by an id anywhere in its metadata, or by its namespace; empty: none."""
        if trial := one.labels.get(TRIAL):
            return str(trial)
        return _id_in(one.metadata, self._trial) or self._trial_of_namespace(one.namespace)

    def _trial_of_namespace(self, name: str) -> str:
        metadata = self._recorder.namespaces.get(name)
        if metadata is None:
            return ""
        return str((metadata.get("labels") or {}).get(TRIAL) or "") or _id_in(metadata, self._trial)

    def _service_of(self, one: Seen) -> str:
        """The shared service by the object's label, or by that of its namespace."""
        namespace = self._recorder.namespaces.get(one.namespace) or {}
        return str(one.labels.get(SERVICE) or (namespace.get("labels") or {}).get(SERVICE) or "")

    def _is_inside_a_new_namespace(self, one: Seen) -> bool:
        """Then the namespace itself is the finding."""
        return bool(one.namespace) and any(
            other.kind.name == NAMESPACE and other.name == one.namespace and other.made >= self._since
            for other in self._recorder.seen.values()
        )

    def _is_own_operator(self, one: Seen) -> bool:
        """Whether a controller only cares for what it always did, such as the certificate of its webhook."""
        return one.changed_by is not None and one.changed_by.manager in CONTROLLERS

    def _other(self, trial: str) -> OtherTrial:
        return self._others.get(trial) or OtherTrial(id=trial, run="")


def _is_by_hand(write: Write | None) -> bool:
    """Whether a person's program may have written it, and not one in the cluster."""
    return write is None or TOOLS.match(write.manager) is not None


def _id_in(metadata: Mapping[str, Any], first: str) -> str:
    """A trial's id in a name, a label or an annotation; `first` before any other."""
    texts = [str(metadata["name"]), *map(str, (metadata.get("labels") or {}).values()),
             *(str(value) for key, value in (metadata.get("annotations") or {}).items() if "last-applied" not in key),
             *(metadata.get("labels") or {})]  # fmt: skip
    ids = [match[0] for text in texts for match in TRIAL_ID.finditer(text)]
    return first if any(first in text for text in texts) else next(iter(ids), "")


def _users(metadata: Mapping[str, Any]) -> list[str]:
    """The trials that use a definition."""
    return [mark.removeprefix(USED_BY) for mark in metadata.get("annotations") or () if mark.startswith(USED_BY)]


def _telling(labels: Mapping[str, str]) -> list[str]:
    """The labels of the product, as a selector has them."""
    return [f"{key}={value}" for key, value in labels.items() if not key.startswith("seatrial.")]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
