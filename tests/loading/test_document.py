"""The reader: the types of YAML 1.2, positions, and that nothing but DocumentError ever comes out of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.effort import examples

from seatrial.errors import DocumentError
from seatrial.loading.read.document import line_of, read
from seatrial.model.scenario import Location
from seatrial.model.written import plain_number

QUICK = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text, value",
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("2024-01-01", "2024-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0o17", 15),
        ("017", 17),
        ("0xff", 255),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("+1", 1),
        ("1.2.3", "1.2.3"),
        ("-", [None]),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!float 5", 5.0),
        ("!!int '5'", 5),
        ("=", "="),
        ("<<", "<<"),
        ("|\n   5\n", "5\n"),
    ],
)
def test_yaml_has_the_types_of_its_version_1_2_core(tmp_path: Path, text: str, value: Any) -> None:
    found = read(written(tmp_path, "a.yaml", f"key: {text}" if text != "-" else "key:\n  -")).data["key"]
    assert (found, type(plain_number(found))) == (value, type(value))
    assert (
        not isinstance(found, int | float)
        or isinstance(found, bool)
        or str(found) == text.rpartition(" ")[2].strip("'")
    )


def test_aliases_repeat_values_and_keys_stay_words(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", "a: &x {k: [1, 2]}\nb: *x\non: &w word\nno: *w\n")
    assert read(path).data == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}, "on": "word", "no": "word"}


def test_ten_thousand_plain_values_are_no_bomb(tmp_path: Path) -> None:
    text = "base: &b {a: 1}\nlist:\n" + "  - *b\n" * 10_000
    assert len(read(written(tmp_path, "a.yaml", text)).data["list"]) == 10_000


def test_a_byte_order_mark_is_no_part_of_the_document(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.json", b'\xef\xbb\xbf{"a": 1}')).data == {"a": 1}
    assert read(written(tmp_path, "a.yaml", b"\xef\xbb\xbfa: 1")).data == {"a": 1}


def test_a_fifo_is_refused_and_does_not_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(DocumentError, match="not a regular file"):
        read(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.yaml", "x: 1\nlong:\n  - é: [a, {deep: 7}]\n    'quoted key': !!str 5\n"),
        ("a.json", '{"x": 1,\n "long": [\n\t{"é": ["a", {"deep": 7}],\n "quoted key": "5"}]}'),
    ],
)
def test_a_place_is_found_by_its_path_and_its_key(tmp_path: Path, name: str, text: str) -> None:
    document = read(written(tmp_path, name, text))
    lines = text.split("\n")

    def at(place: tuple[str | int, ...], *, key: bool = False) -> str:
        line, column = document.locate(place, key=key)
        return lines[line - 1][column - 1 :]

    assert at(("long", 0, "é", 1, "deep")).startswith("7")
    assert at(("long", 0, "é", 1, "deep"), key=True).lstrip('"').startswith("deep")
    assert at(("long", 0, "é", 0)).lstrip('"').startswith("a")
    assert at(("long", 0, "quoted key"), key=True).lstrip("\"'").startswith("quoted key")
    assert at(("long", 0, "quoted key")).removeprefix("!!str ").lstrip('"').startswith("5")
    assert document.locate(("long", 0, "é", 9)) == document.locate(("long", 0, "é"))
    assert document.locate(("nope",)) == (1, 1)


def test_a_place_in_the_plan_finds_its_line_later(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", "a: 1\nb: [2, 3]\n")
    assert line_of(Location(file=str(path), path=("b", 1))) == (2, 8)


SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e6, 1e6) | st.text(max_size=8)
WORDS = st.text("abcdefghij_-", min_size=1, max_size=6)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)


def places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(place, value), *(found for key, one in inner for found in places(one, (*place, key)))]


@QUICK
@given(
    value=st.dictionaries(st.text(max_size=6), DATA, min_size=1, max_size=4), indent=st.sampled_from([None, 1, "\t"])
)
def test_every_json_value_is_read_back_and_every_place_is_where_its_token_is(
    tmp_path: Path, value: Any, indent: Any
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=bool(indent))
    document = read(written(tmp_path, "a.json", text.encode("utf-8", "surrogatepass")))
    assert document.data == value
    lines = text.split("\n")
    decoder = json.JSONDecoder()
    for place, expected in places(value):
        line, column = document.locate(place)
        assert decoder.raw_decode("\n".join(lines[line - 1 :])[column - 1 :])[0] == expected
        if place and isinstance(place[-1], str):
            line, column = document.locate(place, key=True)
            assert decoder.raw_decode(lines[line - 1][column - 1 :])[0] == place[-1]


TREES = st.recursive(
    st.integers(0, 999) | WORDS,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(WORDS, inner, min_size=1, max_size=3),
)


@QUICK
@given(value=st.dictionaries(WORDS, TREES, min_size=1, max_size=3), flow=st.booleans())
def test_every_yaml_value_is_where_its_token_is(tmp_path: Path, value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, default_style='"', width=40)
    document = read(written(tmp_path, "a.yaml", text))
    lines = text.split("\n")
    for place, expected in places(document.data):
        if isinstance(expected, str):
            line, column = document.locate(place)
            assert lines[line - 1][column - 1 :].startswith(f'"{expected}"') or "!!" in lines[line - 1]


@QUICK
@given(
    text=st.text(max_size=200) | st.text("{}[]:,-&*!|>'\"#%@`?\n\t ab1", max_size=80),
    name=st.sampled_from(["a.yaml", "a.json"]),
)
def test_any_text_is_read_or_refused_with_places_inside_it(tmp_path: Path, text: str, name: str) -> None:
    path = written(tmp_path, name, text.encode("utf-8", "surrogatepass"))
    try:
        document = read(path)
    except DocumentError as error:
        height = (
            text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 2
        )
        assert all(0 <= one.line <= height and one.message for one in error.problems)  # noqa: PT017
    else:
        assert document.locate(()) >= (1, 1)
        for place, _ in places(document.data):
            assert document.locate(place) >= (1, 1)


@QUICK
@given(raw=st.binary(max_size=200), name=st.sampled_from(["a.yaml", "a.json"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes, name: str) -> None:
    try:
        read(written(tmp_path, name, raw))
    except DocumentError as error:
        assert error.problems  # noqa: PT017
