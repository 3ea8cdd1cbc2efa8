"""Wrong documents, each with the place and a word of what it is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.loading.conftest import Planner

from seatrial.errors import DocumentError, NotSupported, OverBudget, PowersMissing, SuitesOverBudget

SUITE = """\
provider: t_strong
test_suites:
  one:
    workflow:
"""


def step(text: str) -> str:
    """A document with one step: line 5, the first key in column 9."""
    return SUITE + "      - " + text + "\n"


def json_step(text: str) -> dict[str, Any]:
    return {"a.json": '{"provider": "t_strong", "test_suites": {"one": {"workflow": [\n' + text + "\n]}}}"}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in zip("abcde", "bcdef", strict=True)
)
COMPOSED = '{"provider": "t_strong", "test_suites": [\n{"sut": "%s", "workflow": "%s"}]}'
WORKFLOW = '{"steps": [{"step": "t_nothing"}]}'

# what, files (the first is planned) or one YAML text, where (file:line:column), words of the message
BAD: list[tuple[str, Any, str, str]] = [
    # the text itself
    ("a tab", "test_suites:\n\tone: 1\n", "suite.yaml:2:1", "tabs"),
    ("broken YAML", "a: [1\nb: 2\n", "suite.yaml:2:2", "invalid YAML"),
    ("two values in a line", "a: b: c\n", "suite.yaml:1:5", "invalid YAML"),
    ("a wrong indent", "a:\n  - b\n - c\n", "suite.yaml:3:2", "indented like its neighbours"),
    ("a missing colon", "a:\n  b c\n  d: e\n", "suite.yaml:3:4", "`:` of an earlier key missing"),
    ("a star", "a: *\n", "suite.yaml:1:5", "in quotes"),
    ("an open quote", "a: 'b\n", "suite.yaml:2:1", "quote not closed"),
    ("a merge key", "a: &x {b: 1}\nc:\n  <<: *x\n", "suite.yaml:3:3", "repeat a whole value with *NAME"),
    ("broken JSON", {"a.json": '{"a": 1,}'}, "a.json:1:9", "no comma after the last"),
    ("a comment in JSON", {"a.json": '{\n // x\n "a": 1}'}, "a.json:2:2", "no comments"),
    ("single quotes in JSON", {"a.json": "{'a': 1}"}, "a.json:1:2", "double quotes"),
    ("a missing comma in JSON", {"a.json": '{"a": 1\n "b": 2}'}, "a.json:2:2", "`,` missing"),
    ("a Python word in JSON", {"a.json": '{"a": True}'}, "a.json:1:7", "true, false and null"),
    ("JSON that ends early", {"a.json": '{"a": [1, 2\n'}, "a.json:2:1", "invalid JSON"),
    ("a key twice", "provider: a\nname: x\nprovider: b\n", "suite.yaml:3:1", "duplicate key 'provider'"),
    ("a key twice in JSON", {"a.json": '{"a": 1,\n "b": {"x": 1, "x": 2}}'}, "a.json:2:16", "duplicate key 'x'"),
    ("invalid UTF-8", {"a.yaml": b"a: 1\nb: \xff\n"}, "a.yaml:2:4", "UTF-8"),
    ("invalid UTF-8 in JSON", {"a.json": b'{"a": "\xc3\xa9\xff"}'}, "a.json:1:9", "UTF-8"),
    ("a control character", "a: \x01\n", "suite.yaml:1:4", "control characters"),
    ("a bomb", BOMB, "suite.yaml:5:29", "aliases"),
    ("a list in itself", "a: &x [1, *x]\n", "suite.yaml:1:11", "contains itself"),
    ("an unknown alias", "a: *x\n", "suite.yaml:1:4", "unknown alias *x"),
    ("an unknown tag", "a: !!python/name:os.system ''\n", "suite.yaml:1:4", "unknown tag"),
    ("a number as a key", "1: x\n", "suite.yaml:1:1", "a key must be text"),
    ("a list as a key", "? [a]\n: x\n", "suite.yaml:1:3", "a key must be text"),
    ("nothing", "# nothing\n", "suite.yaml:1:1", "empty"),
    ("nothing in JSON", {"a.json": " \n"}, "a.json:1:1", "empty"),
    ("two documents", "a: 1\n---\nb: 1\n", "suite.yaml:2:1", "second document"),
    ("a list as a document", "- a\n", "suite.yaml:1:1", "mapping"),
    ("deep YAML", "[" * 500, "suite.yaml:1:101", "nested"),
    ("deep JSON", {"a.json": "[" * 100_000}, "a.json", "nested"),
    ("NaN", {"a.json": '{"a": NaN}'}, "a.json:1:7", "NaN"),
    ("half a character", {"a.json": '{"a": "\\ud800"}'}, "a.json:1:7", "surrogate"),
    ("a huge file", {"a.yaml": b"#" * (10 * 1024 * 1024 + 1)}, "a.yaml", "MB"),
    # documents
    ("no suite", "provider: t_strong\n", "suite.yaml:1:1", "no suite"),
    ("no suite in the list of suites", "test_suites: {}\n", "suite.yaml:1:14", "no suite"),
    ("a suite at the top", "a: {workflow: [{step: t_nothing}]}\n", "suite.yaml:1:1", "put 'a' below `test_suites:`"),
    ("a list of suites with steps", "test_suites: [{name: a, workflow: [{step: t_nothing}]}]\n",
     "suite.yaml:1:15", "a mapping: {NAME: {workflow"),
    ("suites that are text", "test_suites: x\n", "suite.yaml:1:14", "contains no suites"),
    ("an unknown key at the top", "providr: x\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:1", "'provider'"),
    ("an unknown key of a suite", "test_suites:\n  a:\n    flow: []\n    workflow: [{step: t_nothing}]\n",
     "suite.yaml:3:5", "unknown key 'flow'"),
    ("a suite without workflow", "test_suites:\n  a: {description: x}\n", "suite.yaml:2:6", "no `workflow`"),
    ("a workflow without steps", "test_suites:\n  a:\n    workflow: []\n", "suite.yaml:3:15", "list of steps is empty"),
    ("a workflow that is text", "test_suites:\n  a:\n    workflow: x\n", "suite.yaml:3:15", "not a list"),
    ("a suite that is a list", "test_suites:\n  a: []\n", "suite.yaml:2:6", "not a suite"),
    ("an unknown provider", "provider: t_strang\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:11", "'t_strong'"),
    ("a provider that is a list", "provider: [a]\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:11", "not text"),
    ("another test type", "test_type: load\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:12", "workflow"),
    ("another power", "power: gest\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:8", "'guest'"),
    ("a wrong timeout", "timeout: soon\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:10", "duration"),
    ("a timeout of nothing", "timeout: 0\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:10", "leaves no time"),
    ("a deadline of nothing", "deadlines: {stop: 0s}\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:19", "no time"),
    ("a timeout of nothing for a step", step("{step: t_nothing, timeout: 0}"), "suite.yaml:5:36", "leaves no time"),
    ("a timeout of nothing for attempts", step("{step: t_nothing, retry: {timeout: 0ms}}"), "suite.yaml:5:44",
     "leaves no time"),
    ("an unknown deadline", "deadlines: {deploi: 3}\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:13", "'deploy'"),
    ("no nodes at all", "max_concurrent_nodes: 0\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:23", "too small"),
    ("an exclusive without name", "exclusive: {wait: 3}\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:12", "name"),
    ("a notification to nobody", "notifications: {on: failure}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:1:16", "webhook"),
    ("a notification by no command", "notifications: {command: ' '}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:1:26", "command is empty"),
    ("slow without seconds", "notifications: [{webhook: 'http://x', on: [slow]}]\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:1:43", "slow_seconds"),
    ("a wrong requirement", "requirements: {min_cpus: many}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:1:26", "number"),
    ("unknown combinations", "combinations: 3-wise\nsteps: [{step: t_nothing}]\n", "suite.yaml:1:15", "2-wise"),
    ("an empty list parameter", "provider: t_strong\nparameters: {a: []}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:13", "empty list"),
    ("a parameter that is no size", "provider: t_strong\nparameters: {cluster_size: big}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:28", "node names cannot be computed"),
    ("a parameter from a step",
     "provider: t_strong\nparameters:\n  a: ${{ steps.x.outputs.y }}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:3:6", "cannot be used in parameters"),
    ("a name that is filled in", "provider: t_strong\nname: '${{ env.HOME }}'\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:7", "known before the run"),
    ("an unknown system", "provider: t_strong\nsystem: {kind: t_sistem}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:16", "'t_system'"),
    ("a system without kind", "provider: t_strong\nsystem: {url: x}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:9", "kind"),
    ("an unknown key of a system", "provider: t_strong\nsystem: {kind: t_system, urk: x}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:26", "'url'"),
    ("a wrong key deep in a system",
     "provider: t_strong\nsystem:\n  kind: t_system\n  inner: {size: x}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:4:17", "whole number"),
    ("a misspelt rule of the whole",
     "system:\n  kind: processes\n  rule: majorty\n  service: {command: [x]}\n"
     "  health: {http: 'http://x'}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:3:9", "unknown rule 'majorty'\n    did you mean 'majority'? rules: all, any, majority, or CEL"),
    ("a name that no rule has",
     "system:\n  kind: processes\n  rule: heathy >= 2\n  service: {command: [x]}\n"
     "  health: {http: 'http://x'}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:3:9", "unknown variable 'heathy'\n    did you mean 'healthy'?"),
    ("a name of `states` in a rule",
     "system:\n  kind: processes\n  rule: state == 'x'\n  service: {command: [x]}\n"
     "  health: {http: 'http://x'}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:3:9", "unknown variable 'state'"),
    ("a name the system does not fill in",
     "provider: t_strong\nsystem: {kind: t_system, url: '${{ nod.name }}'}\nsteps: [{step: t_nothing}]\n",
     "suite.yaml:2:31", "'node'"),
    # steps
    ("an unknown step", step("step: t_nothin"), "suite.yaml:5:15", "'t_nothing'"),
    ("a reserved step", step("step: workload"), "suite.yaml:5:15", "not implemented yet"),
    ("a step without kind", step("note: x"), "suite.yaml:5:9", "`step` is missing"),
    ("a step that is text", step("t_nothing"), "suite.yaml:5:9", "write `step: t_nothing`"),
    ("a step that is its key", step("t_nothing: {note: x}"), "suite.yaml:5:9", "write `step: t_nothing`, and its keys"),
    ("a step that is other text", step("nothing"), "suite.yaml:5:9", "write a mapping"),
    ("a step whose kind is a number", step("step: 3"), "suite.yaml:5:15", "not the name of a step"),
    ("an unknown key", step("{step: t_nothing, nota: x}"), "suite.yaml:5:27", "'note'"),
    ("a list for text", step("{step: t_nothing, note: [a]}"), "suite.yaml:5:33", "allowed: text"),
    ("a wrong type", step("{step: t_nothing, note: 3}"), "suite.yaml:5:33", "not text"),
    ("a missing key", step("{step: t_crash}"), "suite.yaml:5:9", "'target_node'"),
    ("a wrong choice", step("{step: t_crash, target_node: n11, method: destry}"), "suite.yaml:5:51", "'destroy'"),
    ("an unknown node", step("{step: t_crash, target_node: n19}"), "suite.yaml:5:38", "unknown node 'n19'"),
    ("an unknown node in a list", step("{step: t_crash, target_node: 'n11,nn'}"), "suite.yaml:5:38", "node 'nn'"),
    ("yes for a truth value", step("{step: t_everything, yes: yes}"), "suite.yaml:5:35", "true or false"),
    ("half a number", step("{step: t_everything, count: 1.5}"), "suite.yaml:5:37", "whole number"),
    ("a number in quotes", step("{step: t_everything, count: '1'}"), "suite.yaml:5:37", "whole number"),
    ("a wrong duration", step("{step: t_everything, for: 10 parsecs}"), "suite.yaml:5:35", "duration"),
    ("an empty command", step("{step: t_everything, argv: []}"), "suite.yaml:5:36", "empty"),
    ("a command with a mapping", step("{step: t_everything, argv: [a, {b: c}]}"), "suite.yaml:5:40", "mapping"),
    ("a wrong item", step("{step: t_everything, numbers: [1, x]}"), "suite.yaml:5:43", "whole number"),
    ("an unknown key inside", step("{step: t_everything, inner: {size: 1, siz: 2}}"), "suite.yaml:5:47", "'size'"),
    ("a rule inside", step("{step: t_everything, inner: {size: -1}}"), "suite.yaml:5:44", "below 0"),
    ("a rule across keys", step("{step: t_everything, count: 1, share: 0.5}"), "suite.yaml:5:47", "`count`"),
    ("a wrong value of two kinds", step("{step: t_everything, status: [200, x]}"), "suite.yaml:5:44", "whole number"),
    ("neither of two kinds", step("{step: t_everything, status: x}"), "suite.yaml:5:38", "not allowed here"),
    ("a wrong retry", step("{step: t_nothing, retry: often}"), "suite.yaml:5:34", "retry"),
    ("an unknown key of retry", step("{step: t_nothing, retry: {max_attempt: 3}}"), "suite.yaml:5:35", "max_attempts"),
    ("an endless retry", step("{step: t_nothing, retry: {delay: 3}}"), "suite.yaml:5:34", "never end"),
    ("no attempt", step("{step: t_nothing, retry: 0}"), "suite.yaml:5:34", "attempts"),
    ("an unknown backoff", step("{step: t_nothing, retry: {max_attempts: 2, backoff: expo}}"),
     "suite.yaml:5:61", "exponential"),
    ("a timeout of nothing", step("{step: t_nothing, timeout: 0}"), "suite.yaml:5:36", "no time"),
    ("an odd expectation", step("{step: t_nothing, expect: falure}"), "suite.yaml:5:35", "'failure'"),
    ("an odd id", step("{step: t_nothing, id: 1x}"), "suite.yaml:5:31", "invalid id"),
    ("an id twice", step("{step: t_nothing, id: x}\n      - {step: t_nothing, id: x}"), "suite.yaml:6:31", "duplicate"),
    ("needs without parallel", step("{step: t_nothing, needs: [x]}"), "suite.yaml:5:27", "only for steps"),
    ("children that are text", step("{step: t_group, steps: x}"), "suite.yaml:5:32", "list of steps"),
    ("a wrong child", step("{step: t_group, steps: [{step: t_nothing, x: 1}]}"), "suite.yaml:5:51", "unknown key"),
    # expressions
    ("an unknown variable", step("{step: t_nothing, note: '${{ foo.bar }}'}"), "suite.yaml:5:33", "'foo'"),
    ("an unknown parameter", step("{step: t_nothing, note: '${{ parameters.x }}'}"), "suite.yaml:5:33", "ter 'x'"),
    ("an unknown step in an expression", step("{step: t_nothing, if: steps.x.outputs.y}"), "suite.yaml:5:31", "'x'"),
    ("a later step", step("{step: t_nothing, note: '${{ steps.b.outputs.y }}'}\n      - {step: t_nothing, id: b}"),
     "suite.yaml:5:33", "not run at this point"),
    ("one of several steps",
     step("step: t_nothing\n      - step: t_nothing\n"
          "      - {step: t_crash, target_node: '${{ steps.t_nothing.outputs.y }}'}"),
     "suite.yaml:7:38", "several steps"),
    ("a variable nobody sets", step("{step: t_nothing, if: vars.x == 1}"), "suite.yaml:5:31", "vars.x"),
    ("a broken expression", step("{step: t_nothing, if: '1 +'}"), "suite.yaml:5:31", "not a CEL"),
    ("an unknown function", step("{step: t_nothing, if: len(env) > 1}"), "suite.yaml:5:31", "'len'"),
    ("an unclosed expression", step("{step: t_nothing, note: '${{ run.id'}"), "suite.yaml:5:33", "not closed"),
    ("an empty expression", step("{step: t_nothing, note: '${{ }}'}"), "suite.yaml:5:33", "empty"),
    ("a missing secret", step("{step: t_nothing, note: '${{ secrets.NOPE }}'}"), "suite.yaml:5:33", "NOPE"),
    ("a missing environment variable", step("{step: t_nothing, note: '${{ env.NOPE }}'}"), "suite.yaml:5:33", "NOPE"),
    ("what a run does not have", step("{step: t_nothing, note: '${{ run.name }}'}"), "suite.yaml:5:33", "run has no"),
    ("a wrong output", step("{step: t_nothing, outputs: {x: 3}}"), "suite.yaml:5:40", "expression"),
    # checks
    ("an unknown check", step("{step: t_validate, checks: [t_upp]}"), "suite.yaml:5:37", "'t_up'"),
    ("more than a name", step("{step: t_validate, checks: ['t_up:x']}"), "suite.yaml:5:37", "takes no argument"),
    ("a wrong text form", step("{step: t_validate, checks: ['t_node']}"), "suite.yaml:5:37", "t_node:NODE"),
    ("a wrong state", step("{step: t_validate, checks: ['t_node:n11:stoped']}"), "suite.yaml:5:37", "'stopped'"),
    ("an unknown node in a check", step("{step: t_validate, checks: ['t_node:n9']}"), "suite.yaml:5:37", "node 'n9'"),
    ("a check that is a number", step("{step: t_validate, checks: [3]}"), "suite.yaml:5:37", "not a check"),
    ("a check without name", step("{step: t_validate, checks: [{url: x}]}"), "suite.yaml:5:37", "`check` is missing"),
    ("an unknown key of a check", step("{step: t_validate, checks: [{check: t_http, ulr: x, url: y}]}"),
     "suite.yaml:5:53", "'url'"),
    ("an unknown name in that", step("{step: t_validate, checks: [{check: t_http, url: x, that: jsn.a}]}"),
     "suite.yaml:5:67", "'json'"),
    ("an unknown allowed failure", step("{step: t_validate, checks: [t_up], allow_failures: [t_x]}"),
     "suite.yaml:5:61", "unknown check"),
    ("a check in JSON", json_step('{"step": "t_validate", "checks": ["t_up",\n  "t_upp"]}'), "a.json:3:3", "'t_up'"),
    ("a key in JSON", json_step('{"step": "t_nothing",\n\t"nope": 1}'), "a.json:3:2", "unknown key"),
    ("an unknown node in an expression",
     step("{step: t_validate, checks: [{check: t_http, url: \"http://${{ nodes.n1l.address }}/\"}]}"),
     "suite.yaml:5:58", "unknown node 'n1l'\n    did you mean 'n13'? nodes: n11, n12, n13"),
    ("an unknown node in that",
     step("{step: t_validate, checks: [{check: t_http, url: x, that: \"nodes['n1l'].name == body\"}]}"),
     "suite.yaml:5:67", "unknown node 'n1l'"),
    ("an unknown node in an expression in one suite of two",
     "provider: t_strong\ntest_suites:\n"
     "  a: {workflow: [{step: set, values: {x: '${{ nodes.n12.address }}'}}]}\n"
     "  b: {parameters: {cluster_size: 1}, workflow: [{step: set, values: {x: '${{ nodes.n12.address }}'}}]}\n",
     "suite.yaml:4:73", "unknown node 'n12'"),
    ("an unknown node in the same check again",
     "provider: t_strong\ntest_suites:\n"
     "  a: {workflow: [{step: t_validate, checks: ['t_node:n12']}]}\n"
     "  b: {parameters: {cluster_size: 1}, workflow: [{step: t_validate, checks: ['t_node:n12']}]}\n",
     "suite.yaml:4:77", "unknown node 'n12'"),
    # several files
    ("a missing file", {"a.yaml": "include: [b.yaml]\n", "c.yaml": "x"}, "a.yaml:1:11", "file 'b.yaml' not found"),
    ("an include loop", {"a.yaml": "include: b.yaml\n", "b.yaml": "include: [a.yaml]\n"}, "b.yaml:1:11", "loop"),
    ("a document in itself", {"a.yaml": "include: [a.yaml]\n"}, "a.yaml:1:11", "loop"),
    ("an include that is a number", {"a.yaml": "include: 3\n"}, "a.yaml:1:10", "list of files"),
    ("a path out of the folder", {"a.yaml": "include: [../../../etc/passwd]\n"}, "a.yaml:1:11", "outside the folder"),
    ("an absolute path out of the folder", {"a.yaml": "include: [/etc/passwd]\n"}, "a.yaml:1:11", "outside the folder"),
    ("a sut that is not there", {"a.json": COMPOSED % ("s.json", "w.json"), "w.json": WORKFLOW},
     "a.json:2:9", "file 's.json' not found"),
    ("a workflow file without steps", {"a.json": COMPOSED % ("s.json", "w.json"), "s.json": "{}", "w.json": "{}"},
     "w.json:1:1", "no `steps`"),
    ("a wrong step in a workflow file",
     {"a.json": COMPOSED % ("s.json", "w.json"), "s.json": "{}", "w.json": '{"steps": [{"step": "x"}]}'},
     "w.json:1:21", "unknown step"),
    ("a wrong sut", {"a.json": COMPOSED % ("s.json", "w.json"), "s.json": '{"provider": 3}', "w.json": WORKFLOW},
     "s.json:1:14", "not text"),
    ("a composed suite without workflow", {"a.json": '{"test_suites": [{"sut": "s.json"}]}', "s.json": "{}"},
     "a.json:1:18", "`workflow` is missing"),
    ("a suite twice", {"a.yaml": "include: [b.yaml]\nname: x\nprovider: t_strong\nsteps: [{step: t_nothing}]\n",
                       "b.yaml": "name: x\nsteps: [{step: t_nothing}]\n"}, "a.yaml:1:1", "duplicate suite"),
]  # fmt: skip


@pytest.mark.parametrize("files, where, word", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_wrong_document_is_refused_with_its_place_and_what_is_wrong(
    plan_of: Planner, files: Any, where: str, word: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        plan_of(files)
    told = [str(problem) for problem in caught.value.problems]
    assert any(re.search(rf"(^|/){re.escape(where)}: ", text) and word in text for text in told), "\n".join(told)
    assert caught.value.exit_code == 2


def test_a_wrong_document_has_no_other_problem_than_the_one_in_the_table(plan_of: Planner) -> None:
    with pytest.raises(DocumentError) as caught:
        plan_of(step("{step: t_nothing, nota: x}"))
    assert len(caught.value.problems) == 1


def test_all_problems_of_all_files_are_told_at_once(plan_of: Planner) -> None:
    files = {
        "a.yaml": step("{step: t_nothing, nota: x, if: '1 +'}\n      - step: nope"),
        "b.json": '{"a": 1,}',
        "c.yaml": "test_suites: {}\n",
    }
    with pytest.raises(DocumentError) as caught:
        plan_of(files, paths=[*files, "d.yaml"])
    names = [(problem.file.rpartition("/")[2], problem.line) for problem in caught.value.problems]
    assert names == [("a.yaml", 5), ("a.yaml", 5), ("a.yaml", 6), ("b.json", 1), ("c.yaml", 1), ("d.yaml", 0)]


def test_a_missing_file_and_a_folder_are_no_documents(plan_of: Planner) -> None:
    with pytest.raises(DocumentError, match=r"b\.yaml: file not found"):
        plan_of({"a.yaml": "x"}, paths=["b.yaml"])
    with pytest.raises(DocumentError, match="a folder"):
        plan_of({"d/a.yaml": "x"}, paths=["d"])


def test_a_missing_power_is_refused_and_is_also_a_not_implemented_error(plan_of: Planner) -> None:
    document = step("{step: t_crash, target_node: n11, method: destroy}").replace("t_strong", "t_weak")
    with pytest.raises(PowersMissing, match=r"suite.yaml:5:9: .*'crash'") as caught:
        plan_of(document)
    assert isinstance(caught.value, NotSupported | NotImplementedError)
    assert isinstance(caught.value, DocumentError)


def test_power_guest_forbids_what_the_provider_could_do(plan_of: Planner) -> None:
    document = "power: guest\n" + step("{step: t_crash, target_node: n11, method: destroy}")
    with pytest.raises(PowersMissing, match="`power: guest` forbids it"):
        plan_of(document)
    plan_of("power: guest\n" + step("{step: t_crash, target_node: n11, method: ssh}"))


def test_a_missing_power_beside_other_faults_is_a_plain_document_error(plan_of: Planner) -> None:
    text = "{step: t_crash, target_node: n11, method: destroy}\n      - {step: t_crash, target_node: n99}"
    with pytest.raises(DocumentError) as caught:
        plan_of(step(text).replace("t_strong", "t_weak"))
    assert not isinstance(caught.value, NotImplementedError)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    "top, flags",
    [
        ("max_concurrent_nodes: 2\n", {}),
        ("", {"max_concurrent_nodes": 2}),
        ("parameters: {memory_gb: 8}\n", {"max_memory_gb": 20}),
        ("parameters: {libvirt_memory_gb: 8}\n", {"max_memory_gb": 20}),
    ],
)
def test_a_suite_that_can_never_fit_is_refused_by_name(plan_of: Planner, top: str, flags: dict[str, Any]) -> None:
    with pytest.raises(SuitesOverBudget, match=r"suite.yaml:\d:3: the suite 'one'") as caught:
        plan_of(top + step("step: t_nothing"), flags=flags)
    assert isinstance(caught.value, OverBudget)


NOTHING = "steps: [{step: t_nothing}]\n"
PROCESSES = "system: {kind: processes, service: {command: [x]}, health: {http: 'http://x'}}\n"


def test_reuse_can_be_said_at_every_level_and_the_innermost_counts(plan_of: Planner) -> None:
    text = (
        "provider: t_strong\nreuse: snapshot\n" + PROCESSES + "test_suites:\n"
        "  a: {workflow: [{step: t_nothing}]}\n  b: {reuse: none, workflow: [{step: t_nothing}]}\n"
    )
    assert [suite.reuse for suite in plan_of(text).suites] == ["snapshot", "none"]
    assert plan_of("provider: t_weak\n" + NOTHING).suites[0].reuse == "none"


@pytest.mark.parametrize(
    "text, word",
    [
        ("provider: t_weak\nreuse: snapshot\n" + PROCESSES, "the power 'snapshot and revert'; the provider"),
        ("provider: local\nreuse: snapshot\n" + PROCESSES, "provider 'local' does not have it"),
        ("provider: t_strong\nreuse: snapshot\npower: guest\n" + PROCESSES, "`power: guest` forbids it"),
        ("provider: t_strong\nreuse: snapshot\nsystem: {kind: t_system}\n", "'t_system' is not"),
    ],
)
def test_reuse_where_it_cannot_be_is_refused_with_its_place(plan_of: Planner, text: str, word: str) -> None:
    with pytest.raises(PowersMissing, match=r"suite.yaml:2:8: ") as caught:
        plan_of(text + NOTHING)
    assert word in str(caught.value)
    assert isinstance(caught.value, NotImplementedError)
    assert len(caught.value.problems) == 1


def test_a_word_that_reuse_does_not_know_is_refused(plan_of: Planner) -> None:
    with pytest.raises(DocumentError, match=r"(?s)suite.yaml:2:8: .*'snapshot'"):
        plan_of("provider: t_strong\nreuse: snapshots\n" + NOTHING)


def test_a_document_that_is_sent_to_a_provider_without_snapshots_deploys_each_suite_and_says_so(
    plan_of: Planner,
) -> None:
    plan = plan_of("provider: t_strong\nreuse: snapshot\n" + PROCESSES + NOTHING, on="t_weak")
    assert plan.suites[0].reuse == "none"
    assert any("suite.yaml:2:1: every suite deploys" in warning for warning in plan.warnings)
