"""Azure's SDK as one account: its three clients, long changes, and requests for which it has no method."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from typing import Any

from seatrial.errors import CannotTell
from seatrial.providers.azure.refusals import refusal
from seatrial.providers.azure.settings import TABLE, AzureSettings
from seatrial.providers.clouds.calls import ANSWER, imports


class Session:
    """Blocking calls as one account in one subscription; for several threads."""

    def __init__(self, settings: AzureSettings) -> None:
        with imports("the SDK of Azure", "azure"):
            import jwt
            from azure.identity import DefaultAzureCredential
            from azure.mgmt.compute import ComputeManagementClient
            from azure.mgmt.network import NetworkManagementClient
            from azure.mgmt.resource.resources import ResourceManagementClient
        logging.getLogger("azure").addHandler(logging.NullHandler())  # its warnings are in our errors
        self.subscription = (settings.subscription or os.environ.get("AZURE_SUBSCRIPTION_ID", "")).lower()
        if not self.subscription:
            raise CannotTell(f"no subscription: set `subscription` of [{TABLE}], or AZURE_SUBSCRIPTION_ID")
        self.secrets = tuple(filter(None, [os.environ.get("AZURE_CLIENT_SECRET")]))
        other = os.environ.get("ARM_ENDPOINT", "").rstrip("/")
        endpoint = other or "https://management.azure.com"
        # Microsoft's authority knows nothing of another endpoint's.
        self._credential: Any = DefaultAzureCredential(disable_instance_discovery=bool(other))
        # Repeating is the work of `Calls`: the SDK would send a change again after a timeout.
        more: dict[str, Any] = {"base_url": endpoint, "credential_scopes": [f"{endpoint}/.default"], "retry_total": 0}
        more |= {"connection_timeout": 10, "read_timeout": ANSWER}
        self.compute: Any = ComputeManagementClient(self._credential, self.subscription, **more)
        self.network: Any = NetworkManagementClient(self._credential, self.subscription, **more)
        self.resources: Any = ResourceManagementClient(self._credential, self.subscription, **more)
        for opened in (self._credential, self.compute, self.network, self.resources):
            weakref.finalize(self, opened.close)  # kept-alive connections end with this object
        token = self._credential.get_token(*more["credential_scopes"]).token
        claims = jwt.decode(token, options={"verify_signature": False})
        who = next((str(claims[key]) for key in ("upn", "unique_name", "appid") if claims.get(key)), "an account")
        self.whose = f"{who} in the subscription {self.subscription}"
        self.found = f"Azure's {type(getattr(self._credential, '_successful_credential', None)).__name__}"

    def read(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """One thing, or a whole list page by page, as JSON."""
        answer = call(*arguments, **named)
        return answer.as_dict() if hasattr(answer, "as_dict") else [thing.as_dict() for thing in answer]

    def begun(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        """Send a long change; the address of its operation, empty: it has ended."""
        sent = call(*arguments, polling=False, cls=lambda answer, *_: answer.http_response.headers, **named)
        return str(sent.result().get("Azure-AsyncOperation") or sent.result().get("Location") or "")

    def ended(self, what: str, operation: str) -> bool | None:
        """True once an operation has ended well, None until then; its error otherwise."""
        answer = self.get(operation)
        word = str(answer.get("status") or ("InProgress" if answer["_status"] == 202 else "Succeeded"))
        if word in ("Failed", "Canceled"):
            error = answer.get("error") or {}
            raise refusal(what, str(error.get("code") or word), str(error.get("message") or "nothing more"))
        return word == "Succeeded" or None

    def get(self, path: str) -> dict[str, Any]:
        """The answer to a GET; `_status` is its status."""
        from azure.core.rest import HttpRequest

        response = self.compute.send_request(HttpRequest("GET", path))
        response.raise_for_status()
        return {**(response.json() if response.text().strip() else {}), "_status": response.status_code}

    def text(self, address: str) -> str:
        """A file whose address is the right to it."""
        import requests

        answer = requests.get(address, timeout=ANSWER)
        answer.raise_for_status()
        return answer.content.decode(errors="replace")
