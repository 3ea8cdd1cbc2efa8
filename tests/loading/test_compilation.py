"""Good documents: what the plan made of them holds, in both forms and at every level."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.effort import examples
from tests.loading.conftest import SAMPLE, Planner

from seatrial.errors import DocumentError, NothingSelected, UsageError
from seatrial.loading import settings as project_settings
from seatrial.loading.compilation import compile_documents
from seatrial.loading.read.document import line_of
from seatrial.model.scenario import Notification, Retry
from seatrial.registry import Registry

ONE = "provider: t_strong\n"


def test_the_suite_form_becomes_suites_with_ready_steps(plan_of: Planner) -> None:
    plan = plan_of(
        ONE
        + """
test_suites:
  basic:
    test_type: workflow
    description: the basics
    parameters: {cluster_size: 2, libvirt_memory_gb: 8}
    timeout: 1h
    deadlines: {deploy: 5m}
    exclusive: {name: lab, wait: 10s}
    workflow:
      - step: t_nothing
      - step: t_validate
        description: look
        checks: [t_up, "t_node:n11:stopped", {check: t_http, url: http://x, retry: 2, allow_failure: true, name: page}]
        allow_failures: [t_up, t_down, "t_node:n12"]
        retry: {max_attempts: 5, delay_seconds: 30}
      - {step: t_crash, target_node: "n11,n12", id: boom, if: "true", timeout: 5m, retry: 3,
         allow_failure: true, expect: failure}
"""
    )
    (suite,) = plan.suites
    assert (suite.test_id, suite.name, suite.provider) == ("t_strong-workflow-basic", "basic", "t_strong")
    assert (suite.nodes, suite.memory_gb, suite.timeout) == (2, 16.0, 3600.0)
    assert (suite.deadlines, suite.exclusive, suite.exclusive_wait) == ({"deploy": 300.0}, "lab", 10.0)
    nothing, validate, crash = suite.steps
    assert nothing.step.note == ""
    assert nothing.id == "t_nothing"
    assert [(one.text, one.allow_failure) for one in validate.step.checks] == [
        ("t_up", True),
        ("t_node:n11:stopped", False),
        ("page", True),
        ("t_down", True),
        ("t_node:n12", True),
    ]
    assert validate.step.checks[1].check.state == "stopped"
    assert validate.step.checks[2].retry == Retry(max_attempts=2)
    assert validate.step.retry == Retry(max_attempts=5, delay=30.0)
    assert validate.retry is None
    assert (crash.id, crash.condition, crash.timeout, crash.retry) == ("boom", "true", 300.0, Retry(max_attempts=3))
    assert crash.allow_failure
    assert crash.expect_failure
    assert line_of(crash.source)[0] == 18


def test_keys_are_converted_to_the_types_of_their_fields(plan_of: Planner) -> None:
    plan = plan_of(
        ONE
        + """
steps:
  - step: t_everything
    for: 1m30s
    share: 1
    yes: true
    any: {a: [1]}
    until: ${{ vars.x > 1 }}
    argv: [a, 3]
    names: [x]
    numbers: [1, 2]
    env: {A: 1, B: c}
    maybe: null
    choice: b
    inner: {size: 1}
    many: [{size: 2, word: w}]
    again: {max_attempts: 2, backoff: exponential, jitter: 0.5, timeout: 1m}
    status: [200, 204]
vars: {x: 1}
"""
    )
    made = plan.suites[0].steps[0].step
    assert (made.for_, made.share, made.yes, made.any_, made.until) == (90.0, 1.0, True, {"a": [1]}, "vars.x > 1")
    assert (made.argv, made.names, made.numbers, made.env) == (("a", "3"), ("x",), [1, 2], {"A": "1", "B": "c"})
    assert (made.maybe, made.choice, made.inner.size, made.many[0].word) == (None, "b", 1, "w")
    assert made.again == Retry(max_attempts=2, backoff="exponential", jitter=0.5, timeout=60.0)
    assert made.status == (200, 204)


def test_a_step_with_something_to_fill_in_is_not_ready_and_keeps_what_was_written(plan_of: Planner) -> None:
    plan = plan_of(ONE + "vars: {n: 3}\nsteps: [{step: t_everything, count: '${{ vars.n }}', for: 2s}]\n")
    (step,) = plan.suites[0].steps
    assert step.step is None
    assert step.fields == {"count": "${{ vars.n }}", "for_": 2.0}


def test_children_are_listed_in_the_order_in_which_they_may_run(plan_of: Planner) -> None:
    plan = plan_of(
        ONE
        + """
steps:
  - step: t_group
    finally: [{step: t_nothing, id: c, note: "${{ steps.a.outputs.x }} ${{ round }}"}]
    rollback: [{step: t_nothing, id: b}]
    steps: [{step: t_nothing, id: a}]
  - {step: t_nothing, id: d, if: steps.c.outputs.x == 1}
"""
    )
    group = plan.suites[0].steps[0]
    assert [child.id for child in group.children] == ["a", "b", "c"]
    assert [child.id for child in group.step.finally_] == ["c"]


def test_steps_of_parallel_see_only_what_they_need(plan_of: Planner) -> None:
    text = """
steps:
  - {step: t_nothing, id: before}
  - step: parallel
    steps:
      - {step: t_nothing, id: a}
      - {step: t_nothing, id: b, needs: [a], note: "${{ steps.a.outputs.x }}${{ steps.before.outputs.x }}"}
      - {step: t_nothing, id: c, needs: [b], note: "${{ steps.%s.outputs.x }}"}
  - {step: t_nothing, note: "${{ steps.c.outputs.x }}"}
"""
    assert plan_of(ONE + text % "a").suites[0].steps[1].children[2].needs == ("b",)
    with pytest.raises(DocumentError, match=r"suite.yaml:7:41: .*cycle: 'a', 'b', 'c'\n"):
        plan_of(ONE + (text % "a").replace("id: a}", "id: a, needs: [c]}"))
    with pytest.raises(DocumentError, match=r"'d' is not a step of this `parallel`"):
        plan_of(ONE + (text % "a").replace("needs: [b]", "needs: [d]"))
    with pytest.raises(DocumentError, match=r"not visible here"):
        plan_of(ONE + (text % "a").replace("needs: [b], ", ""))


def test_set_makes_variables_for_later_steps(plan_of: Planner) -> None:
    text = "steps:\n  - {step: set, values: {x: 1}}\n  - {step: t_nothing, note: 'a ${{ vars.x }}'}\n"
    assert len(plan_of(ONE + text).suites[0].steps) == 2
    with pytest.raises(DocumentError, match="not set at this point"):
        plan_of(ONE + "steps:\n  - {step: t_nothing, note: 'a ${{ vars.x }}'}\n  - {step: set, values: {x: 1}}\n")


COMPOSED = {
    "all.json": {
        "provider": "t_strong",
        "description": "outer",
        "max_concurrent_nodes": 4,
        "timeout": 10,
        "parameters": {"a": {"x": 1, "y": 1}},
        "requirements": {"min_cpus": 1},
        "notifications": {"command": "tell 'the team' >told.txt"},
        "test_suites": [
            {"sut": "sut/three.json", "workflow": "workflow/basic.yaml", "notifications": [{"webhook": "http://x"}]},
            {"sut": "sut/three.json", "workflow": "workflow/basic.yaml", "name": "again", "max_concurrent_nodes": 9},
        ],
    },
    "sut/three.json": {
        "description": "three nodes",
        "db_version": ["8.1", "8.0", "7.2"],
        "parameters": {"cluster_size": 3, "a": {"y": 2}},
        "requirements": {"min_memory_gb": 0, "network_access": True},
        "max_concurrent_nodes": 3,
        "image": "x",
    },
    "workflow/basic.yaml": (
        "description: basic\ntimeout: 5m\nsteps: [{step: t_nothing, note: '${{ parameters.image }}'}]\n"
    ),
}


def test_the_composed_form_merges_all_levels_and_loses_nothing(plan_of: Planner, tmp_path: Path) -> None:
    plan = plan_of(COMPOSED)
    first, second = plan.suites
    assert (first.test_id, second.test_id) == ("t_strong-workflow-three_basic", "t_strong-workflow-again")
    assert first.parameters == {
        "a": {"x": 1, "y": 2},
        "cluster_size": 3,
        "image": "x",
        "db_version": "8.1",
        "network_access": True,
    }
    assert first.fallbacks == {"db_version": ("8.0", "7.2")}
    assert first.requirements == {"min_cpus": 1, "min_memory_gb": 0}
    assert first.timeout == 300.0
    assert first.notifications == (
        Notification(command="tell 'the team' >told.txt"),
        Notification(webhook="http://x"),
    )
    assert plan.budget.nodes is None
    shared = [(4, "max_concurrent_nodes"), (3, "max_concurrent_nodes")]
    assert [(limit.nodes, limit.written.path[-1]) for limit in first.node_limits] == shared
    assert second.node_limits[:2] == first.node_limits
    assert second.node_limits[2].nodes == 9
    assert first.document_folder == tmp_path / "workflow"
    told = "\n".join(plan.warnings)
    assert "sut/three.json:19:2: unknown key 'image'" in told
    assert "unknown requirement 'network_access'" in told
    assert "the fallbacks of db_version are tried by the step `init`" in told
    assert len(plan.warnings) == 3


def test_included_documents_bring_their_suites_once(plan_of: Planner) -> None:
    files = {
        "a.yaml": ONE + "include: [b.yaml, c/c.yaml]\nparameters: {p: 1}\n",
        "b.yaml": "include: c/c.yaml\nname: b\nsteps: [{step: t_nothing}]\n",
        "c/c.yaml": "name: c\nparameters: {q: 2}\nsteps: [{step: t_nothing}]\n",
    }
    plan = plan_of(files, paths=["a.yaml", "b.yaml", "a.yaml"])
    assert [suite.name for suite in plan.suites] == ["c", "b"]
    assert plan.suites[0].parameters == {"p": 1, "q": 2}
    assert len(plan.documents) == 3


def test_lists_in_parameters_make_a_matrix_of_suites(plan_of: Planner) -> None:
    text = (
        ONE + "name: m\nparameters: {cluster_size: [3, 5], db: [a, b], one: [x]}\ncombinations: %s\n"
        "steps: [{step: t_nothing}]\n"
    )
    full = plan_of(text % "full")
    assert [suite.name for suite in full.suites] == [
        "m-cluster_size=3-db=a",
        "m-cluster_size=3-db=b",
        "m-cluster_size=5-db=a",
        "m-cluster_size=5-db=b",
    ]
    assert full.suites[3].parameters == {"cluster_size": 5, "db": "b", "one": "x"}
    assert [suite.nodes for suite in full.suites] == [3, 3, 5, 5]
    assert len(plan_of(text % "1-wise").suites) == 2


def test_a_node_that_only_some_combinations_have_is_refused_for_the_others(plan_of: Planner) -> None:
    text = ONE + "parameters: {cluster_size: [1, 3]}\nsteps: [{step: t_crash, target_node: n12}]\n"
    with pytest.raises(DocumentError, match="unknown node 'n12'"):
        plan_of(text)


@pytest.mark.parametrize(
    "step",
    [
        "{step: set, values: {x: '${{ nodes.n13.address }}'}}",
        "{step: set, values: {x: '${{ parameters.cluster_size > 13 ? nodes.n24.address : nodes.n11.address }}'}}",
        "{step: set, values: {x: '${{ has(nodes.n24) }}'}}",
        "{step: set, values: {x: '${{ nodes.exists(name, name == vars.x) }}'}}",
        "{step: set, if: parameters.cluster_size > 13, values: {x: '${{ nodes.n24.address }}'}}",
        "{step: group, if: '\"n24\" in nodes', steps: [{step: set, values: {x: '${{ nodes.n24.address }}'}}]}",
        "{step: set, values: {x: '${{ nodes[vars.x].address }}'}}",
    ],
)
def test_nodes_in_expressions_that_may_be_there_are_not_refused(plan_of: Planner, step: str) -> None:
    assert plan_of(ONE + f"parameters: {{cluster_size: 3}}\nvars: {{x: n11}}\nsteps: [{step}]\n").suites


def test_a_step_after_one_with_an_if_has_its_nodes_checked(plan_of: Planner) -> None:
    steps = "{step: set, if: 'true', values: {x: 1}}, {step: set, values: {x: '${{ nodes.n24.address }}'}}"
    with pytest.raises(DocumentError, match="unknown node 'n24'"):
        plan_of(ONE + f"steps: [{steps}]\n")


@pytest.mark.parametrize("selector", ["n11", "n11, n13", "*", "any", "random:2", "leader"])
def test_selectors_select(plan_of: Planner, selector: str) -> None:
    assert plan_of(ONE + f"steps: [{{step: t_crash, target_node: '{selector}'}}]\n").suites


def test_a_document_without_provider_runs_on_local(plan_of: Planner) -> None:
    assert plan_of("steps: [{step: t_nothing}]\n").suites[0].test_id == "local-workflow-suite"


def test_providers_select_and_on_runs_elsewhere(plan_of: Planner) -> None:
    text = """
max_concurrent_nodes: 1
parameters: {cluster_size: 2, memory_gb: 9}
requirements: {libvirt_available: true, min_memory_gb: 100000, env: [HOME]}
test_suites:
  a: {provider: t_strong, workflow: [{step: t_nothing}]}
  b: {provider: t_weak, workflow: [{step: t_nothing}], max_concurrent_nodes: 1}
"""
    moved = plan_of(text, providers=["t_weak"], on="t_strong", flags={"max_memory_gb": 1})
    (suite,) = moved.suites
    assert (suite.test_id, suite.provider, suite.memory_gb, suite.skip) == ("t_strong-workflow-b", "t_strong", 0.0, "")
    assert suite.requirements == {"env": ["HOME"]}
    assert (moved.budget.nodes, suite.node_limits) == (None, ())
    with pytest.raises(UsageError, match="'t_weak'"):
        plan_of(text, on="t_wek")


def test_suites_of_a_provider_that_is_not_here_are_selected_to_run_on_another(plan_of: Planner) -> None:
    text = (
        "test_suites:\n  a: {provider: cloudia, workflow: [{step: t_nothing}]}\n  b: {workflow: [{step: t_nothing}]}\n"
    )
    plan = plan_of(text, providers=["cloudia"], on="t_strong")
    assert [suite.test_id for suite in plan.suites] == ["t_strong-workflow-a"]
    with pytest.raises(
        NothingSelected, match=r"'cloudiz': did you mean 'cloudia'\? providers of the suites: cloudia, local"
    ):
        plan_of(text, providers=["cloudiz"], on="t_strong")
    with pytest.raises(UsageError, match="'cloudiz'"):
        plan_of(text, providers=["cloudia", "cloudiz"], on="t_strong")
    with pytest.raises(DocumentError, match=r"suite.yaml:2:17: unknown provider 'cloudia'"):
        plan_of(text, providers=["cloudia"])


def test_on_the_provider_that_a_suite_names_drops_what_belongs_to_others_and_keeps_sizes(plan_of: Planner) -> None:
    text = (
        ONE
        + "requirements: {libvirt_available: true, kubectl: true, min_memory_gb: 100000}\nsteps: [{step: t_nothing}]\n"
    )
    assert "kubectl is not available" in plan_of(text).suites[0].skip or shutil.which("kubectl")
    assert plan_of(text, on="t_strong").suites[0].requirements == {"min_memory_gb": 100000}
    assert plan_of(text, on="t_weak").suites[0].requirements == {}


def test_what_a_composed_document_names_is_no_document_of_its_own_when_a_folder_held_it(
    plan_of: Planner, tmp_path: Path
) -> None:
    files = {
        "a.json": '{"provider": "t_strong", "test_suites": [{"sut": "s.json", "workflow": "w.json"}]}',
        "s.json": "{}",
        "w.json": '{"steps": [{"step": "t_nothing"}]}',
    }
    plan = plan_of(files, paths=list(files), found=[tmp_path / name for name in files])
    assert [suite.test_id for suite in plan.suites] == ["t_strong-workflow-s_w"]
    with pytest.raises(DocumentError, match=r"s.json:1:1: this document has no suite"):
        plan_of(files, paths=list(files))


def test_an_unmet_requirement_skips_the_suite_and_says_why(plan_of: Planner) -> None:
    text = (
        ONE + "requirements: {commands: [no-such-program], min_cpus: 100000, env: [NOPE, HOME]}\n"
        "steps: [{step: t_nothing}]\n"
    )
    skip = plan_of(text).suites[0].skip
    assert "no-such-program" in skip
    assert "100000 CPUs" in skip
    assert "NOPE" in skip
    assert "HOME" not in skip


def test_overrides_set_parameters_and_variables(plan_of: Planner) -> None:
    text = ONE + "parameters: {a: 1, cluster_size: 3}\nsteps: [{step: t_nothing, note: 'x ${{ vars.b }}'}]\n"
    overrides = {"a": "2", "b": "word", "parameters.c": "[1]", "cluster_size": "1", "vars.d": "true"}
    (suite,) = plan_of(text, overrides=overrides).suites
    assert suite.parameters == {"a": 2, "b": "word", "cluster_size": 1, "c": 1}
    assert suite.vars == {"a": 2, "b": "word", "cluster_size": 1, "d": True}
    assert suite.nodes == 1


def test_parameters_and_variables_may_name_the_environment(plan_of: Planner) -> None:
    text = (
        ONE + "parameters: {a: 'x-${{ env.HOME }}'}\nvars: {b: ['${{ suite.provider }}']}\nsteps: [{step: t_nothing}]\n"
    )
    suite = plan_of(text).suites[0]
    assert (suite.parameters, suite.vars) == ({"a": "x-here"}, {"b": ["t_strong"]})


def test_the_project_s_settings_are_the_outermost_level(plan_of: Planner, tmp_path: Path) -> None:
    toml = """
max_concurrent_nodes = 7
exclusive = "lab"
[parameters]
a = 1
[vars]
v = 2
[deadlines]
deploy = "1m"
[system]
kind = "t_system"
url = "http://${{ node.name }}"
[providers.t_strong]
region = "r"
"""
    text = ONE + "parameters: {b: 2}\nsystem: {command: x}\nsteps: [{step: t_nothing, note: '${{ vars.v }}'}]\n"
    plan = plan_of({"suite.yaml": text, "seatrial.toml": toml}, sample=None)
    (suite,) = plan.suites
    assert (suite.parameters, suite.vars, suite.deadlines) == ({"a": 1, "b": 2}, {"v": 2}, {"deploy": 60.0})
    assert (suite.system.settings.url, suite.system.settings.command) == ("http://${{ node.name }}", "x")
    assert (suite.exclusive, suite.provider_settings.region, plan.budget.nodes) == ("lab", "r", 7)
    assert suite.system.folder == tmp_path


def test_a_wrong_system_in_the_settings_is_told_at_its_line(plan_of: Planner) -> None:
    toml = '[system]\nkind = "t_system"\nurk = 3\n'
    with pytest.raises(DocumentError, match=r"seatrial.toml:3:1: .*'urk'"):
        plan_of({"suite.yaml": ONE + "steps: [{step: t_nothing}]\n", "seatrial.toml": toml})


def test_without_any_system_there_is_nothing_to_test(plan_of: Planner) -> None:
    with pytest.raises(DocumentError, match="the system under test is missing"):
        plan_of(ONE + "steps: [{step: t_nothing}]\n", sample=None)


def test_secrets_are_noted_by_name_and_never_read_into_the_plan(plan_of: Planner) -> None:
    text = ONE + "steps: [{step: t_nothing, note: '${{ secrets.KEY }}'}]\n"
    (suite,) = plan_of(text, environ={"KEY": "hush-hush"}).suites
    assert suite.secrets == ("KEY",)
    assert "hush-hush" not in repr(suite)


def test_a_check_that_is_a_plain_function_may_fail_as_it_was_registered(plan_of: Planner) -> None:
    (suite,) = plan_of(ONE + "steps: [{step: t_validate, checks: [t_function]}]\n").suites
    assert suite.steps[0].step.checks[0].allow_failure


GOOD: dict[str, Any] = {
    "provider": "t_strong",
    "parameters": {"cluster_size": 2},
    "test_suites": {
        "one": {
            "workflow": [
                {"step": "t_nothing", "id": "a", "retry": {"max_attempts": 2}},
                {"step": "t_validate", "checks": ["t_up", {"check": "t_http", "url": "x"}], "allow_failures": ["t_up"]},
                {
                    "step": "t_group",
                    "steps": [{"step": "t_crash", "target_node": "n11"}],
                    "finally": [{"step": "t_nothing"}],
                },
                {"step": "t_everything", "inner": {"size": 1}, "argv": ["a"], "status": [200]},
            ]
        }
    },
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "x",
        "${{",
        "${{ vars.x }}",
        "n11",
        [],
        {},
        [[]],
        ["x"],
        {"x": 1},
        [None],
        "t_nothing",
        "t_up:x",
    ]
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in spots(one, (*path, key)))]


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_good_document_with_odd_values_in_it_is_planned_or_refused(
    registry: Registry, tmp_path: Path, data: st.DataObject
) -> None:
    document = copy.deepcopy(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(spots(document)[1:] or [("provider",)]))
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        if data.draw(st.booleans()) or not isinstance(holder, dict):
            holder[path[-1]] = copy.deepcopy(data.draw(ODD))
        else:
            key = data.draw(st.sampled_from(["x", "if", "needs", "steps", "timeout", "", "description"]))
            holder[key] = copy.deepcopy(data.draw(ODD))
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document, indent=1))
    lines = file.read_text().split("\n")
    try:
        compile_documents([file], registry, project_settings.load(tmp_path, {}), sample=SAMPLE, environ={})
    except DocumentError as error:
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines), problem
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
