"""What a cloud vendor's folder implements: a small protocol, the values that it gives, and its refusals.

A vendor's folder has four small parts: settings (a subclass of `CloudSettings`), a `Cloud` over the vendor's SDK, the
SDK's exceptions told as the refusals below, and a provider class of a few lines (a subclass of `CloudProvider`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol, runtime_checkable

from seatrial.errors import CannotTell, nearest
from seatrial.model.cluster import PowerState
from seatrial.model.frozen import frozen


class CloudRefused(CannotTell):
    """The cloud answered with an error: its code and its words."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NoSuchThing(CloudRefused):
    """The requested object does not exist."""


class Denied(CloudRefused):
    """The account, or a right of it, is missing: such an answer says nothing about what exists."""


class NoRoom(CloudRefused):
    """The cloud has no capacity, or a quota of the account is reached."""


class Throttled(CloudRefused):
    """The cloud did nothing and wants the call again later."""

    def __init__(self, message: str, *, code: str = "", after: float = 0.0) -> None:
        super().__init__(message, code=code)
        self.after = after
        """The vendor's own `Retry-After` in seconds; 0: it said nothing."""


class NoAnswer(CannotTell):
    """No answer, or none of the cloud itself: the call may have had its effect."""


@frozen
class Machine:
    """A machine as the cloud lists it."""

    id: str
    name: str
    power: PowerState
    """RUNNING while anything in it may still run; STOPPED when nothing does; UNKNOWN for an unlisted word."""
    word: str
    """The vendor's own word for the state, with its reason where it gives one."""
    gone: bool = False
    """Deleted, or being deleted: the vendor forgets it by itself."""
    busy: bool = False
    """Between two states: other changes may be refused now."""
    private: str = ""
    """Its private address; empty: none."""
    public: str = ""
    """Its public address; empty: none."""
    others: tuple[str, ...] = ()
    """Further addresses, for recognition alone."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """As the vendor writes them."""
    refuses: str = ""
    """Why the cloud's powers do not mean for this machine what they mean for others: a spot instance, a hibernated one;
    every power over it is refused with this reason."""

    @property
    def addresses(self) -> frozenset[str]:
        """All its addresses."""
        return frozenset(filter(None, (self.private, self.public, *self.others)))


def addresses(private: Iterable[object], public: Iterable[object]) -> dict[str, Any]:
    """The fields of a machine with all these addresses; empty ones do not count."""
    inner, outer = ([str(address) for address in given if address] for given in (private, public))
    others = (*inner[1:], *outer[1:])
    return {"private": next(iter(inner), ""), "public": next(iter(outer), ""), "others": others}


@frozen
class Part:
    """A resource beside machines: a disk, address, key, network, firewall or resource group."""

    kind: str
    """The vendor's word for it in lower case: `firewall`, `key`, `disk`, `resource group`."""
    name: str
    """Begins with `seatrial-`, and with the trial's id then."""
    id: str = ""
    """The vendor's identifier; empty: its name is enough."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """As the vendor writes them; those that it cannot tag are known by their names alone."""


@frozen
class Order:
    """A machine to be made."""

    name: str
    """Unique in the trial, and its host name: `seatrial-TRIAL-NODE`."""
    trial_name: str
    """The prefix of the names of the trial's own parts: `seatrial-TRIAL`."""
    token: str
    """The same for a repeated request of one machine, and for no other: the client token, where the vendor has one."""
    image: str
    size: str
    user_data: str
    """For cloud-init: the user, the trial's key, and the host key."""
    public_key: str
    """The public half of the trial's key, for vendors with keys of their own."""
    root_gib: int = 0
    """0: as the image is."""
    data_gib: tuple[int, ...] = ()
    """Of each data disk."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """As the vendor writes them, with run, trial, node, project and expiry: on machine, disks and addresses."""


@frozen
class Account:
    """What `doctor` reports of an account."""

    found: str
    """Where the credentials come from: `the profile shop of ~/.aws/config`."""
    whose: str
    """The account and the user, as the vendor says it."""
    missing_rights: tuple[str, ...] = ()
    """Rights that the vendor denies, one by one, in its own words."""
    missing: tuple[str, ...] = ()
    """Images, sizes and networks of the settings that do not exist, each with the existing ones."""
    quota: str = ""
    """What is left, in words; empty: the vendor does not say."""


def absent(what: str, value: str, names: Collection[str], ids: Collection[str] = ()) -> tuple[str, ...]:
    """For `Account.missing`: a setting whose value is none of the existing names and identifiers; an empty one is the
    vendor's choice."""
    there = not value or value in names or value in ids
    return () if there else (f"{what} {value!r} does not exist: {nearest(value, names)}",)


class Cloud(Protocol):
    """One account in one region (or project, zone). Every method either returns an answer of the vendor or raises one
    of the refusals of this module. A change returns when the vendor's operation ended well, or at once where the
    machine's state tells about it: the provider waits for the state."""

    place: Mapping[str, str]
    """What an object's existence depends on: `account`, `region`, `project`. The ledger keeps it; an object of another
    place is never said to be gone."""

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        """All machines, page by page; only those with these tags (an empty value: with this key), or these identifiers.
        One of `ids` without a machine is left out."""

    async def create(self, order: Order) -> str:
        """Ask for a machine with its disks and tags; returns its identifier. Sent once, or with the client token."""

    async def start(self, id: str) -> None:
        """Power on."""

    async def stop(self, id: str) -> None:
        """Orderly power-off: the guest may shut down."""

    async def crash(self, id: str) -> None:
        """Cut the power: the guest gets no chance."""

    async def destroy(self, id: str) -> None:
        """Remove the machine with the disks and addresses that were made with it. NoSuchThing: it is gone."""

    def needs(self, trial_name: str) -> Sequence[Part]:
        """What a trial needs before its first machine, in this order: keys, networks, firewalls, resource groups."""

    async def make_part(self, part: Part, public_key: str) -> None:
        """Make one of `needs`, with its tags; an existing one of this name is success."""

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        """All parts with these tags (as for `machines`), or with names that begin so, in the order of their removal:
        disks and addresses of removed machines too."""

    async def remove_part(self, part: Part) -> None:
        """Remove it; one that does not exist is success. The provider asks again while CloudRefused: it is in use."""

    async def console(self, id: str) -> str:
        """The output of the machine's serial port; NotSupported where the vendor has none."""

    async def account(self) -> Account:
        """Whose it is and what it lacks, for `doctor`."""


@runtime_checkable
class HasSecrets(Protocol):
    """A `Cloud` with secrets, for masking."""

    secrets: Sequence[str]
    """Keys and tokens of its credentials."""
