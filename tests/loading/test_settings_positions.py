"""Line and column of what is wrong in `seatrial.toml`."""

from __future__ import annotations

import tomllib

import pytest

from seatrial.loading.read.toml import locate

TEXT = """# services
services.pier = { command = ["a", "b"], health = { http = "/", status = 0 } }
[a."b.c"]
words = \"\"\"
e = 1
\"\"\"
charts = [
  { x = 1 }, # [ {
  { x = 2, 'y z' = '#' },
]
at = 1979-05-27 07:32:00
[[rows]]
n = 1
[[rows]]
n = 2
[rows.sub]
k = 1
"""


@pytest.mark.parametrize(
    ("place", "value", "key"),
    [
        (("services", "pier", "health", "status"), (2, 73), (2, 64)),
        (("services", "pier", "command", 1), (2, 35), (2, 35)),
        (("services", "pier", "missing"), (2, 1), (2, 1)),
        (("services", "missing"), (2, 1), (2, 1)),
        (("a", "b.c", "charts", 1, "y z"), (9, 20), (9, 12)),
        (("a", "b.c", "at"), (11, 6), (11, 1)),
        (("rows", 0, "n"), (13, 5), (13, 1)),
        (("rows", 1, "sub", "k"), (17, 5), (17, 1)),
        (("missing",), (1, 1), (1, 1)),
    ],
)
def test_a_key_is_found_also_in_inline_tables_and_arrays(place, value, key):
    tomllib.loads(TEXT)
    assert locate(TEXT, place) == value
    assert locate(TEXT, place, key=True) == key


@pytest.mark.parametrize("text", ["", "a", "[", "= 1", "a = [", "a = {b", 'a = "', "]]", "[[x"])
def test_what_is_no_toml_ends_too(text):
    assert locate(text, ("b",)) == (1, 1)
