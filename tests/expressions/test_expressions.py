"""What is filled in later: paths, CEL, templates in structures, and what can be told before."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import examples

from seatrial.errors import CannotTell
from seatrial.expressions import (
    CHECK_NAMES,
    EXTRAS,
    Scope,
    bind,
    check,
    check_template,
    evaluate,
    references,
    renamed_outputs,
    strip,
    templated,
    with_old_names,
)
from seatrial.expressions import (
    NAMES as DESCRIBED,
)
from seatrial.expressions.evaluate import fill_but
from seatrial.expressions.text import read
from seatrial.model.values import CutText

NAMES = {
    "steps": {"deploy": {"outputs": {"ip": "10.0.0.1", "ports": [80, 443], "my-key": 1}}},
    "vars": {"x": 3, "flag": True, "none": None, "word": "a'b"},
    "parameters": {"cluster_size": 3},
    "suite": {"provider": "local"},
    "deploy_dir": "/tmp/d",
    "nodes": {"n11": {"ports": {"client": 1234}}},
}


@pytest.mark.parametrize(
    "text, value",
    [
        ("${{ vars.x }}", 3),
        ("  ${{vars.x}} ", 3),
        ("${{ vars.flag }}", True),
        ("${{ vars.none }}", None),
        ("${{ steps.deploy.outputs.ports }}", [80, 443]),
        ("${{ steps.deploy.outputs.ports[1] }}", 443),
        ("${{ steps['deploy'].outputs['my-key'] }}", 1),
        ("${{ nodes.n11.ports.client }}", 1234),
        ("x=${{ vars.x }}, ${{ vars.flag }}", "x=3, true"),
        ("<${{ vars.none }}>", "<>"),
        ("${{ vars.x }}${{ vars.x }}", "33"),
        ("${{ steps.deploy.outputs.ports }}!", "[80, 443]!"),
        ("$deployment_dir/x on ${provider}", "/tmp/d/x on local"),
        ("$deployment_dirs $HOME $1", "$deployment_dirs $HOME $1"),
        ("${{ vars.x > 2 }}", True),
        ("${{ vars.x + parameters.cluster_size }}", 6),
        ("${{ 'a }} b' + vars.word }}", "a }} ba'b"),
        ("${{ steps.deploy.outputs.ports.all(p, p > 10) }}", True),
        ("${{ size(steps.deploy.outputs.ports) == 2 ? 'two' : 'other' }}", "two"),
        ("${{ true }}", True),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_a_string_is_filled_in(text: str, value: Any) -> None:
    found = bind(text, NAMES)
    assert (found, type(found)) == (value, type(value))


def test_structures_are_filled_in_to_their_depths() -> None:
    given_ = {"a": ["${{ vars.x }}", {"${{ vars.word }}": "$provider"}], "b": 1, "c": ("${{ vars.x }}",)}
    assert bind(given_, NAMES) == {"a": [3, {"a'b": "local"}], "b": 1, "c": (3,)}


def test_what_a_template_gives_is_not_filled_in_again() -> None:
    names = {"vars": {"evil": "${{ secrets.KEY }} $provider"}, "suite": {"provider": "p"}}
    assert bind("a ${{ vars.evil }}", names) == "a ${{ secrets.KEY }} $provider"


@given(st.text() | st.sampled_from(["${{ env.X }}", "${{ secrets.K }}", "${{ 1 + 1 }}", "$deployment_dir"]))
def test_any_value_is_in_the_text_as_it_is(value: str) -> None:
    names = {"vars": {"x": value}, "env": {"X": "x"}, "secrets": {"K": "k"}, "deploy_dir": "d"}
    assert bind("a${{ vars.x }}b", names) == f"a{value}b"
    assert bind(["${{ vars.x }}", {"k": "${{ vars.x + vars.x }}"}], names) == [value, {"k": value + value}]


@pytest.mark.parametrize(
    "text",
    [
        "${{ vars.y }}",
        "${{ steps.nope.outputs.x }}",
        "${{ vars.x.y }}",
        "${{ vars.x + 'a' }}",
        "${{ vars.y > 1 }}",
        "${{ steps.deploy.outputs.ports[7] }}",
        "${{ 1 / 0 }}",
    ],
)
def test_a_value_that_is_not_there_cannot_be_told(text: str) -> None:
    with pytest.raises(CannotTell, match="has no value here"):
        bind(text, NAMES)


def test_a_plain_path_needs_no_cel_library() -> None:
    code = (
        "import sys; from seatrial.expressions import bind, check, Scope\n"
        "bind('${{ vars.x }} $provider', {'vars': {'x': 1}, 'suite': {'provider': 'p'}})\n"
        "check('vars.x', Scope(variables={'x'})); check('true', Scope())\n"
        "sys.exit('cel' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a.b[0]['c'].d", {("a", "b", 0, "c", "d")}),
        ("${{ vars.x }}", {("vars", "x")}),
        ("size(vars.x) > 2 && steps['dep'].outputs.y.contains('z')", {("vars", "x"), ("steps", "dep", "outputs", "y")}),
        ("json.items.all(i, i.x == vars.q)", {("json", "items"), ("vars", "q")}),
        ("{'a': vars.b, vars.c: 1}", {("vars", "b"), ("vars", "c")}),
        ("'steps.no' + \"vars.no\" + vars.z", {("vars", "z")}),
        ("has(steps.a.outputs.b) ? 1 : 2.5e3", {("steps", "a", "outputs", "b")}),
        ("type(vars.x) == int", {("vars", "x")}),
        ("vars.a in vars.list", {("vars", "a"), ("vars", "list")}),
        ("true || false", set()),
    ],
)
def test_references_are_the_roots_with_what_stands_under_them(text: str, expected: Any) -> None:
    assert set(references(text)) == expected


def scope() -> Scope:
    return Scope(
        steps={"deploy"},
        all_steps={"deploy", "late"},
        variables={"x"},
        all_variables={"x", "y"},
        parameters={"cluster_size"},
        extras=("json",),
        environment={"HOME": "h", "KEY": "k"},
    )


@pytest.mark.parametrize(
    "text",
    [
        "vars.x",
        "steps.deploy.outputs.a",
        "json.a.b",
        "run.id",
        "suite.name",
        "env.HOME",
        "secrets.KEY",
        "env.E2E_RUN_ID",
        "parameters.cluster_size > 2",
        "nodes.n11.address",
        "deploy_dir",
        "false",
        '"GONE" in env ? env.GONE : "x"',
        "'GONE' in env && env['GONE'] == '1'",
    ],
)
def test_what_is_there_is_not_complained_of(text: str) -> None:
    assert check(text, scope()) == []


@pytest.mark.parametrize(
    "text, word",
    [
        ("vars.y", "not set at this point"),
        ("vars.z", "unknown variable"),
        ("steps.late.outputs.a", "not run at this point"),
        ("steps.deploi.outputs.a", "unknown step"),
        ("jsn", "unknown variable"),
        ("suite.nam", "has no"),
        ("x" * 3000, "characters"),
        ("vars.x > ", "not a CEL"),
        ("lower(vars.x)", "unknown function"),
        ('"HOME" in env ? env.GONE : "x"', "GONE is not set"),
        ('"GONE in env" == env.GONE', "GONE is not set"),
    ],
)
def test_what_is_not_there_is_told_before_the_run(text: str, word: str) -> None:
    problems = check(text, scope())
    assert len(problems) == 1
    assert word in problems[0][0]


def test_braces_within_a_cel_string_are_refused_because_nothing_fills_them_in():
    ((message, hint),) = check("steps.deploy.outputs.ip == 'at ${{ trial.id }}'", scope())
    assert message.endswith("`${{ }}` is not filled in within a CEL string")
    assert "'before ' + trial.id" in hint


def test_the_secrets_that_are_asked_for_are_noted() -> None:
    here = scope()
    check_template("a ${{ secrets.KEY }} b", here)
    assert here.secrets == {"KEY"}


def test_templates_are_told_from_plain_text() -> None:
    assert templated("a ${{ b }}")
    assert templated(["x", {"k": ("$provider",)}])
    assert not templated(["$HOME", {"k": 3}, None])
    assert strip(" ${{ a.b }} ") == "a.b"
    assert strip("a.b") == "a.b"


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=40) | st.text("${} ab.'\"[]()0,:?&|=<>!-+", max_size=40))
def test_no_text_breaks_the_checker_and_plain_text_stays_as_it_is(text: str) -> None:
    assert isinstance(check_template("${{" + text + "}}", scope()), list)
    assert isinstance(check_template(text, scope()), list)
    if not templated(text):
        assert bind(text, {}) == text


@settings(max_examples=examples(100), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    )
)
def test_a_lone_path_gives_the_value_itself(value: Any) -> None:
    assert evaluate("vars.x", {"vars": {"x": value}}) == value
    assert bind("${{ vars.x }}", {"vars": {"x": value}}) == value


def test_where_expressions_stand_in_a_text_is_known() -> None:
    text = read("a ${{ vars.x }} $provider ${{ open")
    assert [(hole.expression, hole.written) for hole in text.holes] == [
        ("vars.x", "${{ vars.x }}"),
        ("suite.provider", "$provider"),
    ]
    assert [hole.braced for hole in text.holes] == [True, False]
    assert text.unclosed == 26


def test_every_name_has_a_description() -> None:
    assert all(text and not text.endswith(".") for text in {**DESCRIBED, **EXTRAS}.values())
    assert set(CHECK_NAMES) <= set(EXTRAS)


def test_older_names_of_outputs_go_on_and_are_warned_of() -> None:
    scope = Scope(steps={"gone"}, kinds={"gone": "destroy"})
    assert renamed_outputs("${{ steps.gone.outputs.moored }}", scope) == [
        "the output 'moored' of the step 'gone' is now 'parked'"
    ]
    assert renamed_outputs("steps.gone.outputs.parked", scope) == []
    assert with_old_names("destroy", {"parked": True}) == {"parked": True, "moored": True}
    assert with_old_names("set", {"parked": True}) == {"parked": True}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://${{ node.address }}:${{ node.ports.web }}/health", "http://[2001:db8::5]:8080/health"),
        ("http://${{ node.address }}/", "http://[2001:db8::5]/"),
        ("postgresql://app:secret@${{ node.address }}:5432/shop", "postgresql://app:secret@[2001:db8::5]:5432/shop"),
        ("curl -s http://${{ node.address }}:80/a", "curl -s http://[2001:db8::5]:80/a"),
        ("${{ node.address }}:${{ node.ports.web }}", "[2001:db8::5]:8080"),
        ("${{ node.address }}:5432", "[2001:db8::5]:5432"),
        ("http://[${{ node.address }}]:80/", "http://[2001:db8::5]:80/"),
        ("${{ node.address }}", "2001:db8::5"),
        ("ssh root@${{ node.address }}", "ssh root@2001:db8::5"),
        ("http://proxy/${{ node.address }}", "http://proxy/2001:db8::5"),
        ("http://x/?at=${{ node.address }}:80", "http://x/?at=2001:db8::5:80"),
        ("${{ node.time }}:30", "10:20:30"),
    ],
)
def test_an_ipv6_address_has_brackets_where_a_port_may_follow(text: str, expected: str) -> None:
    node = {"address": "2001:db8::5", "ports": {"web": 8080}, "time": "10:20"}
    assert bind(text, {"node": node}) == expected
    assert fill_but(text, {"node": node}, lambda hole: False) == expected


# Text that was cut


CUT = {
    "steps": {
        "a": {"outputs": {"exit_code": 0, "stdout": CutText.end("x" * 20, 5), "nodes": {"n11": {"exit_code": 0}}}}
    }
}


@pytest.mark.parametrize(
    "text",
    [
        "steps.a.outputs.stdout",
        "steps.a.outputs.stdout.contains('ERROR')",
        "!('ERROR' in [steps.a.outputs.stdout])",
        "steps.a.outputs.exit_code == 0 && steps.a.outputs.stdout == ''",
        "steps['a'].outputs['stdout'] == 'x'",
        "size(steps.a.outputs) == 2",
        "steps.a.outputs.all(name, name != 'x')",
    ],
)
def test_nothing_is_judged_by_text_that_was_cut(text: str) -> None:
    with pytest.raises(CannotTell, match="of 20 characters only the last ones were kept"):
        evaluate(text, CUT)
    with pytest.raises(CannotTell, match="only the last ones"):
        bind(f"in a text: ${{{{ {text} }}}}", CUT)


def test_what_is_beside_a_cut_text_is_judged() -> None:
    assert evaluate("steps.a.outputs.exit_code == 0", CUT) is True
    assert evaluate("steps.a.outputs.nodes.n11.exit_code", CUT) == 0
