"""Patterns of files: the meaning is git's, and no name takes long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern
from tests.effort import examples

from seatrial.preflight.cache.patterns import linear, matcher

GLOB = st.lists(st.sampled_from(["a", "b", "*", "*", "?", "/", "[ab]", "**/", "\\*", "."]), min_size=1, max_size=9)


@settings(max_examples=examples(400))
@given(GLOB, st.lists(st.text("aab/.*", min_size=1, max_size=10), min_size=1, max_size=6))
def test_a_pattern_means_what_it_did_before_it_was_made_linear(parts: list[str], names: list[str]) -> None:
    regex, _ = GitIgnoreSpecPattern.pattern_to_regex("/" + "".join(parts))
    if regex:
        for name in names:
            assert bool(re.match(regex, name)) == bool(re.match(linear(regex), name)), (regex, linear(regex), name)


@pytest.mark.parametrize("pattern", ["a*" * 12 + "b", "*a" * 12 + "b", "*[!b]" * 12 + "b", "*?" * 12 + "b"])
def test_many_stars_take_no_time(pattern: str) -> None:
    spec, start = matcher([pattern]), time.process_time()
    assert not spec.match_file("a" * 250)
    assert spec.match_file("a" * 250 + "b")
    assert time.process_time() - start < 1


def test_what_is_no_letter_is_no_slash_either() -> None:
    spec = matcher(["a[!b]c"])
    assert spec.match_file("axc")
    assert not spec.match_file("a/c")
