"""Environment files: what is written into them is what is read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial_stand_ins.github.runner import ActionFailed
from seatrial_stand_ins.github.runner.files import folders, pairs

LINES = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
NAMES = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n=<\ufeff"), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, st.lists(LINES, min_size=1, max_size=3), max_size=3))
def test_values_of_several_lines_come_back(written: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output"
        text = "".join(f"{name}<<--end--\n" + "\n".join(lines) + "\n--end--\n" for name, lines in written.items())
        file.write_text(text, encoding="utf-8", newline="")
        assert pairs(file, "output") == {name: "\n".join(lines) for name, lines in written.items()}


@given(st.dictionaries(NAMES, LINES, max_size=3))
def test_values_of_one_line_come_back(written: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output"
        file.write_text("".join(f"{name}={one}\n" for name, one in written.items()), encoding="utf-8", newline="")
        assert pairs(file, "output") == written


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader_but_with_its_own_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output"
        file.write_bytes(text.encode(errors="replace"))
        try:
            found = pairs(file, "output")
        except ActionFailed:
            return
        assert all(found)


def test_the_first_sign_decides_and_later_ones_belong_to_the_value(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("a=b<<c\nd<<e=f\nx=y\ne=f\n\nlast=\r\n")
    assert pairs(file, "output") == {"a": "b<<c", "d": "x=y", "last": ""}


def test_folders_are_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "path"
    file.write_text("/one\n\n/two")
    assert folders(file) == ["/one", "/two"]
    assert folders(tmp_path / "none") == []


def test_what_does_not_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("a<<E\nb\n")
    with pytest.raises(ActionFailed, match="matching delimiter not found 'E'"):
        pairs(file, "output")
