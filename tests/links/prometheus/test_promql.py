"""A label in every selector: the result is the same query with one matcher more in each."""

from __future__ import annotations

from typing import Any

import promql_parser as library
import pytest
from hypothesis import given
from hypothesis import strategies as some

from seatrial.links.prometheus.promql import Selector, comparison, counted, labelled, parsed, quoted, selectors

NAMES = some.sampled_from(["up", "orders_total", "job:orders:sum", "sum", "by", "offset", "on", "bool"]).filter(
    lambda name: name not in ("by", "on", "bool", "sum", "offset")
) | some.just("offset_total")
TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=6)
LABELS = some.sampled_from(["a", "job", "on", "sum", "le", "run", "_x", "Z9"])
DURATIONS = some.sampled_from(["5m", "1h30m", "1500ms", "2w"])
NUMBERS = some.sampled_from(["0", "1", "2.5", "1e3", "1e-9", "Inf", "NaN", "0x1F"])


@some.composite
def selections(draw: Any) -> str:
    """A selector without a range."""
    name = draw(NAMES | some.just(""))
    exact = [
        f"{draw(LABELS)}{draw(some.sampled_from(['=', '!=']))}{quoted(draw(TEXTS))}"
        for _ in range(draw(some.integers(0, 2)))
    ]
    patterns = [
        f"{draw(LABELS)}{draw(some.sampled_from(['=~', '!~']))}{quoted('a.*|b+')}"
        for _ in range(draw(some.integers(0, 2)))
    ]
    inside = [*exact, *patterns, *([] if name else ['__name__=~"x.+"'])]
    return f"{name}{{{','.join(inside)}}}" if inside or draw(some.booleans()) else name


MOVES = some.sampled_from(["", " offset 5m", " offset -1h", " @ 1609746000.123", " @ start()", " @ end() offset 1m"])


def vectors() -> some.SearchStrategy[str]:
    """A query whose value is an instant vector."""
    leaves = some.builds("{}{}".format, selections(), MOVES)
    ranges = some.builds("{}[{}]{}".format, selections(), DURATIONS, MOVES)
    rates = some.builds("{}({})".format, some.sampled_from(["rate", "increase", "last_over_time", "holt"]).map(
        lambda name: "irate" if name == "holt" else name), ranges)  # fmt: skip

    def grown(inner: some.SearchStrategy[str]) -> some.SearchStrategy[str]:
        operators = some.sampled_from(["+", "-", "*", "/", "%", "^", "> bool", "==", "<", "atan2"])
        sets = some.sampled_from(["and", "or", "unless"])
        matching = some.sampled_from(["", "on (a, job)", "ignoring (le)", "on (a) group_left (Z9)"])
        return some.one_of(
            some.builds("({}) {} {} ({})".format, inner, operators, matching, inner),
            some.builds("({}) {} ({})".format, inner, sets, inner),
            some.builds("({}) {} {}".format, inner, operators, NUMBERS),
            some.builds("-({})".format, inner),
            some.builds("sum by (a, job) ({})".format, inner),
            some.builds("max({}) without (le)".format, inner),
            some.builds("topk(3, {})".format, inner),
            some.builds("quantile(scalar({}), {})".format, inner, inner),
            some.builds("count_values({}, {})".format, some.just('"v"'), inner),
            some.builds("max_over_time(({})[{}:1m]{})".format, inner, DURATIONS, MOVES),
            some.builds("absent({})".format, inner),
            some.builds('label_replace({}, "x", "$1", "y", "(.*)")'.format, inner),
            some.builds("histogram_quantile(0.9, {})".format, inner),
        )

    return some.recursive(leaves | rates, grown, max_leaves=6)


