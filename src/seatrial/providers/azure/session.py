"""Azure's SDK as one account: its three clients, long changes, and requests for which it has no method."""

from __future__ import annotations

import base64
import json
import logging
import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.errors import ExtraMissing
from seatrial.providers.azure.refusals import refusal
from seatrial.providers.azure.settings import ENDPOINT, AzureSettings, subscription_of
from seatrial.providers.clouds.vendor import NoAnswer

ANSWER = 45.0
"""Seconds for the answer to one call."""

ENDED = ("succeeded", "failed", "canceled")
"""The words for an operation that has ended; with any other one it goes on."""


class Session:
    """Blocking calls as one account in one subscription; for several threads."""

    def __init__(self, settings: AzureSettings) -> None:
        try:
            from azure.identity import DefaultAzureCredential
            from azure.mgmt.compute import ComputeManagementClient
            from azure.mgmt.network import NetworkManagementClient
            from azure.mgmt.resource.resources import ResourceManagementClient
        except ImportError as error:
            raise ExtraMissing("the SDK of Azure is not installed: pip install 'seatrial[azure]'") from error
        logging.getLogger("azure").addHandler(logging.NullHandler())  # its warnings are in our errors
        self.subscription = subscription_of(settings)
        other = os.environ.get("ARM_ENDPOINT", "").rstrip("/")
        self._endpoint = other or ENDPOINT
        # Only Microsoft's own public and national clouds know each other's authorities.
        self._credential = DefaultAzureCredential(disable_instance_discovery=bool(other))
        # Repeating is the work of `Calls`: the SDK would send a change again after a timeout.
        more: dict[str, Any] = {
            "base_url": self._endpoint, "credential_scopes": [self._scope], "retry_total": 0,
            "connection_timeout": 10, "read_timeout": ANSWER,
        }  # fmt: skip
        self.compute: Any = ComputeManagementClient(self._credential, self.subscription, **more)
        self.network: Any = NetworkManagementClient(self._credential, self.subscription, **more)
        self.resources: Any = ResourceManagementClient(self._credential, self.subscription, **more)
        for opened in (self._credential, self.compute, self.network, self.resources):
            weakref.finalize(self, opened.close)  # kept-alive connections end with this object
        self.claims = _claims(self._credential.get_token(self._scope).token)

    @property
    def _scope(self) -> str:
        return f"{self._endpoint}/.default"

    @property
    def found(self) -> str:
        """The credential of Azure's chain that gave a token."""
        used = getattr(self._credential, "_successful_credential", None)
        return f"Azure's {type(used).__name__}" if used is not None else "Azure's own chain of credentials"

    def listed(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> list[dict[str, Any]]:
        """A whole list, page by page, as JSON."""
        return [thing.as_dict() for thing in call(*arguments, **named)]

    def got(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> dict[str, Any]:
        """One thing, as JSON."""
        thing: dict[str, Any] = call(*arguments, **named).as_dict()
        return thing

    def begun(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        """Send a long change; the address of its operation, empty: it has ended."""
        sent = call(*arguments, polling=False, cls=lambda answer, *_: answer.http_response.headers, **named)
        headers = sent.result()
        return str(headers.get("Azure-AsyncOperation") or headers.get("Location") or "")

    def ended(self, what: str, operation: str) -> bool:
        """Whether an operation has ended well; its error otherwise."""
        answer = self.read(operation)
        word = str(answer.get("status") or ("InProgress" if answer.get("_status") == 202 else "Succeeded"))
        if word.lower() not in ENDED:
            return False
        if word.lower() != "succeeded":
            error = answer.get("error") or {}
            raise refusal(what, str(error.get("code") or word), str(error.get("message") or "nothing more"))
        return True

    def read(self, path: str) -> dict[str, Any]:
        """The answer to a GET; `_status` is its status."""
        from azure.core.rest import HttpRequest

        response = self.compute.send_request(HttpRequest("GET", path))
        response.raise_for_status()
        try:
            body = response.json() if response.text().strip() else {}
        except ValueError:
            raise NoAnswer("the answer of Azure is not JSON") from None
        return {**body, "_status": response.status_code}

    def text(self, address: str) -> str:
        """A file for whose address alone Azure asks."""
        import requests

        answer = requests.get(address, timeout=ANSWER)
        if answer.status_code >= 300:
            raise NoAnswer(f"the log of the serial port: Azure answered {answer.status_code}")
        return answer.content.decode(errors="replace")


def _claims(token: str) -> Mapping[str, Any]:
    """What a token says of the account; nothing for one that cannot be read."""
    try:
        part = token.split(".")[1]
        claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return claims
