"""The AWS SDK's exceptions as the refusals that all clouds share."""

from __future__ import annotations

from seatrial.errors import CannotTell
from seatrial.providers.clouds.refusals import Refusals, seconds_of
from seatrial.providers.clouds.vendor import Denied, NoAnswer

REMEDY = (
    "set AWS_PROFILE or `profile` under [providers.aws] in seatrial.toml, and `region`; for SSO: `aws sso login`; see "
    "the guide to AWS for the rights"
)

EXPIRED = ("RequestExpired", "ExpiredToken", "ExpiredTokenException")
REFUSALS = Refusals(
    silent="^(InternalError|InternalFailure|ServiceUnavailable)$",
    busy="RequestLimitExceeded|Throttl|TooManyRequests|Unavailable$",
    full="Insufficient|LimitExceeded|Unsupported$|MaxSpotInstanceCountExceeded",
    denied="UnauthorizedOperation|AccessDenied|AuthFailure|InvalidClientTokenId|OptInRequired|PendingVerif|Expired",
    missing=r"\.(NotFound|NotFoundException|Malformed)$",
)


def told(error: Exception, what: str) -> Exception:
    """The refusal for an exception of botocore; anything else as it is."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ClientError):
        answer, more = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        status, after = int(more.get("HTTPStatusCode") or 0), seconds_of(more.get("HTTPHeaders", {}).get("retry-after"))
        code, text = str(answer.get("Code") or status), str(answer.get("Message") or "nothing")
        remedy = f"; {REMEDY}" if code in EXPIRED else ""
        return REFUSALS.of(f"{what}: AWS says {code}: {text}{remedy}", code, status, after=after)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError | exceptions.NoRegionError):
        return Denied(f"{what}: {error}; {REMEDY}")
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.SSOError | exceptions.CredentialRetrievalError):
        return Denied(f"{what}: the credentials cannot be renewed: {error}; {REMEDY}")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | ResponseParserError):
        return NoAnswer(f"{what}: no answer of AWS: {type(error).__name__}")
    if isinstance(error, exceptions.BotoCoreError):
        return CannotTell(f"{what}: {error}")
    return error
