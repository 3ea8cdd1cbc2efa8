"""Whose request it is: the key file of a service account, access tokens for it, and tokens that it signs itself."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whom google-auth addresses, wherever the key file's `token_uri` points."""

SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/compute")


class Credentials:
    """One service account, and its tokens."""

    def __init__(self, project: str) -> None:
        self.project, self.email = project, f"trials@{project}.iam.gserviceaccount.com"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._tokens: dict[str, float] = {}

    def key_file(self, url: str) -> dict[str, str]:
        """The content of the JSON key, for GOOGLE_APPLICATION_CREDENTIALS."""
        form = serialization.PrivateFormat.PKCS8
        private = self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
        return {
            "type": "service_account", "project_id": self.project, "private_key_id": "1", "private_key": private,
            "client_email": self.email, "client_id": "100000000000000000001", "token_uri": f"{url}/token",
            "universe_domain": "googleapis.com",
        }  # fmt: skip

    def token(self, form: Mapping[str, str], url: str, seconds: int) -> tuple[int, dict[str, object]]:
        """The answer of the token endpoint."""
        claims = self._claims(form.get("assertion", ""))
        if form.get("grant_type") != GRANT or claims is None:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        right = claims.get("aud") in (AUDIENCE, f"{url}/token")
        if not right or not set(str(claims.get("scope", "")).split()) & set(SCOPES):
            return 400, {"error": "invalid_scope", "error_description": "Invalid OAuth scope or ID token audience."}
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._tokens[token] = time.monotonic() + seconds
        return 200, {"access_token": token, "expires_in": seconds, "token_type": "Bearer"}

    def allows(self, header: str) -> bool:
        """Whether the header `Authorization` has a token that is still valid, or one signed by the account itself."""
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer":
            return False
        return self._tokens.get(token, 0.0) > time.monotonic() or self._claims(token) is not None

    def expire(self) -> None:
        """End all access tokens now."""
        self._tokens.clear()

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that the account signed and that is not past."""
        try:
            signed, _, signature = token.rpartition(".")
            self._key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(_decoded(signed.split(".")[1]))
        except (InvalidSignature, ValueError, IndexError):
            return None
        valid = isinstance(claims, dict) and claims.get("iss") == self.email and claims.get("exp", 0) > time.time()
        return claims if valid else None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
