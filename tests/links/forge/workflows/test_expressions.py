"""GitHub's expressions: what they give, as GitHub's documentation says, and what they refuse."""

from __future__ import annotations

import contextlib
import json
import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.links.forge.workflows.expressions import (
    CaseSensitive,
    ExpressionError,
    Unknown,
    UnknownValue,
    condition,
    evaluate,
    render,
    value,
)

CONTEXTS: dict[str, Any] = {
    "github": {
        "ref": "refs/heads/main",
        "event": {"issue": {"labels": [{"name": "bug"}, {"name": "wip"}]}},
        "run_id": "7",
    },
    "env": CaseSensitive(DEBUG="1", empty=""),
    "inputs": {"count": 3, "deploy": True, "name": "Web"},
    "vars": Unknown("vars", "it is set in the repository"),
    "fruits": [
        {"name": "apple", "quantity": 1, "tags": ["a", "b"]},
        {"name": "orange", "quantity": 2, "tags": ["c"]},
        {"quantity": 1},
    ],
    "vegetables": {"scallions": {"colors": ["green", "white"]}, "beets": {"colors": ["purple"]}, "none": 3},
    "nested": {"a-b": {"C": "deep"}},
}


@pytest.mark.parametrize(
    "text, expected",
    [
        # literals
        ("null", None),
        ("true", True),
        ("711", 711),
        ("-9.2", -9.2),
        ("0xff", 255),
        ("0o17", 15),
        ("-2.99e-2", -0.0299),
        (".5", 0.5),
        ("'It''s open source!'", "It's open source!"),
        ("'}}'", "}}"),
        # precedence and grouping
        ("true || false && false", True),
        ("(true || false) && false", False),
        ("!false && true", True),
        ("1 < 2 == true", True),
        ("!(1 == 1)", False),
        # operators give values, not only booleans
        ("'a' && 'b'", "b"),
        ("'' || 'default'", "default"),
        ("inputs.deploy && 'yes' || 'no'", "yes"),
        ("0 || null", None),
        # coercion: other kinds are compared as numbers
        ("null == 0", True),
        ("'' == 0", True),
        ("'1' == 1", True),
        ("' 0x10 ' == 16", True),
        ("true == 1", True),
        ("'true' == true", False),
        ("'abc' == 0", False),
        ("null == ''", True),
        ("NaN == NaN", False),
        ("NaN != NaN", True),
        ("'abc' < 1", False),
        ("'abc' > 1", False),
        ("null >= null", True),
        ("null > null", False),
        # texts have no case
        ("'Main' == 'mAIN'", True),
        ("'a' < 'B'", True),
        ("'ß' == 'SS'", False),
        # lists and mappings are equal only to themselves
        ("fruits == fruits", True),
        ("fromJSON('[1]') == fromJSON('[1]')", False),
        ("fruits == 'Array'", False),
        # looking into
        ("github.ref", "refs/heads/main"),
        ("GitHub.REF", "refs/heads/main"),
        ("github['ref']", "refs/heads/main"),
        ("github.nothing", None),
        ("github.nothing.at.all", None),
        ("github.ref.deeper", None),
        ("nested.a-b.c", "deep"),
        ("nested['A-B']['C']", "deep"),
        ("env.DEBUG", "1"),
        ("env.debug", None),
        ("fruits[1].name", "orange"),
        ("fruits['1'].name", "orange"),
        ("fruits[7]", None),
        ("fruits[-1]", None),
        # filters
        ("fruits.*.name", ["apple", "orange"]),
        ("fruits[*].tags[0]", ["a", "c"]),
        ("fruits.*.tags.*", ["a", "b", "c"]),
        ("vegetables.*.colors", [["green", "white"], ["purple"]]),
        ("github.ref.*", []),
        ("github.event.issue.labels.*.name", ["bug", "wip"]),
        # functions
        ("contains('Hello world', 'LLO')", True),
        ("contains(github.event.issue.labels.*.name, 'BUG')", True),
        ("contains(fromJSON('[1, 2]'), '2')", True),
        ("contains(fromJSON('[\"push\", \"pull_request\"]'), 'pull')", False),
        ("contains(nested, 'a')", False),
        ("startsWith('Hello world', 'he')", True),
        ("endsWith('Hello world', 'LD')", True),
        ("startsWith(fruits, 'A')", False),
        ("startsWith(711, '7')", True),
        ("format('Hello {0} {1} {0}', 'Mona', 3)", "Hello Mona 3 Mona"),
        ("format('{{Hello {0}}}', 'Mona')", "{Hello Mona}"),
        ("join(github.event.issue.labels.*.name, ', ')", "bug, wip"),
        ("join(github.event.issue.labels.*.name)", "bug,wip"),
        ("join('alone', '-')", "alone"),
        ("toJSON(fruits[2])", '{\n  "quantity": 1\n}'),
        ("toJSON('a')", '"a"'),
        ("toJSON(1.5)", "1.5"),
        ("fromJSON('{\"a\": {\"B\": [true]}}').A.b[0]", True),
        ("FROMJSON('3')", 3),
        ("case(false, 'a', inputs.count == 3, 'b', 'c')", "b"),
        ("case(false, 'a', 'c')", "c"),
        ("case(true, 'a', vars.x)", "a"),
        # short circuit: what is not needed need not be known
        ("true || vars.REGION", True),
        ("false && vars.REGION", False),
    ],
)  # fmt: skip
def test_an_expression_gives_what_github_says(text: str, expected: Any) -> None:
    found = evaluate(text, CONTEXTS)
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "an expression is expected"),
        ("a.b", "there is no 'a' in this place; .*there are: env, "),
        ('"double"', "unexpected '\"' at character 1 .* single quotes"),
        ("github.", "ends too early"),
        ("github.ref github.ref", "unexpected 'github' at character 12"),
        ("(1", "ends too early"),
        ("1)", r"unexpected '\)' at character 2"),
        ("a[1", "ends too early"),
        ("1 = 1", "unexpected '=' at character 3"),
        ("1 + 1", r"unexpected '\+' at character 3"),
        ("1x2", "is not a number"),
        ("no('x')", "GitHub has no function 'no'; it has contains"),
        ("contains('a')", "takes 2 argument"),
        ("toJSON()", "takes 1 argument"),
        ("always(1)", "takes 0 argument"),
        ("success()", "has no meaning in this place"),
        ("format('{1}', 'a')", "asks for {1}"),
        ("format('{x}', 'a')", "lone '{'"),
        ("fromJSON('{')", "invalid JSON"),
        ("fromJSON('')", "an empty text"),
        ("case(true, 1, false, 2)", "pairs"),
        ("contains('a', 'b',)", "unexpected"),
        ("*", "unexpected"),
        ("!" * 60 + "true", "nested more than 50"),
        ("(" * 60 + "1" + ")" * 60, "nested more than 50"),
        ("'" + "x" * 21_000 + "'", "at most 21000"),
    ],
)
def test_what_github_would_refuse_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        evaluate(text, CONTEXTS)


