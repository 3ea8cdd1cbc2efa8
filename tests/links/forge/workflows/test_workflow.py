"""Workflow files as GitHub reads them, and every mistake with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.links.forge.workflows.reading import read_action, read_workflow
from seatrial.links.forge.workflows.yaml_tree import WorkflowError

DEPLOY = """\
name: Deploy
run-name: "Deploy ${{ inputs.id }}"
on:
  push: {branches: [main]}
  workflow_dispatch:
    inputs:
      workers: {type: number, required: true, default: 1, description: How many}
      size: {type: choice, options: [small, 2]}
      dry: {type: boolean}
      id:
concurrency:
  group: deploy-${{ github.repository }}
  cancel-in-progress: ${{ inputs.dry }}
env: {A: 1, B: yes, C: true}
defaults: {run: {shell: bash, working-directory: app}}
jobs:
  build:
    runs-on: ubuntu-latest
    environment: {name: production, url: "https://example.org"}
    outputs: {tag: "${{ steps.tag.outputs.tag }}"}
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - id: tag
        name: Tag
        run: |
          echo "tag=x" >> "$GITHUB_OUTPUT"
        timeout-minutes: 2
        continue-on-error: true
  deploy:
    needs: build
    if: github.ref == 'refs/heads/main'
    concurrency: production
    strategy: {fail-fast: false, max-parallel: 2, matrix: {zone: [a, b]}}
    uses: ./.github/workflows/kamal.yml
    secrets: inherit
    with: {tag: "${{ needs.build.outputs.tag }}"}
