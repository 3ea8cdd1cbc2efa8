"""The rights that the provider uses; the guide has them as a role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

RIGHTS = tuple(
    f"Microsoft.{kind}/{verb}"
    for kind, verbs in {
        "Compute/virtualMachines": "read write delete start/action powerOff/action deallocate/action "
        "retrieveBootDiagnosticsData/action",
        "Compute/disks": "read write delete",
        "Compute/locations": "operations/read usages/read vmSizes/read",
        "Network/networkInterfaces": "read write delete join/action",
        "Network/publicIPAddresses": "read write delete join/action",
        "Network/networkSecurityGroups": "read write delete join/action",
        "Network/virtualNetworks": "read write delete subnets/join/action",
        "Resources/subscriptions/resourceGroups": "read write delete",
    }.items()
    for verb in verbs.split()
)


def missing_rights(permissions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Those that no permission gives; each has patterns, and exceptions of its own."""

    def matches(right: str, patterns: Sequence[str] | None) -> bool:
        return any(fnmatchcase(right.lower(), pattern.lower()) for pattern in patterns or ())

    def given(right: str) -> bool:
        return any(
            matches(right, one.get("actions")) and not matches(right, one.get("notActions")) for one in permissions
        )

    return tuple(right for right in RIGHTS if not given(right))