@pytest.mark.parametrize(
    "text", ["vars.REGION", "'x' == vars.REGION", "!vars.A", "vars.*", "format('{0}', vars.A)", "github[vars.A]"]
)
def test_what_needs_an_unknown_value_says_which(text: str) -> None:
    with pytest.raises(UnknownValue, match=r"`vars\.[A-Z*]+` cannot be known here: it is set in the repository"):
        evaluate(text, CONTEXTS)


@pytest.mark.parametrize(
    "template, expected",
    [
        ("plain", "plain"),
        ("deploy-${{ github.ref }}", "deploy-refs/heads/main"),
        ("${{ inputs.count }}", "3"),
        ("${{ inputs.deploy }}${{ null }}", "true"),
        ("${{ 1.0 }} ${{ 1e20 }} ${{ 0.1 }} ${{ -0 }}", "1 1E+20 0.1 0"),
        ("x ${{ fruits }} ${{ nested }}", "x Array Object"),
        ("${{ '}}' }}", "}}"),
        ("${{ 'it''s }}' }}!", "it's }}!"),
        ("$ { { ${ {{ }} ${{ 1 }}}", "$ { { ${ {{ }} 1}"),
    ],
)
def test_a_template_is_filled_in(template: str, expected: str) -> None:
    assert render(template, CONTEXTS) == expected


