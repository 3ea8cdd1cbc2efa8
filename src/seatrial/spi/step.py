"""A step does one thing; each optional hook is a small protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from seatrial.model.frozen import frozen
from seatrial.model.resource import Resource
from seatrial.model.scenario import Outputs
from seatrial.spi.provider import Powers
from seatrial.spi.system import Need

if TYPE_CHECKING:
    from seatrial.spi.context import Context


@runtime_checkable
class Step(Protocol):
    """One thing done: a frozen dataclass. Its fields are its keys in a document."""

    async def run(self, ctx: Context) -> Outputs | None:
        """Do it; StepFailed when the product did wrong. Any other exception means unknown."""


@runtime_checkable
class NeedsPowers(Protocol):
    """A step that needs powers over nodes: `seatrial check` refuses it if neither provider nor system has them."""

    def needs_powers(self) -> Iterable[Powers]:
        """The powers it needs with these fields."""


@runtime_checkable
class NeedsPowersInGuest(Protocol):
    """A step with other needs in a suite under `power: guest`."""

    def needs_powers_in_guest(self) -> Iterable[Powers]:
        """The powers it needs there, in place of `needs_powers`."""


@runtime_checkable
class NamesNodes(Protocol):
    """A step or check with node names in a field of its own: `seatrial check` refuses unknown names.

    Without it, the fields `node`, `nodes`, `target_node` and `target_nodes` count.
    """

    def node_names(self) -> Iterable[str]:
        """Its selectors."""


@runtime_checkable
class ChecksFields(Protocol):
    """A step, a check or a part of one, with rules across its fields."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """The problems, each as a key (empty: the whole) and a message."""


@runtime_checkable
class ChecksSystem(Protocol):
    """A check that not every system can answer: `seatrial check` refuses what its suite's system never measures."""

    def check_system(self, system: type[Any], settings: Any) -> Iterable[tuple[str, str]]:
        """The problems with this class of a system and its settings, each as a message and a hint."""


@runtime_checkable
class RestsOn(Protocol):
    """A step or check that needs something of the system: `seatrial check` refuses it where the system has a gap there,
    unless it may fail."""

    def rests_on(self) -> Collection[Need]:
        """What it needs with these fields."""


@runtime_checkable
class ChecksFiles(Protocol):
    """A step with rules about files on this machine."""

    def check_files(self, folder: Path) -> Iterable[tuple[str, str]]:
        """The problems, each as a key (empty: the whole) and a message; `folder` is the document's."""


@runtime_checkable
class ChecksTemplates(Protocol):
    """The same for a step with `${{ }}` in some of its fields."""

    @classmethod
    def check_templates(cls, fields: Mapping[str, Any], folder: Path) -> Iterable[tuple[str, str]]:
        """The problems, as for `check_files`; `fields` are as written."""


@runtime_checkable
class ShowsMade(Protocol):
    """A step that made resources of its own (`ctx.make` with the owner `step:<its name>`) and can show their state."""

    async def show(self, resource: Resource) -> str:
        """The state of one, without secrets, by the ledger's record alone (called on a bare instance). The lines before
        the first empty one are a summary, which `seatrial inspect` shows."""


@frozen
class StepTraits:
    """Class attributes of a step, each with its default."""

    expression_names: tuple[str, ...] = ()
    """Names for the expressions in its own fields, besides the usual ones."""
    child_names: tuple[str, ...] = ()
    """Names for the expressions in its child steps, besides the usual ones."""
    decides: bool = True
    """A pass of it is a measurement, and a suite without any does not pass."""
    sets_variables: bool = False
    """Its outputs become `${{ vars.NAME }}` for the steps after it. The loader takes their names from its key `values`.
    """
