"""How hard the tests try: as hard as they can in CI, a part of it elsewhere, for an answer that comes soon."""

from __future__ import annotations

import os

FULL = bool(os.environ.get("CI"))


def examples(number: int) -> int:
    """How many examples Hypothesis tries where CI tries so many."""
    return number if FULL else max(5, number // 3)
