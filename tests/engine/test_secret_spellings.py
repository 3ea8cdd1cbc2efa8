"""Forty secrets in every spelling of common tools, whole and cut anywhere."""

from __future__ import annotations

import random

import pytest
from tests.acceptance.spelled_secrets import SPELLINGS, VALUES, exposed, lines, said, windows

from seatrial.engine.masking import MASK, Masks

PARTS = windows()


@pytest.fixture(scope="module")
def masks() -> Masks:
    made = Masks()
    for value in VALUES.values():
        assert made.add(value)
    return made


def test_every_secret_is_hidden_in_every_spelling(masks: Masks) -> None:
    assert (len(VALUES), len(SPELLINGS) >= 60) == (40, True)
    hidden = masks.hide(said())
    assert exposed(hidden, PARTS) == []
    assert hidden.count("[end]") == len(list(lines())), "more than the secrets is hidden"
    assert hidden.count(MASK) >= len(list(lines()))


def test_the_search_itself_finds_every_secret() -> None:
    found = exposed(said(), PARTS)
    assert {name for name in VALUES if any(line.startswith(f"{name}, ") for line in found)} == {*VALUES}


SAMPLE = 150
"""Of the cuts: all take minutes."""

RARE = ("coloured", "wrapped", "wrapped and indented")
"""Spellings in which a secret that is broken as well as cut may show a part."""


def test_what_a_cut_leaves_of_a_secret_is_hidden(masks: Masks) -> None:
    """At least four letters or digits of the secret itself are needed to know it by."""
    chance = random.Random(1)
    cases = [(n, s) for n, value in VALUES.items() if value.isascii() for s in SPELLINGS if s not in RARE]
    shown: list[str] = []
    for name, spelling in chance.sample(cases, SAMPLE):
        spelled = SPELLINGS[spelling](VALUES[name])
        at = chance.randrange(1, len(spelled))
        for cut in (f"{'x ' * 100}{spelled[:at]}…", f"…{spelled[at:]} {'x ' * 100}"):
            shown += [f"{spelling} of {name} cut at {at}: {part}" for part in exposed(masks.hide(cut), PARTS)]
    assert shown == []
