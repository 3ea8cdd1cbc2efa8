"""What the tables of all clouds have in common, and a machine's size from a suite's parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from seatrial.errors import UsageError
from seatrial.model.frozen import frozen
from seatrial.model.values import Range

COUNT, DISK, ROOT = "data_volumes_per_node", "data_volume_size", "root_volume_size"


@dataclass(frozen=True, kw_only=True)
class CloudSettings:
    """What machines are made from, which ones of a deployer may be recognised, and what a run may cost."""

    image: str = ""
    """The image of the machines, by name or identifier; it needs cloud-init. A suite's parameter such as `aws_image`
    wins."""
    size: str = ""
    """The size of the machines, in the cloud's word for it; a suite's parameter such as `aws_size` wins."""
    user: str = "root"
    """The user on the machines."""
    port: Annotated[int, Range(1, 65535)] = 22
    """The SSH port of the machines."""
    network: str = ""
    """The network of the machines, by name or identifier; empty: the cloud's default."""
    address: Literal["private", "public"] = "public"
    """The address by which machines are reached."""
    adopt: str = "*"
    """The names (a pattern) of a deployer's machines that may be recognised."""
    adopt_tag: str = ""
    """`KEY` or `KEY=VALUE`: a tag that these must have."""
    max_machines: int | None = None
    """The number of machines that the suites of a run may have at a time."""
    max_cost_per_hour: float | None = None
    """The cost of these machines per hour, in the currency of `prices`."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """The price of one machine per hour, by size."""


@dataclass(frozen=True, kw_only=True)
class FirewallSettings(CloudSettings):
    """Those of a cloud whose machines have a firewall of their trial."""

    lets_in: Sequence[str] = ()
    """Networks, such as `203.0.113.0/24`, with access to all ports of a trial's machines. SSH with the trial's key is
    open to any network."""


@frozen
class Size:
    """The size and the parts of one machine."""

    image: str
    size: str
    root_gib: int
    data_gib: tuple[int, ...]


def parameter_names(provider: str) -> tuple[str, ...]:
    """The parameters of a suite that the provider with this name reads."""
    return f"{provider}_image", f"{provider}_size", ROOT, COUNT, DISK


def size_of(provider: str, parameters: Mapping[str, object], settings: CloudSettings) -> Size:
    """From the suite's parameters: `PROVIDER_image`, `PROVIDER_size`, `root_volume_size`, `data_volumes_per_node`,
    `data_volume_size` (GiB, default 1). UsageError for an image or a size that nothing names."""
    image, size = (
        required(provider, name, str(parameters.get(f"{provider}_{name}") or getattr(settings, name)))
        for name in ("image", "size")
    )
    count = _whole(parameters, COUNT, 0)
    disks = (_whole(parameters, DISK, 1),) * count
    return Size(image=image, size=size, root_gib=_whole(parameters, ROOT, 0), data_gib=disks)


def required(provider: str, name: str, value: str) -> str:
    """The value of a setting for new machines; UsageError without one."""
    if not value:
        raise UsageError(f"no {name} for the machines: set `{name}` under [providers.{provider}] in seatrial.toml")
    return value


def _whole(parameters: Mapping[str, object], name: str, default: int) -> int:
    value = parameters.get(name)
    if value is None:
        return default
    match = re.fullmatch(r"(\d{1,5})\s*(G|GiB)?", str(value))
    if isinstance(value, bool) or match is None:
        what = "a whole number up to 99" if name == COUNT else "whole GiB, such as 20 or 20G"
        raise UsageError(f"the parameter {name} is {value!r}; allowed: {what}")
    return int(match[1])
