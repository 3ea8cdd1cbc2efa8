"""Errors of Azure's SDK, as the refusals of the shape; and the rights whose want is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from json import JSONDecodeError
from typing import Any

from seatrial.providers.azure.settings import REMEDY
from seatrial.providers.clouds.refusals import Refusals, seconds_of
from seatrial.providers.clouds.vendor import Denied, NoAnswer

REFUSALS = Refusals(
    busy=r"^(Conflict|AnotherOperationInProgress|RetryableError|OperationPreempted)\b",
    full=r"^\S*(Allocation|SkuNotAvailable|Quota|Limit(Reached|Exceeded)|SubnetIsFull)|^OperationNotAllowed .*[Qq]uota",
    denied=r"^(SubscriptionNotFound|AuthorizationFailed|InvalidSubscriptionId)\b",
    missing=r"^\S*NotFound\b",
)

OWN, JOINED = "read write delete", "read write delete join/action"
RIGHTS = tuple(
    f"Microsoft.{kind}/{verb}" for kind, verbs in {
        "Compute/virtualMachines": f"{OWN} start/action powerOff/action deallocate/action",
        "Compute/virtualMachines/retrieveBootDiagnosticsData": "action", "Compute/disks": OWN,
        "Compute/locations": "operations/read usages/read vmSizes/read", "Network/networkInterfaces": JOINED,
        "Network/publicIPAddresses": JOINED, "Network/networkSecurityGroups": JOINED,
        "Network/virtualNetworks": f"{OWN} subnets/join/action", "Resources/subscriptions/resourceGroups": OWN,
    }.items() for verb in verbs.split()
)  # fmt: skip
"""The rights that the provider uses; the guide has them as a role."""


def told(error: Exception, what: str) -> Exception:
    """An exception of the SDK, without its request."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
    from requests import RequestException

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    brief = next((line for line in lines if "AADSTS" in line), (lines or [type(error).__name__])[0])[:300]
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    if isinstance(error, HttpResponseError) and response is not None:
        status, after = int(response.status_code or 0), seconds_of(response.headers.get("Retry-After"))
        code, words = (error.error.code, error.error.message) if error.error else (status, brief)
        return refusal(what, str(code), str(words), status, after)
    if isinstance(error, ClientAuthenticationError):
        return Denied(f"{what}: no token for Azure: {brief}; {REMEDY}")
    if isinstance(error, AzureError | RequestException | JSONDecodeError):
        return NoAnswer(f"{what}: no answer of Azure: {type(error).__name__}")
    return error


def refusal(what: str, code: str, words: str, status: int = 0, after: float = 0.0) -> Exception:
    """The refusal for an error of an answer, or of an ended operation (without a status)."""
    message = f"{what}: Azure: {words} ({code}){f'; {REMEDY}' if status == 401 else ''}"
    return REFUSALS.of(message, code, status, words=words, after=after)


def missing_rights(permissions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Those that no permission gives; each has patterns, and exceptions of its own."""

    def has(right: str, patterns: Sequence[str] | None) -> bool:
        return any(fnmatchcase(right.lower(), pattern.lower()) for pattern in patterns or ())

    given = [(one.get("actions"), one.get("notActions")) for one in permissions]
    return tuple(right for right in RIGHTS if not any(has(right, yes) and not has(right, no) for yes, no in given))
