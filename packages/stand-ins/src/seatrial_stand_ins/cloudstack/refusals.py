"""The server's errors, with CloudStack's own numbers and words."""

from __future__ import annotations

UNAUTHORIZED, WRONG_PARAMETER, UNSUPPORTED, INTERNAL, NOT_ALLOWED = 401, 431, 432, 530, 531
NO_CAPACITY, UNAVAILABLE, OVER_LIMIT = 533, 534, 535


class Refused(Exception):
    """CloudStack's error for a call, or for its job."""

    def __init__(self, code: int, text: str, internal: int = 9999) -> None:
        super().__init__(text)
        self.code, self.text, self.internal = code, text, internal

    def answer(self) -> dict[str, object]:
        """The body of the error."""
        return {"uuidList": [], "errorcode": self.code, "cserrorcode": self.internal, "errortext": self.text}


def no_such(parameter: str, value: str, command: str) -> Refused:
    """An identifier of a missing or removed resource."""
    return Refused(
        WRONG_PARAMETER,
        f"Unable to execute API command {command.lower()} due to invalid value. Invalid parameter {parameter} value="
        f"{value} due to incorrect long value format, or entity does not exist or due to incorrect parameter "
        "annotation for the field in api cmd class.",
    )


def missing(parameter: str, command: str) -> Refused:
    """A missing required parameter."""
    return Refused(
        WRONG_PARAMETER,
        f"Unable to execute API command {command.lower()} due to missing parameter {parameter}",
    )
