"""Faults for a test to plant: `server.plant(Fails("deploy.yml"))`. Each class documents its effect.

`workflow` is the name of a workflow's file, empty for any. `times` is the number of times it happens, None for always;
a used-up plant has no further effect. The result of `server.plant` has `happened` and `remove()`.

======================  ===============================================================================================
runs                    `Fails`, `TimesOut`, `CancelledBySomebody`, `QueuedForEver`, `RunsForEver`
artifacts               `ArtifactMissing`, `ArtifactEmpty`, `ArtifactTwice`, `ArtifactNotJson`, `ArtifactWithPaths`,
                        `ArtifactHuge`, `ArtifactBomb`, `ArtifactExpired`, `ArtifactCutOff`
answers                 `Answers`, `ServerErrors`, `RateLimited`, `SecondaryLimit`, `Slow`, `HangsUp`, `Quota`
visibility              `LateRuns`, `LateRefs`
others                  `ForeignRuns`
======================  ===============================================================================================

`server.add_token(login, permissions={"actions": "read"})` makes a token without rights.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Fails:
    """A step of the run fails (by default the last step of the last job), and the run with it."""

    workflow: str = ""
    job: str = ""
    step: str = ""
    message: str = "Process completed with exit code 1."
    times: int | None = None


@dataclass(frozen=True, slots=True)
class TimesOut:
    """The run ends as `timed_out`."""

    workflow: str = ""
    job: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class CancelledBySomebody:
    """Another user cancels the run, `after` seconds after its start."""

    workflow: str = ""
    after: float = 0.0
    by: str = "somebody"
    times: int | None = None


@dataclass(frozen=True, slots=True)
class QueuedForEver:
    """No machine takes the run; it is `queued` until it is cancelled."""

    workflow: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class RunsForEver:
    """The run's first step never ends; it is `in_progress` until it is cancelled."""

    workflow: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactMissing:
    """The artifact is missing, although the run passes."""

    name: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactEmpty:
    """The archive holds no file; with `archive=False`, zero bytes replace the archive."""

    name: str = ""
    archive: bool = True
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactTwice:
    """The run has two of this name; the second holds files with `other` in them."""

    name: str = ""
    other: str = "{}"
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactNotJson:
    """Every file in it holds this text instead."""

    name: str = ""
    text: str = "web_ip: {not json"
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactWithPaths:
    """The archive also has these names, all outside its folder."""

    name: str = ""
    paths: tuple[str, ...] = ("../evil.json", "../../evil.json", "/tmp/evil.json", "..\\evil.json")
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactHuge:
    """It has `size` bytes, generated while sent. Not `honest`: the API says 1000, and no length is sent."""

    name: str = ""
    size: int = 5 * 1024**3
    honest: bool = True
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactBomb:
    """A small archive with one file; it unpacks to `size` bytes."""

    name: str = ""
    size: int = 1024**3
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactExpired:
    """It is listed as expired; its download is answered 410."""

    name: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactCutOff:
    """The connection ends after `after` bytes of the download."""

    name: str = ""
    after: int = 20
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Requests are answered with this status instead of their own answer.

    `path` is a regular expression, searched for in the path (without `/api/v3`); `method` is the method; empty for any.
    The first `skip` requests pass. It ends after `times` requests, or `seconds` after the first one. `after_effect`:
    the server carries out the request before it answers so.
    """

    status: int
    path: str = ""
    method: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    seconds: float | None = None
    skip: int = 0
    after_effect: bool = False


def ServerErrors(  # noqa: N802 - reads like the others
    path: str = "", *, method: str = "", status: int = 500, times: int | None = None, seconds: float | None = None,
    skip: int = 0, after_effect: bool = False,
) -> Answers:  # fmt: skip
    """500 (or 502, 503) for a while."""
    return Answers(status, path, method, "Server Error", {}, times, seconds, skip, after_effect)


def RateLimited(  # noqa: N802
    path: str = "", *, method: str = "", times: int | None = 1, reset_in: float = 1.0, skip: int = 0
) -> Answers:
    """The hour's requests are used up: 403, none remaining, and the time of the reset."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"+{reset_in}"}
    return Answers(403, path, method, "API rate limit exceeded for user ID 1.", headers, times, None, skip)


