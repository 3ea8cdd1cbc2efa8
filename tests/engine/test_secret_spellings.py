"""Forty secrets in every spelling of common tools, whole and cut anywhere."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable

import pytest
from tests.acceptance.spelled_secrets import SPELLINGS, VALUES, exposed, lines, said, windows

from seatrial.engine.masking import MASK, Masks
from seatrial.engine.spellings import PIECE

PARTS = windows()


@pytest.fixture(scope="module")
def masks() -> Masks:
    made = Masks()
    for value in VALUES.values():
        assert made.add(value)
    return made


@pytest.mark.slow
def test_every_secret_is_hidden_in_every_spelling(masks: Masks) -> None:
    assert (len(VALUES), len(SPELLINGS) >= 60) == (40, True)
    hidden = masks.hide(said())
    assert exposed(hidden, PARTS) == []
    assert hidden.count("[end]") == len(list(lines())), "more than the secrets is hidden"
    assert hidden.count(MASK) >= len(list(lines()))


def test_the_search_itself_finds_every_secret() -> None:
    found = exposed(said(), PARTS)
    assert {name for name in VALUES if any(line.startswith(f"{name}, ") for line in found)} == {*VALUES}


CHANGED: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "small letters": str.lower,
    "backwards": lambda text: text[::-1],
    "UTF-16": lambda text: "\0".join(text),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 of UTF-16 within more": lambda text: base64.b64encode(f"$p='{text}'".encode("utf-16-le")).decode(),
    "hexadecimal UTF-16": lambda text: text.encode("utf-16-le").hex().upper(),
}


LEFT = {"base64 of UTF-16": len("A=="), "base64 of UTF-16 within more": len("JABwAD0AJwB") + len("AnAA==")}
"""Characters with bits of what is around the secret."""


@pytest.mark.parametrize("spelling", CHANGED)
def test_a_secret_is_hidden_in_another_case_backwards_and_as_utf_16(masks: Masks, spelling: str) -> None:
    shown = []
    for name, value in VALUES.items():
        if spelling in ("capitals", "small letters", "backwards") and len(value) >= PIECE:
            continue
        hidden = masks.hide(f"before {CHANGED[spelling](value)} after")
        rest = hidden.removeprefix("before").removesuffix("after").replace(MASK, "").strip(" \0")
        if len(rest) > LEFT.get(spelling, 0):
            shown.append(f"{name}: {hidden}")
    assert shown == []


def test_a_word_in_another_case_is_no_secret() -> None:
    masks = Masks()
    masks.add("PostgreSQL")
    assert masks.hide("postgresql is up, PostgreSQL too") == f"postgresql is up, {MASK} too"


SAMPLE = 150
"""Of the cuts: all take minutes."""

RARE = ("coloured", "wrapped", "wrapped and indented")
"""Spellings in which a secret that is broken as well as cut may show a part."""


@pytest.mark.slow
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
