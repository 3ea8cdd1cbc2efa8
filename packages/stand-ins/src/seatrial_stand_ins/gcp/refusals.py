"""The server's errors, with Google's own numbers, reasons and words."""

from __future__ import annotations


class Refused(Exception):
    """Google's error for a call."""

    def __init__(
        self, code: int, reason: str, text: str, *, status: str = "", domain: str = "global", after: int = 0
    ) -> None:
        super().__init__(text)
        self.code, self.reason, self.text, self.status, self.domain = code, reason, text, status, domain
        self.after = after
        """Seconds of `Retry-After`; 0: no such header."""

    def answer(self) -> dict[str, object]:
        """The body of the error."""
        error: dict[str, object] = {
            "code": self.code,
            "message": self.text,
            "errors": [{"message": self.text, "domain": self.domain, "reason": self.reason}],
        }
        return {"error": {**error, **({"status": self.status} if self.status else {})}}


class Ended(Exception):
    """The error of an operation that had begun."""

    def __init__(self, code: str, text: str, http: int = 400, words: str = "BAD REQUEST") -> None:
        super().__init__(text)
        self.code, self.text, self.http, self.words = code, text, http, words


def no_such(path: str) -> Refused:
    return Refused(404, "notFound", f"The resource '{path}' was not found")


def exists(path: str) -> Refused:
    return Refused(409, "alreadyExists", f"The resource '{path}' already exists")


def invalid(field: str, value: object, why: str) -> Refused:
    return Refused(400, "invalid", f"Invalid value for field '{field}': '{value}'. {why}")


def not_allowed(permission: str, path: str) -> Refused:
    return Refused(403, "forbidden", f"Required '{permission}' permission for '{path}'")


UNAUTHENTICATED = Refused(
    401,
    "authError",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    status="UNAUTHENTICATED",
)
NO_API = Refused(404, "notFound", "Not Found", status="NOT_FOUND")
TOO_FAST = Refused(
    403,
    "rateLimitExceeded",
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'.",
    domain="usageLimits",
)
TOO_MANY = Refused(429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).",
                   status="RESOURCE_EXHAUSTED", domain="usageLimits", after=1)  # fmt: skip
