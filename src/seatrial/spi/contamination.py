"""What a trial did to shared infrastructure beside its own resources: found by auditors at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from seatrial.model.frozen import frozen

if TYPE_CHECKING:
    from seatrial.spi.context import Context


class Blame(StrEnum):
    """Whether this trial did it."""

    THIS = "this"
    """It did: something proves it."""
    PERHAPS = "perhaps"
    """It may have, as others may."""
    NOBODY = "nobody"
    """Nothing points to this trial."""


@frozen
class OtherTrial:
    """A trial of any run that is known by its marks on shared infrastructure."""

    id: str
    """Its id."""
    run: str
    """The id of its run."""
    project: str = ""
    """The folder of its project; empty: unknown."""


@frozen
class Finding:
    """One thing on shared infrastructure that is not as the ledger has it."""

    what: str
    """Its kind and name: `ClusterRole shop-reader`, `ConfigMap shop/settings`."""
    change: Literal["made", "changed", "deleted", "unlabelled"]
    """What happened to it."""
    where: str
    """The server: `cluster https://…`."""
    mark: str
    """Whose it is: `no run's label`, `label of trial X`."""
    by: str = ""
    """Who wrote it, where the server says so: `kubectl-create at 12:00:03Z`."""
    at: float = 0.0
    """When, in seconds since 1970; 0: unknown."""
    blame: Blame = Blame.NOBODY
    """The auditor's own answer; the engine knows more: the output of trials, their commands, their ledgers."""
    evidence: str = ""
    """The reason for the blame."""
    advice: str = ""
    """What to do."""
    traces: Sequence[str] = ()
    """Regular expressions; one that matches in the output of a trial proves that the trial did it."""
    words: Sequence[str] = ()
    """Names; a command in the document of a trial with one of them shows that the trial uses it."""
    by_hand: bool = True
    """Whether a command can have done it, as far as the server says; else a program in the cluster did."""
    proven: bool = False
    """Whether it counts only with a proof: without one it is other people's everyday work."""
    owner: OtherTrial | None = None
    """The other trial whose it is: until that trial removes it, nobody else may."""
    companions: Sequence[tuple[str, float]] = ()
    """This trial's own objects that were deleted with it, each in words with its time: one selector had all of them."""


def line_of(row: Mapping[str, Any]) -> str:
    """A finding, or its row in a report, in one line."""
    by = f" by {row['by']}" if row["by"] else ""
    if row["change"] == "unlabelled":
        return f"{row['what']}, scraped{by.replace(' by ', ' from ', 1)}, has {row['mark']} in {row['where']}"
    return f"{row['what']} was {row['change']}{by} in {row['where']} ({row['mark']})"


def blame_of(row: Mapping[str, Any]) -> str:
    """Who did it and how that is known, and what to do."""
    who = {"this": "this trial", "perhaps": "perhaps this trial"}.get(str(row["blame"]), "nothing points to this trial")
    why = f"{', ' if row['blame'] == Blame.NOBODY else ': '}{row['evidence']}" if row["evidence"] else ""
    return "; ".join(filter(None, (f"{who}{why}", row["advice"])))


@runtime_checkable
class Auditor(Protocol):
    """Compares a shared server with the ledger. It has connections of its own."""

    before_sweep: bool
    """Whether to ask it before the resources of the trial are removed; else after that."""

    async def findings(self, ctx: Context) -> Sequence[Finding]:
        """Everything that does not belong to this trial's own resources, or carries no mark; CannotTell if the server
        does not answer."""

    def others(self) -> Sequence[OtherTrial]:
        """The other trials whose marks it saw."""

    async def close(self) -> None:
        """End its connections; called once, in any case."""
