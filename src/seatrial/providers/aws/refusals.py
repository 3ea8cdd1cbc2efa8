"""The AWS SDK's exceptions as the refusals that all clouds share."""

from __future__ import annotations

import re

from seatrial.errors import CannotTell
from seatrial.providers.clouds.vendor import CloudRefused, Denied, NoAnswer, NoRoom, NoSuchThing, Throttled

REMEDY = (
    "set AWS_PROFILE or `profile` under [providers.aws] in seatrial.toml, and `region`; for SSO: `aws sso login`; see "
    "the guide to AWS for the rights"
)

EXPIRED = ("RequestExpired", "ExpiredToken", "ExpiredTokenException")
NO_ROOM = re.compile(r"Insufficient|LimitExceeded|Unsupported$|MaxSpotInstanceCountExceeded")
DENIED = re.compile(r"UnauthorizedOperation|AccessDenied|AuthFailure|InvalidClientTokenId|OptInRequired|PendingVerif")
THROTTLED = re.compile(r"RequestLimitExceeded|Throttl|TooManyRequests|EC2ThrottledException|Unavailable$")
BROKEN = ("InternalError", "InternalFailure", "ServiceUnavailable")


def told(error: Exception, what: str) -> Exception:
    """The refusal for an exception of botocore; anything else as it is."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ClientError):
        answer = error.response.get("Error", {})
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        return _refusal(what, str(answer.get("Code") or status), str(answer.get("Message") or "nothing"), status, error)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError | exceptions.NoRegionError):
        return Denied(f"{what}: {error}; {REMEDY}")
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.SSOError | exceptions.CredentialRetrievalError):
        return Denied(f"{what}: the credentials cannot be renewed: {error}; {REMEDY}")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | ResponseParserError):
        return NoAnswer(f"{what}: no answer of AWS: {type(error).__name__}")
    if isinstance(error, exceptions.BotoCoreError):
        return CannotTell(f"{what}: {error}")
    return error


def _refusal(what: str, code: str, text: str, status: int, error: Exception) -> Exception:
    message = f"{what}: AWS says {code}: {text}"
    if code in EXPIRED:
        return Denied(f"{message}; {REMEDY}", code=code)
    if NO_ROOM.search(code):
        if THROTTLED.search(code):
            return Throttled(message, code=code, after=_after(error))
        return NoRoom(message, code=code)
    if DENIED.search(code):
        return Denied(message, code=code)
    if code in BROKEN or (status >= 500 and not THROTTLED.search(code)):
        return NoAnswer(message)
    if THROTTLED.search(code):
        return Throttled(message, code=code, after=_after(error))
    missing = code.endswith((".NotFound", ".NotFoundException", ".Malformed"))
    return (NoSuchThing if missing else CloudRefused)(message, code=code)


def _after(error: Exception) -> float:
    headers = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return float(headers.get("retry-after") or 0)
    except ValueError:
        return 0.0
