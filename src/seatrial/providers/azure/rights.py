"""The rights that the provider uses; the guide has them as a role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

OWN, JOINED = "read write delete", "read write delete join/action"
RIGHTS = tuple(
    f"Microsoft.{kind}/{verb}"
    for kind, verbs in {
        "Compute/virtualMachines": f"{OWN} start/action powerOff/action deallocate/action",
        "Compute/virtualMachines/retrieveBootDiagnosticsData": "action", "Compute/disks": OWN,
        "Compute/locations": "operations/read usages/read vmSizes/read", "Network/networkInterfaces": JOINED,
        "Network/publicIPAddresses": JOINED, "Network/networkSecurityGroups": JOINED,
        "Network/virtualNetworks": f"{OWN} subnets/join/action", "Resources/subscriptions/resourceGroups": OWN,
    }.items()
    for verb in verbs.split()
)  # fmt: skip


def missing_rights(permissions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Those that no permission gives; each has patterns, and exceptions of its own."""

    def has(right: str, patterns: Sequence[str] | None) -> bool:
        return any(fnmatchcase(right.lower(), pattern.lower()) for pattern in patterns or ())

    given = [(one.get("actions"), one.get("notActions")) for one in permissions]
    return tuple(right for right in RIGHTS if not any(has(right, yes) and not has(right, no) for yes, no in given))
