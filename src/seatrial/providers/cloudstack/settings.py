"""The settings of `[providers.cloudstack]`, and a machine's size from a suite's parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from seatrial.errors import UsageError
from seatrial.model.values import Range

COUNT, SIZE = "data_volumes_per_node", "data_volume_size"


@dataclass(frozen=True, kw_only=True)
class CloudStackSettings:
    """Which cloud, and what machines are made from. What the cloud holds is named by name or by identifier."""

    profile: str = ""
    """The section of cloudstack.ini; empty: the environment, else the default of `cs`."""
    project: str = ""
    """The project in the account; empty: none."""
    zone: str = ""
    """The zone of the machines; may be left out where there is one."""
    template: str = ""
    """The template of the machines; a suite's parameter `cloudstack_template` wins."""
    offering: str = ""
    """The service offering; a suite's parameter `cloudstack_offering` wins."""
    network: str | Sequence[str] = ()
    """A network or several; the first is the one that machines are reached by. None: the cloud chooses."""
    disk_offering: str = ""
    """The offering of data disks; it has to leave their size open."""
    user: str = "root"
    """The user on the machines."""
    port: Annotated[int, Range(1, 65535)] = 22
    """The SSH port of the machines."""
    login: Literal["user_data", "keypair"] = "user_data"
    """How our key gets in: by user data for cloud-init, which knows the host key too, or by a key pair of the cloud."""
    address: Literal["private", "public"] = "private"
    """`private`: the address on the first network; `public`: one that the cloud leads to it."""
    adopt: str = "*"
    """The names (a pattern) of a deployer's machines that may be recognised."""
    adopt_tag: str = ""
    """`KEY` or `KEY=VALUE`: a tag that these must have."""

    @property
    def networks(self) -> tuple[str, ...]:
        """All networks."""
        return (self.network,) if isinstance(self.network, str) else tuple(self.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size and the parts of one node."""

    offering: str
    template: str
    root_gib: int
    """0: as the template is."""
    data_gib: tuple[int, ...]
    """Of each data disk."""


def size_of(parameters: Mapping[str, object], settings: CloudStackSettings) -> Size:
    """From the suite's parameters: `cloudstack_offering`, `cloudstack_template`, `root_volume_size`,
    `data_volumes_per_node`, `data_volume_size` (GiB, default 1)."""
    count = _whole(parameters, COUNT, 0)
    return Size(
        offering=str(parameters.get("cloudstack_offering") or settings.offering),
        template=str(parameters.get("cloudstack_template") or settings.template),
        root_gib=_whole(parameters, "root_volume_size", 0),
        data_gib=(_whole(parameters, SIZE, 1),) * count,
    )


def _whole(parameters: Mapping[str, object], name: str, default: int) -> int:
    value = parameters.get(name)
    if value is None:
        return default
    match = re.fullmatch(r"(\d{1,5})\s*(G|GiB)?", str(value))
    if isinstance(value, bool) or match is None:
        what = "a whole number up to 99" if name == COUNT else "whole GiB, such as 20 or 20G: CloudStack has no others"
        raise UsageError(f"the parameter {name} is {value!r}; allowed is {what}")
    return int(match[1])