def test_one_expression_alone_keeps_its_kind() -> None:
    assert value("${{ inputs.count }}", CONTEXTS) == 3
    assert value({"a": ["${{ fruits[0].tags }}"], "b": 1}, CONTEXTS) == {"a": [["a", "b"]], "b": 1}
    with pytest.raises(ExpressionError, match="is an array where a text is expected; use toJSON"):
        render("${{ fruits }}", CONTEXTS)


def test_an_expression_that_is_not_closed_is_refused() -> None:
    for text in ("${{ github.ref", "${{ 'a }}", "a ${{ x }"):
        with pytest.raises(ExpressionError, match="is not closed"):
            render(text, CONTEXTS)


@pytest.mark.parametrize(
    "text, after_success, after_failure",
    [
        ("", True, False),
        ("inputs.deploy", True, False),
        ("${{ inputs.deploy }}", True, False),
        ("always()", True, True),
        ("failure()", False, True),
        ("${{ failure() && inputs.count == 3 }}", False, True),
        ("Always() && inputs.count == 4", False, False),
        ("success() || inputs.count == 3", True, True),
        ("!cancelled()", True, True),
        # Text beside the braces makes a text of all, and a text is true.
        ("${{ false }} && true", True, False),
        ("false", False, False),
    ],
)
def test_a_condition_asks_for_success_unless_it_asks_itself(
    text: str, after_success: bool, after_failure: bool
) -> None:
    for failed, expected in ((False, after_success), (True, after_failure)):
        functions: dict[str, Callable[[], bool]] = {
            "success": partial(operator.not_, failed),
            "failure": partial(bool, failed),
            "always": partial(bool, True),
            "cancelled": partial(bool, False),
        }
        assert condition(text, CONTEXTS, functions) is expected


@given(st.text(alphabet="gh.ref()[]!<>=&|'*,0x1e-+ ${}\"envtru", max_size=40))
def test_no_text_breaks_the_parser_but_with_its_own_error(text: str) -> None:
    functions = {"success": lambda: True}
    for ask in (
        lambda: evaluate(text, CONTEXTS),
        lambda: render("${{" + text + "}}", CONTEXTS),
        lambda: condition(text, CONTEXTS, functions),
    ):
        with contextlib.suppress(ExpressionError):
            ask()


@given(st.text().filter(lambda text: "${{" not in text))
def test_a_text_without_expressions_is_left_as_it_is(text: str) -> None:
    assert render(text, {}) == text


@given(st.text(max_size=30))
def test_every_text_can_be_written_as_a_literal(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    assert evaluate(literal, {}) == text
    assert render("<${{ " + literal + " }}>", {}) == f"<{text}>"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9999, 9999) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(_JSON)
def test_to_json_and_back_is_the_same_value(found: Any) -> None:
    assert evaluate("fromJSON(toJSON(x))", {"x": found}) == json.loads(json.dumps(found))


@given(st.floats() | st.text(max_size=5) | st.none() | st.booleans(), st.floats() | st.text(max_size=5) | st.none())
def test_order_and_equality_agree(left: Any, right: Any) -> None:
    names = {"l": left, "r": right}
    one = evaluate("l == r", names)
    assert one == evaluate("r == l", names) == (not evaluate("l != r", names))
    assert not (evaluate("l < r", names) and evaluate("l > r", names))
    assert evaluate("l <= r", names) == (one or evaluate("l < r", names))
    if isinstance(left, float) and math.isnan(left):
        assert not one