def SecondaryLimit(  # noqa: N802
    path: str = "", *, method: str = "", status: Literal[403, 429] = 429, retry_after: int | None = 1,
    times: int | None = 1, skip: int = 0,
) -> Answers:  # fmt: skip
    """Too many requests at a time: 403 or 429, with `Retry-After` (None: without it)."""
    said = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Answers(status, path, method, said, headers, times, None, skip)


@dataclass(frozen=True, slots=True)
class Slow:
    """Answers come `seconds` later."""

    seconds: float
    path: str = ""
    method: str = ""
    times: int | None = None
    skip: int = 0


@dataclass(frozen=True, slots=True)
class HangsUp:
    """The connection is closed without an answer; `after_effect`: after the request has been carried out."""

    path: str = ""
    method: str = ""
    times: int | None = 1
    skip: int = 0
    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """Every token has `remaining` requests left, until `reset_in` seconds from now."""

    remaining: int
    reset_in: float


@dataclass(frozen=True, slots=True)
class LateRuns:
    """A run is missing from lists for `looks` looks and `seconds`; `by_id`: its number does not find it either."""

    looks: int = 0
    seconds: float = 0.0
    by_id: bool = False
    times: int | None = None


@dataclass(frozen=True, slots=True)
class LateRefs:
    """A ref changed from now on keeps its old value for `looks` looks at the refs and `seconds`."""

    looks: int = 0
    seconds: float = 0.0
    times: int | None = None


@dataclass(frozen=True, slots=True)
class ForeignRuns:
    """Whenever somebody dispatches a workflow, others dispatch it too, at the same ref, just before and after."""

    before: int = 1
    after: int = 1
    workflow: str = ""
    actor: str = "somebody"
    """`same`: the same user."""
    inputs: Mapping[str, object] = field(default_factory=dict)
    times: int | None = None


OnRuns: TypeAlias = Fails | TimesOut | CancelledBySomebody | QueuedForEver | RunsForEver
OnArtifacts: TypeAlias = (
    ArtifactMissing
    | ArtifactEmpty
    | ArtifactTwice
    | ArtifactNotJson
    | ArtifactWithPaths
    | ArtifactHuge
    | ArtifactBomb
    | ArtifactExpired
    | ArtifactCutOff
)
OnAnswers: TypeAlias = Answers | Slow | HangsUp
Plant: TypeAlias = OnRuns | OnArtifacts | OnAnswers | Quota | LateRuns | LateRefs | ForeignRuns


class Planted:
    """A planted fault: how often it happened, and a way to remove it."""

    def __init__(self, plant: Plant, bed: list[Planted]) -> None:
        self.plant = plant
        self.happened = 0
        self._bed = bed
        self._met = 0
        self._first: float | None = None
        self._lock = threading.Lock()

    def remove(self) -> None:
        """Remove the fault."""
        if self in self._bed:
            self._bed.remove(self)

    def happens(self) -> bool:
        """Whether it happens now; counts the request."""
        with self._lock:
            self._met += 1
            if self._met <= getattr(self.plant, "skip", 0):
                return False
            times = getattr(self.plant, "times", None)
            if times is not None and self.happened >= times:
                return False
            lasts = getattr(self.plant, "seconds", None) if isinstance(self.plant, Answers) else None
            if lasts is not None:
                self._first = self._first if self._first is not None else time.monotonic()
                if time.monotonic() - self._first > lasts:
                    return False
            self.happened += 1
            return True


def meets(plant: OnAnswers, method: str, path: str) -> bool:
    """Whether the plant applies to a request."""
    return plant.method.upper() in ("", method) and re.search(plant.path, path) is not None
