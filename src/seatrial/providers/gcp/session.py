"""Google's REST API with the tokens of google-auth, the lightest of Google's libraries: the guide has the measures."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import httpx

from seatrial.errors import CannotTell
from seatrial.providers.clouds.calls import imports
from seatrial.providers.clouds.refusals import Refusals, seconds_of
from seatrial.providers.clouds.vendor import Denied, NoAnswer
from seatrial.providers.gcp.settings import GoogleSettings

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
APIS = {
    "COMPUTE": "https://compute.googleapis.com/compute/v1/",
    "CLOUDRESOURCEMANAGER": "https://cloudresourcemanager.googleapis.com/v1/",
}
REMEDY = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key's file"
REFUSALS = Refusals(
    busy="^(rateLimitExceeded|userRateLimitExceeded|RATE_LIMIT_EXCEEDED)$",
    full="^(quotaExceeded|QUOTA_EXCEEDED|LIMIT_EXCEEDED)$|POOL_EXHAUSTED",
    missing="^(RESOURCE_NOT_FOUND|notFound)$",
)
ANSWER = 30.0
"""Seconds for the answer to one call."""


class Session:
    """Blocking calls of Google's APIs as one account; for several threads."""

    def __init__(self, settings: GoogleSettings) -> None:
        with imports("google-auth", "gcp"):
            import google.auth
            from google.auth.exceptions import DefaultCredentialsError
        try:
            found: Any = google.auth.default(scopes=SCOPES)
        except DefaultCredentialsError as error:
            raise CannotTell(f"no credentials of Google Cloud: {str(error).partition('.')[0]}; {REMEDY}") from None
        self._credentials, project = found
        self.project = settings.project or str(project or "")
        if not self.project:
            raise CannotTell("no project: set `project` of [providers.gcp], or GOOGLE_CLOUD_PROJECT")
        self.whose = str(getattr(self._credentials, "service_account_email", "") or "the login of gcloud")
        named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
        self.found = f"the key file {named}" if named else "Google's default credentials"
        self._client = httpx.Client(timeout=ANSWER, follow_redirects=False)
        self._turn = threading.Lock()
        weakref.finalize(self, self._client.close)  # kept-alive connections end with this object

    def call(
        self, verb: str, path: str, query: Mapping[str, str] | None = None, body: Any = None, *, api: str = "COMPUTE"
    ) -> dict[str, Any]:
        """One call; a token that was refused is renewed once."""
        at = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}", APIS[api]) + path  # as gcloud does

        def sent(*, fresh: bool) -> httpx.Response:
            headers = {"Authorization": f"Bearer {self._token(fresh=fresh)}"}
            try:
                return self._client.request(verb, at, params=dict(query or {}), json=body, headers=headers)
            except httpx.HTTPError as error:
                raise NoAnswer(f"{verb} {path}: no answer of Google Cloud ({type(error).__name__})") from None

        answer = sent(fresh=False)
        if answer.status_code == 401:
            answer = sent(fresh=True)
        if answer.status_code >= 300:
            raise refusal(f"{verb} {path}", answer)
        try:
            given: dict[str, Any] = answer.json()
        except ValueError:
            raise NoAnswer(f"{verb} {path}: the answer of Google Cloud is not JSON") from None
        return given

    def _token(self, *, fresh: bool) -> str:
        from google.auth.exceptions import RefreshError, TransportError
        from google.auth.transport.requests import Request

        with self._turn:
            if fresh or not self._credentials.valid:
                try:
                    self._credentials.refresh(Request())
                except TransportError as error:
                    raise NoAnswer(f"no answer of Google's token server ({type(error).__name__})") from None
                except RefreshError as error:
                    why = str(error.args[0]) if error.args else "no reason given"
                    raise Denied(f"Google gives no access token by {self.found}: {why}; {REMEDY}") from None
            return str(self._credentials.token)


def refusal(what: str, answer: httpx.Response) -> Exception:
    """Google's error as one of the shape's refusals."""
    try:
        error = answer.json()["error"]
        reason, words = str((error.get("errors") or [error])[0].get("reason", "")), str(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return NoAnswer(f"{what}: Google Cloud answered {answer.status_code} without saying why")
    text = f"{what}: {words} ({answer.status_code} {reason})"
    return REFUSALS.of(text, reason, answer.status_code, after=seconds_of(answer.headers.get("Retry-After")))


def require_done(operation: Mapping[str, Any]) -> None:
    """Raise the error of an ended operation."""
    for error in operation.get("error", {}).get("errors", ()):
        code = str(error.get("code"))
        raise REFUSALS.of(f"{operation.get('operationType')}: {error.get('message')} ({code})", code)
