from __future__ import annotations

import pytest

from seatrial.links.forge.github.api import SECONDARY, pace_of, wait_of
from seatrial.links.http import Answer

NOW = {"date": "Fri, 27 Nov 2026 08:00:00 GMT"}
RESET = "1795766460"
"""A minute later."""


@pytest.mark.parametrize(("status", "headers", "body", "seconds"), [
    (200, {"retry-after": "5"}, b"", None),
    (403, {}, b'{"message": "Resource not accessible by integration"}', None),
    (403, {"retry-after": "7"}, b"", 7.0),
    (429, {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}, b"", 7.0),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}, b"", 60.0),
    (403, {"x-ratelimit-remaining": "12"}, b'{"message": "You have exceeded a secondary rate limit."}', SECONDARY),
    (429, {}, b"", SECONDARY),
])  # fmt: skip
def test_how_long_an_answer_asks_us_to_wait(
    status: int, headers: dict[str, str], body: bytes, seconds: float | None
) -> None:
    assert wait_of(Answer(status=status, headers={**NOW, **headers}, body=body)) == seconds


def test_the_pace_makes_what_is_left_last() -> None:
    left = {**NOW, "x-ratelimit-reset": RESET}
    assert pace_of(Answer(status=200, headers={**left, "x-ratelimit-remaining": "4900"})) == 0.0
    assert pace_of(Answer(status=200, headers={**left, "x-ratelimit-remaining": "62"})) == 5.0
    assert pace_of(Answer(status=200, headers={**left, "x-ratelimit-remaining": "0"})) == 60.0
    assert pace_of(Answer(status=200)) == 0.0
