"""The signature of a request: HMAC-SHA1 over its sorted lower-case parameters, with an expiry time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from seatrial_stand_ins.cloudstack.refusals import UNAUTHORIZED, Refused

FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def signature(parameters: Mapping[str, str], secret: str) -> str:
    """The expected signature of the parameters; `signature` itself is ignored."""
    pairs = (f"{name}={_encoded(value)}" for name, value in sorted(parameters.items()) if name.lower() != "signature")
    text = "&".join(pairs).lower()
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def require_signed(parameters: Mapping[str, str], accounts: Mapping[str, str], now: datetime | None = None) -> None:
    """Reject parameters not signed with a key of `accounts` (key to secret), or expired ones."""
    named = {name.lower(): value for name, value in parameters.items()}
    secret = accounts.get(named.get("apikey", ""))
    given = named.get("signature", "")
    if secret is None or not hmac.compare_digest(given.encode(), signature(parameters, secret).encode()):
        raise Refused(UNAUTHORIZED, "unable to verify user credentials and/or request signature")
    if named.get("signatureversion") == "3" or "expires" in named:
        try:
            until = datetime.strptime(named["expires"], FORMAT).astimezone(UTC)
        except (KeyError, ValueError) as error:
            raise Refused(UNAUTHORIZED, "unable to verify user credentials and/or request signature") from error
        if until <= (now or datetime.now(UTC)):
            raise Refused(UNAUTHORIZED, "unable to verify user credentials and/or request signature")


def _encoded(value: str) -> str:
    # Java's encoder, with %20 for spaces: unlike Python, it encodes the tilde.
    return quote(value, safe="*").replace("~", "%7E")
