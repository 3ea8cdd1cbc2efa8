"""Masking of text that is written while it comes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.engine.masked_stream import MOST, MaskedStream
from seatrial.engine.masking import Masks
from seatrial.testing import virtual_time

KEY = "-----BEGIN KEY-----\nMIIabcdefgh0123\nijklmnopq45678\n-----END KEY-----"
WORDS = "two\nshort\nlines"
TOKEN = "tokn-8Jq2LmZx4VbN7"


def masks(*secrets: str) -> Masks:
    made = Masks()
    for secret in secrets:
        assert made.add(secret)
    return made


def streamed(pieces: list[bytes], *secrets: str, pause: float = 0.0) -> list[str]:
    """What is written of these pieces, with a pause after each."""
    written: list[str] = []

    async def work() -> None:
        stream = MaskedStream(masks(*secrets), written.append)
        for piece in pieces:
            stream.add(piece)
            await asyncio.sleep(pause)
        stream.close()

    with virtual_time() as clock:
        clock.run(work())
    return written


def test_a_line_is_written_before_the_next_one_comes() -> None:
    written: list[str] = []

    async def work() -> None:
        stream = MaskedStream(masks(TOKEN), written.append)
        stream.add(f"first {TOKEN}\n".encode())
        await asyncio.sleep(1)
        assert written == ["first ***\n"]
        stream.add(b"second")
        stream.close()

    with virtual_time() as clock:
        clock.run(work())
    assert written == ["first ***\n", "second"]


def test_the_lines_of_a_secret_that_come_together_are_hidden_together() -> None:
    lines = [f"{line}\n".encode() for line in f"before\n{WORDS}\nafter".splitlines()]
    assert "".join(streamed(lines, WORDS, pause=0.04)) == "before\n***\nafter\n"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([TOKEN, KEY, WORDS, "a line\n", "x" * 50, "\n", "https://me:word@host/\n"]), max_size=40),
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_text_in_any_pieces_is_masked_as_a_whole(texts: list[str], sizes: list[int]) -> None:
    whole, at = "".join(texts).encode(), 0
    pieces: list[bytes] = []
    while at < len(whole):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(whole[at : at + size])
        at += size
    assert "".join(streamed(pieces, TOKEN, KEY, WORDS)) == masks(TOKEN, KEY, WORDS).hide(whole.decode())


@pytest.mark.parametrize("between", ["\n", ""])
def test_a_fast_output_is_written_in_parts_without_cutting_a_secret(between: str) -> None:
    piece = (between.join([TOKEN, "y" * 991]) + between) * 200
    written = streamed([piece.encode()] * 12, TOKEN)
    assert len(written) > 2
    assert max(map(len, written)) < 2 * MOST
    assert "".join(written).count("***") == 2400
    for part in written:
        assert "tokn" not in part
        assert "4VbN7" not in part


def test_a_character_in_two_pieces_is_one() -> None:
    assert streamed(["ü".encode()[:1], "ü".encode()[1:]], pause=1.0)[-1] == "ü"


def test_the_error_of_a_late_write_comes_with_the_next_call() -> None:
    def full(_: str) -> None:
        raise OSError("no space left")

    async def work() -> None:
        stream = MaskedStream(Masks(), full)
        stream.add(b"x\n")
        await asyncio.sleep(1)
        with pytest.raises(OSError, match="no space left"):
            stream.add(b"y\n")

    with virtual_time() as clock:
        clock.run(work())


PIECES = [
    (f"before {TOKEN[:9]}", f"{TOKEN[9:]} after\n"),
    (f"before {TOKEN[:1]}", f"{TOKEN[1:]} after\n"),
    (f"before {TOKEN[:12]}\n", f"{TOKEN[12:]} after\n"),  # as a long line is folded
    (f'"{TOKEN[:4]}\\', f"u002d{TOKEN[5:]}\n"),
    (f"before {KEY.encode().hex()[:32]}\n", f"{KEY.encode().hex()[32:]} after\n"),
    ("two\n", "short\nlines\n"),
    ("step two\nshort\n", "lines\n"),
]


@pytest.mark.parametrize("pieces", PIECES)
def test_the_rest_of_a_secret_is_hidden_also_after_a_long_pause(pieces: tuple[str, ...]) -> None:
    written = "".join(streamed([piece.encode() for piece in pieces], TOKEN, KEY, WORDS, pause=3600))
    assert written == masks(TOKEN, KEY, WORDS).hide("".join(pieces))
    assert "***" in written


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([TOKEN, KEY, WORDS, TOKEN.encode().hex()]))
def test_no_pause_inside_of_a_secret_shows_a_part_of_it(data: st.DataObject, secret: str) -> None:
    whole = f"a line\nanother one: {secret} and more\nlast\n"
    cuts = data.draw(st.lists(st.integers(1, len(whole) - 1), max_size=4).map(lambda found: sorted({0, *found})))
    pieces = [whole[at:end].encode() for at, end in zip(cuts, [*cuts[1:], len(whole)], strict=True)]
    assert "".join(streamed(pieces, TOKEN, KEY, WORDS, pause=60)) == masks(TOKEN, KEY, WORDS).hide(whole)


def test_lines_are_shown_while_the_next_one_may_be_a_secret() -> None:
    written: list[str] = []

    async def work() -> None:
        stream = MaskedStream(masks(TOKEN), written.append)
        for _ in range(3):
            stream.add(f"progress\nits end is {TOKEN[:8]}".encode())
            await asyncio.sleep(1)
            assert written.pop().endswith("progress\n")
            stream.add(b"\n")
        await asyncio.sleep(3600)
        assert written == []
        stream.close()

    with virtual_time() as clock:
        clock.run(work())
    assert written == [f"its end is {TOKEN[:8]}\n"]
