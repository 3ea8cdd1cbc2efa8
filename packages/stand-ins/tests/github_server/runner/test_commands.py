"""Lines that are commands, and all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial_stand_ins.github.runner.commands import Output


class Heard:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.masks: list[str] = []
        self.notes: list[tuple[str, str, dict[str, str]]] = []

    def log(self, line: str) -> None:
        self.lines.append(line)

    def mask(self, value: str) -> None:
        self.masks.append(value)

    def note(self, level: Any, message: str, properties: Mapping[str, str]) -> None:
        self.notes.append((level, message, dict(properties)))


@given(st.text(alphabet=st.characters(exclude_characters="\n"), max_size=40).filter(lambda text: "::" not in text))
def test_a_line_without_a_command_is_logged_as_it_is(text: str) -> None:
    heard = Heard()
    Output(heard).line(text)
    assert (heard.lines, heard.masks, heard.notes) == ([text], [], [])


@given(st.text(alphabet=":a-md=,%0A set", max_size=30))
def test_no_line_is_lost_or_breaks_the_reader(text: str) -> None:
    heard = Heard()
    Output(heard).line(text)
    Output(heard).line("::error::" + text)
    assert heard.notes


@given(st.text(max_size=20), st.text(max_size=20).filter(lambda text: "\n" not in text and text.strip() == text))
def test_what_is_escaped_arrives_as_it_was(message: str, title: str) -> None:
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    about = title.replace("%", "%25").replace("\r", "%0D").replace(":", "%3A").replace(",", "%2C")
    heard = Heard()
    Output(heard).line(f"  ::warning title={about},line=3::{data}")
    assert heard.notes == [("warning", message, {"title": title, "line": "3"})]


def test_an_empty_mask_hides_nothing() -> None:
    heard = Heard()
    Output(heard).line("::add-mask::  ")
    Output(heard).line("::add-mask::x")
    assert heard.masks == ["x"]