"""


def test_a_workflow_is_read_with_all_its_parts() -> None:
    found = read_workflow(DEPLOY, "d.yml")
    assert (found.name, found.run_name, found.path) == ("Deploy", "Deploy ${{ inputs.id }}", "d.yml")
    assert list(found.triggers) == ["push", "workflow_dispatch"]
    assert found.dispatch is not None
    assert [(one.name, one.type, one.required, one.default, one.options) for one in found.dispatch.values()] == [
        ("workers", "number", True, 1, ()),
        ("size", "choice", False, None, ("small", "2")),
        ("dry", "boolean", False, None, ()),
        ("id", "string", False, None, ()),
    ]
    assert found.dispatch["dry"].line == 9
    assert found.concurrency is not None
    assert found.concurrency.group == "deploy-${{ github.repository }}"
    assert (found.concurrency.cancel_in_progress, found.concurrency.line) == ("${{ inputs.dry }}", 12)
    assert found.env == {"A": 1, "B": "yes", "C": True}
    assert (found.defaults.shell, found.defaults.working_directory) == ("bash", "app")
    build, deploy = found.jobs.values()
    assert build.environment == "production"
    assert (build.runs_on, build.needs, deploy.needs) == ("ubuntu-latest", (), ("build",))
    assert build.outputs == {"tag": "${{ steps.tag.outputs.tag }}"}
    checkout, tag = build.steps
    assert (checkout.uses, checkout.with_, checkout.line) == ("actions/checkout@v4", {"fetch-depth": 0}, 22)
    assert (tag.id, tag.name, tag.run) == ("tag", "Tag", 'echo "tag=x" >> "$GITHUB_OUTPUT"\n')
    assert (tag.timeout_minutes, tag.continue_on_error) == (2.0, True)
    assert deploy.concurrency is not None
    assert (deploy.concurrency.group, deploy.concurrency.line) == ("production", 33)
    assert (deploy.condition, deploy.uses) == ("github.ref == 'refs/heads/main'", "./.github/workflows/kamal.yml")
    assert (deploy.secrets, deploy.with_) == ("inherit", {"tag": "${{ needs.build.outputs.tag }}"})
    assert (deploy.strategy.fail_fast, deploy.strategy.max_parallel) == (False, 2)
    assert deploy.strategy.matrix == {"zone": ["a", "b"]}


@pytest.mark.parametrize("on", ["workflow_dispatch", "[push, workflow_dispatch]", "{workflow_dispatch: }"])
def test_on_is_a_word_and_has_three_forms(on: str) -> None:
    found = read_workflow(f"on: {on}\njobs: {{a: {{runs-on: x, steps: [{{run: 'true'}}]}}}}\n")
    assert found.dispatch == {}
    assert found.name == ""


def test_a_workflow_that_cannot_be_dispatched_says_none() -> None:
    text = (
        "on: {workflow_call: {inputs: {n: {type: string}}, secrets: {S: {required: true}}, outputs: {o: {value: v}}}}\n"
    )
    found = read_workflow(text + "jobs: {a: {runs-on: x, steps: [{run: a}]}}")
    assert found.dispatch is None
    assert found.call is not None
    assert found.call.secrets == {"S": True}
    assert found.call.inputs["n"].type == "string"
    assert found.call.outputs["o"] == "v"


def test_anchors_stand_for_what_they_name() -> None:
    text = "  a: &job {runs-on: x, steps: &steps [{run: a}]}\n  b: {runs-on: y, steps: *steps}\n  c: *job\n"
    jobs = read_workflow(f"on: push\njobs:\n{text}").jobs
    assert jobs["b"].steps[0].run == jobs["c"].steps[0].run == "a"


JOB = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: 'true'\n"


@pytest.mark.parametrize(
    "text, where, message",
    [
        ("", "1:1", "the file is empty"),
        ("- a", "1:1", "a mapping is expected"),
        ("on: push\njobs: {", "3:1", "invalid YAML"),
        ("a: &a [*a]", "1:4", "an alias contains itself"),
        ("on: push\n", "1:1", "at least one job"),
        ("jobs: {a: {runs-on: x, steps: [{run: a}]}}", "1:1", "must name at least one event"),
        (JOB + "job: 1\n", "7:1", "unexpected key 'job'\n    did you mean 'jobs'?"),
        (JOB + "jobs: {}\n", "7:1", "duplicate key 'jobs'"),
        (JOB + "        runs: x\n", "7:9", "unexpected key 'runs'\n    did you mean 'run'?"),
        (JOB + "        uses: x\n", "6:9", "both `run` and `uses`"),
        (JOB + "      - name: x\n", "7:9", "neither `run` nor `uses`"),
        (JOB + "    needs: [b]\n", "7:5", "unknown job 'b'"),
        (JOB + "    needs: a\n", "7:5", "would wait for itself"),
        (JOB + "    if: a ==\n", "7:5", "ends too early"),
        (JOB + "        env: {A: '${{ x'}\n", "7:15", "is not closed"),
        (JOB + "    timeout-minutes: soon\n", "7:5", "must be a number"),
        (JOB + "    strategy: {matrix: [1]}\n", "7:16", "a matrix must be a mapping"),
        (JOB + "    concurrency: {cancel-in-progress: true}\n", "7:5", "has no `group`"),
        (JOB + "  1b: {runs-on: x, steps: [{run: a}]}\n", "7:3", "is not a valid job id"),
        (JOB + "  b: {steps: [{run: a}]}\n", "7:3", "has no `runs-on`"),
        (JOB + "  b: {runs-on: x}\n", "7:3", "has no `steps`"),
        (JOB + "  b: {uses: ./x.yml, steps: []}\n", "7:22", "unexpected key 'steps'"),
        (JOB + "  b: {runs-on: x, steps: [{id: i, run: a}, {id: I, run: b}]}\n", "7:45", "duplicate step id 'I'"),
        ("on: {workflow_dispatch: {inputs: {a: {type: text}}}}\n" + JOB[9:], "1:39", "unknown input type 'text'"),
        ("on: {workflow_dispatch: {inputs: {a: {type: choice}}}}\n" + JOB[9:], "1:35", "has no `options`"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, where: str, message: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        read_workflow(text, "w.yml", strict=True)
    assert any(str(one).startswith(f"w.yml:{where}: ") and message in str(one) for one in caught.value.problems), str(
        caught.value
    )


@pytest.mark.parametrize(
    "more, doubts",
    [
        ("        env: '${{ fromJSON(vars.E) }}'\n", 0),
        ("      - {uses: x, with: '${{ fromJSON(vars.W) }}'}\n", 0),
        ("    services: ${{ fromJSON(vars.S) }}\n    strategy: ${{ fromJSON(vars.M) }}\n", 0),
        ("env: ${{ fromJSON(vars.E) }}\n", 0),
        ("  b: {runs-on: &x y, steps: [{run: &x a}, {run: *x}]}\n", 0),
        ("description: what it does\n", 1),
        ("      - parallel: [{run: a}]\n", 2),
        ("    cancel-timeout-minutes: 3\n", 1),
        ("  b: {runs-on: x}\n", 1),
        ("    needs: 5\n", 1),
        ("    needs: true\n", 1),
        ("    needs: {a: b}\n", 1),
        ("    timeout-minutes: soon\n", 1),
        ("    if: a ==\n", 1),
    ],
)
def test_what_only_the_runner_needs_is_a_doubt(more: str, doubts: int) -> None:
    found = read_workflow(JOB + more, "w.yml")
    assert "a" in found.jobs
    assert len(found.doubts) == doubts, found.doubts


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(WorkflowError) as caught:
        read_workflow("on: push\njobs:\n  a:\n    steps: [{run: a, x: 1}]\n  b:\n    needs: c\n", "w.yml", strict=True)
    assert [one.line for one in caught.value.problems] == [3, 4, 5, 5, 6]


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(WorkflowError, match="more than 50000 values"):
        read_workflow("\n".join(lines))


@given(st.text(alphabet="on: push\njobs{}[]&*!'\"-|>#a1\t", max_size=60))
def test_no_text_breaks_the_reader_but_with_its_own_error(text: str) -> None:
    try:
        read_workflow(text)
    except WorkflowError as error:
        refused = bool(error.problems)
        assert refused


def test_an_action_is_read() -> None:
    found = read_action(
        "name: A\ninputs: {n: {required: true}, d: {default: x}}\noutputs: {o: {value: '${{ steps.a.outputs.o }}'}}\n"
        "runs:\n  using: composite\n  steps:\n    - {id: a, run: 'true', shell: bash}\n",
        "action.yml",
    )
    assert (found.using, found.inputs["n"].required, found.inputs["d"].default) == ("composite", True, "x")
    assert found.outputs["o"] == "${{ steps.a.outputs.o }}"
    assert found.steps[0].shell == "bash"
    with pytest.raises(WorkflowError, match=r"a\.yml:3:11: a `run` step of a composite action must say its `shell`"):
        read_action("runs:\n  using: composite\n  steps: [{run: a}]\n", "a.yml")
