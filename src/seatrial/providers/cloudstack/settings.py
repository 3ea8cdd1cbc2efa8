"""The settings of `[providers.cloudstack]`, and what a suite's parameters say of a machine's size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from seatrial.errors import UsageError, nearest

CHOICES = {"login": ("user_data", "keypair")}
COUNT, SIZE = "data_volumes_per_node", "data_volume_size"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which cloud, and what machines are made from. What the cloud holds is named by name or by identifier."""

    profile: str = ""
    """The section of cloudstack.ini; empty: the environment, else what `cs` takes."""
    project: str = ""
    zone: str = ""
    """May be left out where there is one."""
    template: str = ""
    offering: str = ""
    """The service offering."""
    network: tuple[str, ...] = ()
    """The first is the one that machines are reached by; none: the cloud chooses."""
    disk_offering: str = ""
    """Of data disks; it has to leave their size open."""
    user: str = "root"
    port: int = 22
    login: str = "user_data"
    """How our key gets in: by user data for cloud-init, which knows the host key too, or by a key pair of the cloud."""
    address: str = "private"
    """`private`: the address on the first network; `public`: one that the cloud leads to it."""
    adopt: str = "*"
    """The names of a deployer's machines that may be recognised."""
    adopt_tag: str = ""
    """`KEY` or `KEY=VALUE`: a tag that these must have."""


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Checked settings; UsageError names the key and what is allowed."""
    known = {field.name: field for field in fields(Settings)}
    made: dict[str, Any] = {}
    for key, value in given.items():
        where = f"providers.cloudstack.{key}"
        if key not in known:
            raise UsageError(f"providers.cloudstack has no setting {key!r}: {nearest(key, known)}")
        if key == "network":
            value = (value,) if isinstance(value, str) else value
            if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
                raise UsageError(f"{where} is {value!r}; allowed is a name, or a list of names")
            value = tuple(value)
        elif key == "port":
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
                raise UsageError(f"{where} is {value!r}; allowed is a port, 1 to 65535")
        elif not isinstance(value, str):
            raise UsageError(f"{where} is {value!r}; allowed is text")
        allowed = {**CHOICES, "address": ("private", "public")}.get(key)
        if allowed and value not in allowed:
            raise UsageError(f"{where} is {value!r}; allowed: {', '.join(allowed)}")
        made[key] = value
    return Settings(**made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large one node is, and what it is made from."""

    offering: str
    template: str
    root_gib: int
    """0: as the template is."""
    data_gib: tuple[int, ...]
    """Of each data disk."""


def size_of(parameters: Mapping[str, object], settings: Settings) -> Size:
    """From the suite's parameters: `cloudstack_offering`, `cloudstack_template`, `root_volume_size`,
    `data_volumes_per_node`, `data_volume_size` (GiB, 1 unless it is said)."""
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
