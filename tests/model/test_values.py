"""Durations as documents write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.values import duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (30, 30.0),
        (0.25, 0.25),
        ("30", 30.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("10s", 10.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1h30m", 5400.0),
        ("1m30s", 90.0),
        ("1.5s", 1.5),
        (" 10s ", 10.0),
    ],
)
def test_a_duration_is_read_in_seconds(written: object, seconds: float) -> None:
    assert duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        True,
        False,
        None,
        [],
        {},
        "",
        "s",
        "10 s",
        "10x",
        "1h 30m",
        "-1",
        -1,
        "-5s",
        "inf",
        "nan",
        float("nan"),
        "1e400",
        "10S",
    ],
)
def test_what_is_no_duration_is_refused_with_what_is_allowed(written: object) -> None:
    with pytest.raises(ValueError, match="a duration is a number of seconds or like 500ms, 10s, 5m, 1h"):
        duration(written)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert float(duration(f"{hours}h{minutes}m{seconds}s")) == hours * 3600 + minutes * 60 + seconds


@given(st.text(max_size=12))
def test_any_text_is_a_finite_duration_or_refused(text: str) -> None:
    try:
        seconds = duration(text)
    except ValueError:
        seconds = duration(0)
    assert 0 <= seconds < float("inf")