def shape(node: Any, without: Any = None) -> Any:
    """A tree as plain values; of each selector, one matcher that is `without` is left out."""
    if isinstance(node, library.VectorSelector):
        matchers = sorted((str(one.op), one.name, one.value) for one in node.matchers.matchers)
        if without is not None:
            matchers.remove(("MatchOp.Equal", *without))
        return ("selector", node.name, matchers, node.offset, at(node))
    kinds = ("op", "lhs", "rhs", "expr", "param", "args", "vector_selector", "range", "step", "val", "offset")
    parts: list[Any] = [type(node).__name__]
    for name in kinds:
        if hasattr(node, name):
            value = getattr(node, name)
            if isinstance(value, list):
                parts.append([shape(one, without) for one in value])
            elif isinstance(value, library.Expr):
                parts.append(shape(value, without))
            else:
                parts.append(str(value))
    if isinstance(node, library.Call):
        parts.append(node.func.name)
    if isinstance(node, library.SubqueryExpr):
        parts.append(at(node))
    if modifier := getattr(node, "modifier", None):
        parts.append(
            [str(getattr(modifier, name, "")) for name in ("type", "labels", "card", "return_bool", "group_labels")]
        )
        if getattr(modifier, "matching", None):
            parts.append((str(modifier.matching.type), modifier.matching.labels))
    return parts


def at(node: Any) -> Any:
    return None if node.at is None else (str(node.at.type), node.at.at)


@given(vectors(), TEXTS)
def test_the_result_is_the_same_tree_with_one_matcher_more_in_each_selector(query: str, value: str) -> None:
    made = labelled(query, "run", value)
    assert shape(library.parse(made), ("run", value)) == shape(parsed(query))


@given(vectors())
def test_each_selector_of_the_result_has_the_label(query: str) -> None:
    found = selectors(labelled(query, "run", "t1"))
    assert found
    assert all('run="t1"' in one.text for one in found)


@pytest.mark.parametrize(
    ("query", "made"),
    [
        ("up", 'up{run="t1"}'),
        ("sum(up) by ()", 'sum(up{run="t1"})'),
        ('{__name__=~"a.*"} offset 5m', '{__name__=~"a.*",run="t1"} offset 5m'),
        ("a / on (x) group_left b", 'a{run="t1"} / on (x) group_left () b{run="t1"}'),
        ("max_over_time(rate(a[1m])[10m:5s] @ 5)", 'max_over_time(rate(a{run="t1"}[1m])[10m:5s] @ 5.000)'),
        ("job:orders:sum + orders_total", 'job:orders:sum + orders_total{run="t1"}'),
        ("holt_winters(a[1m], 0.1, 0.1)", 'holt_winters(a{run="t1"}[1m], 0.1, 0.1)'),
        ('a{run="other"}', 'a{run="other",run="t1"}'),
        ('{a="1" or b="2"}', '{a="1", run="t1" or b="2", run="t1"}'),
        ('"text"', '"text"'), ("time() - 3", "time() - 3"),
    ],
)  # fmt: skip
def test_queries_as_people_write_them(query: str, made: str) -> None:
    assert labelled(query, "run", "t1", ["job:*"]) == made


@pytest.mark.parametrize("query", ["", "sum(", "a{", "rate(a)", "no_such_function(a)", "a +", "{}", 'a{b="c'])
def test_what_is_no_promql_is_said(query: str) -> None:
    with pytest.raises(ValueError, match=r"PromQL|empty"):
        labelled(query, "run", "t1")


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("up == 1", ("up", "==", 1.0)), ("(3 < sum(a))", ("sum(a)", ">", 3.0)), ("a >= -2", ("a", ">=", -2.0)),
        ("a > bool 3", None), ("a == b", None), ("a + 1", None), ("1 == bool 1", None), ("5 != a", ("a", "!=", 5.0)),
        ("a and b == 3", None),
    ],
)  # fmt: skip
def test_a_comparison_with_a_number_is_told_apart(query: str, parts: Any) -> None:
    assert comparison(query) == parts


@pytest.mark.parametrize(
    ("query", "increases"),
    [
        ("a", True), ("sum(a)", True), ('sum by (x) (a{b="c"})', True), ("sum(a) without (x)", True),
        ("(sum((a)))", True),
        ("max(a)", False), ("a + b", False), ("rate(a[5m])", False), ("a offset 5m", False), ("sum(a @ 3)", False),
    ],
)  # fmt: skip
def test_an_increase_is_of_a_counter_or_of_a_sum(query: str, increases: bool) -> None:
    assert (counted(query) is not None) == increases


def test_selectors_say_what_moves_and_what_is_asked_for_its_absence() -> None:
    found = selectors("absent(a) or b offset 5m - b + rate({__name__=~'c'}[5m])")
    assert found == [
        Selector("a", "a", False, True), Selector("b offset 5m", "b", True, False), Selector("b", "b", False, False),
        Selector('{__name__=~"c"}', "", False, False),
    ]  # fmt: skip
