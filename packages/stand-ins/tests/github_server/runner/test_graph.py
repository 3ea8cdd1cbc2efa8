"""Which jobs run, in which order, and what the run becomes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from github_server.runner.fake_run import FakeRun, jobs
from seatrial_stand_ins.github.runner import WorkflowRunner


def execute(run: FakeRun) -> str:
    """Run it to its end."""
    return asyncio.run(WorkflowRunner(folder=run.folder.parent / "jobs").run(run))


def job(name: str, about: str = "", script: str = "true", **more: str) -> str:
    """A job with one step."""
    parts = [about] if about else []
    return f"{name}: {{{', '.join(['runs-on: x', *parts])}, steps: [{{run: '{script}'}}]}}"


def ended(run: FakeRun) -> dict[str, str]:
    """Key of each job to what became of it."""
    return {**{key: one.conclusion for key, one in run.jobs.items()}, **dict.fromkeys(run.skipped, "skipped")}


def test_jobs_wait_for_what_they_need_and_have_its_outputs(tmp_path: Path) -> None:
    text = """\
last:
  needs: [first, other]
  runs-on: x
  steps:
    - run: test "${{ needs.first.outputs.tag }} ${{ needs.first.result }}" = "v1 success"
first:
  runs-on: x
  outputs: {tag: "${{ steps.s.outputs.tag }}"}
  steps: [{id: s, run: echo tag=v1 >> $GITHUB_OUTPUT}]
other: {runs-on: x, steps: [{run: 'true'}]}
"""
    run = FakeRun(tmp_path / "r", jobs(text))
    assert execute(run) == "success"
    assert list(run.jobs)[-1] == "last"


def test_jobs_that_need_nothing_run_at_the_same_time(tmp_path: Path) -> None:
    meet = tmp_path / "meeting"
    meet.mkdir()
    both = [f"touch {meet}/{me}; while ! test -e {meet}/{other}; do sleep 0.01; done" for me, other in ("ab", "ba")]
    run = FakeRun(
        tmp_path / "r",
        jobs("\n".join(job(name, "timeout-minutes: 0.2", one) for name, one in zip("ab", both, strict=True))),
    )
    assert execute(run) == "success"


def test_what_needs_a_failed_job_is_skipped_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = "\n".join([
        job("bad", script="exit 1"),
        job("skipped", "needs: bad"),
        job("after", "needs: skipped"),
        job("always", "needs: skipped, if: always()"),
        job("late", "needs: always"),
        job("failure", "needs: bad, if: failure()"),
        job("mine", "needs: bad, if: \"!cancelled() && needs.bad.result == 'failure'\""),
        job("free"),
        job("off", "if: github.ref == 'refs/heads/other'"),
    ])  # fmt: skip
    run = FakeRun(tmp_path / "r", jobs(text))
    assert execute(run) == "failure"
    assert ended(run) == {
        "bad": "failure",
        "skipped": "skipped",
        "after": "skipped",
        "always": "success",
        # All jobs before it count, not only the one that it names.
        "late": "skipped",
        "failure": "success",
        "mine": "success",
        "free": "success",
        "off": "skipped",
    }


def test_a_job_that_may_fail_does_not_count(tmp_path: Path) -> None:
    text = job("bad", "continue-on-error: true", "exit 1") + "\n" + job("next", "needs: bad")
    run = FakeRun(tmp_path / "r", jobs(text))
    assert execute(run) == "success"
    assert ended(run) == {"bad": "failure", "next": "success"}


def test_a_run_of_which_nothing_was_due_is_skipped(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "r", jobs(job("a", "if: false")))
    assert execute(run) == "skipped"


def test_a_matrix_makes_jobs_and_their_last_outputs_count(tmp_path: Path) -> None:
    text = """\
make:
  runs-on: x
  outputs: {list: "${{ steps.s.outputs.list }}"}
  steps: [{id: s, run: "echo 'list=[1, 2]' >> $GITHUB_OUTPUT"}]
build:
  needs: make
  runs-on: "${{ matrix.os }}-latest"
  strategy:
    max-parallel: 1
    matrix: {os: [a, b], n: "${{ fromJSON(needs.make.outputs.list) }}", exclude: [{os: b, n: 1}]}
  outputs: {"last": "${{ steps.s.outputs.x }}", "first": "${{ steps.s.outputs.y }}"}
  steps:
    - id: s
      run: |
        echo "${{ matrix.os }}${{ matrix.n }} ${{ strategy.job-index }}/${{ strategy.job-total }}"
        echo "x=${{ matrix.os }}${{ matrix.n }}" >> $GITHUB_OUTPUT
        echo "y=${{ matrix.os == 'a' && matrix.n == 1 && 'set' || '' }}" >> $GITHUB_OUTPUT
after:
  needs: build
  runs-on: x
  steps: [{run: 'test "${{ needs.build.outputs.last }} ${{ needs.build.outputs.first }}" = "b2 set"'}]
"""
    run = FakeRun(tmp_path / "r", jobs(text))
    assert execute(run) == "success", {key: one.log_text for key, one in run.jobs.items()}
    assert [one for one in run.jobs if one.startswith("build")] == ["build (a, 1)", "build (a, 2)", "build (b, 2)"]
    assert run.jobs["build (b, 2)"].labels == ("b-latest",)
    assert "b2 2/3" in run.jobs["build (b, 2)"].log_text


@pytest.mark.parametrize("fail_fast", [True, False])
def test_fail_fast_cancels_the_rest_of_a_matrix(tmp_path: Path, fail_fast: bool) -> None:
    # The second waits for the first to have failed: by its cancellation, or by what it left.
    script = f"if test ${{{{ matrix.n }}}} = 1; then touch {tmp_path}/failed; exit 1; fi; "
    script += f"until test -e {tmp_path}/failed; do sleep 0.01; done; " + ("sleep 30" if fail_fast else "true")
    strategy = f"strategy: {{fail-fast: {str(fail_fast).lower()}, max-parallel: 2, matrix: {{n: [1, 2, 3]}}}}"
    run = FakeRun(tmp_path / "r", jobs(job("a", strategy, script)))
    assert execute(run) == "failure"
    others = "cancelled" if fail_fast else "success"
    assert ended(run) == {"a (1)": "failure", "a (2)": others, "a (3)": others}


def test_a_job_waits_for_its_concurrency_group_and_names_its_environment(tmp_path: Path) -> None:
    text = "\n".join([
        job("a", "concurrency: {group: 'g-${{ github.ref_name }}', cancel-in-progress: true}, "
            "environment: {name: production, url: 'https://${{ github.ref_name }}.example.org'}",
            'test "${{ vars.ZONE }} ${{ secrets.MY_SECRET }}" = "production of-production"'),
        job("b", "concurrency: taken"),
    ])  # fmt: skip
    run = FakeRun(tmp_path / "r", jobs(text))
    assert execute(run) == "cancelled"
    assert ended(run) == {"a": "success", "b": "cancelled"}
    assert (run.jobs["a"].held, run.jobs["a"].begun, run.jobs["a"].environment) == (
        "g-main cancels",
        True,
        "production https://main.example.org",
    )
    assert (run.jobs["b"].begun, run.jobs["b"].steps) == (False, [])


CALLED = """\
on:
  workflow_call:
    inputs: {zone: {type: string, required: true}, count: {type: number, default: 2}, dry: {type: boolean}}
    secrets: {KEY: {required: true}}
    outputs: {address: {value: "${{ jobs.up.outputs.address }}"}}
env: {LEVEL: called}
jobs:
  up:
    runs-on: x
    outputs: {address: "${{ steps.s.outputs.address }}"}
    steps:
      - id: s
        env: {KEY: "${{ secrets.KEY }}", NONE: "${{ secrets.MY_SECRET }}", TOKEN: "${{ secrets.GITHUB_TOKEN }}"}
        run: |
          echo "address=${{ inputs.zone }}-${{ inputs.count }}-$LEVEL-${OUTER-none}" >> $GITHUB_OUTPUT
          test "$KEY/$NONE/$TOKEN/${{ inputs.dry }}" = "hunter2-and-more//ghs_token-of-the-run/false"
"""


def test_a_workflow_that_is_called_gets_inputs_and_secrets_and_gives_outputs(tmp_path: Path) -> None:
    text = """\
call:
  uses: ./.github/workflows/called.yml
  with: {zone: "${{ vars.ZONE }}"}
  secrets: {KEY: "${{ secrets.MY_SECRET }}"}
after: {needs: call, runs-on: x, steps: [{run: 'test ${{ needs.call.outputs.address }} = north-2-called-none'}]}
"""
    run = FakeRun(tmp_path / "r", jobs(text, "env: {OUTER: seen}"), files={".github/workflows/called.yml": CALLED})
    assert execute(run) == "success", {key: one.log_text for key, one in run.jobs.items()}
    assert list(run.jobs) == ["call / up", "after"]


@pytest.mark.parametrize(
    "about, message",
    [
        ("uses: ./.github/workflows/called.yml, concurrency: g", "`concurrency` of a job that calls a workflow"),
        ("uses: ./.github/workflows/none.yml", "none.yml called by the job call does not exist"),
        ("uses: other/repo/.github/workflows/x.yml@v1", "of its own repository only"),
        ("uses: ./.github/workflows/called.yml", "the input 'zone' is required"),
        ("uses: ./.github/workflows/called.yml, with: {zone: a, x: b}", "there is no input 'x'"),
        ("uses: ./.github/workflows/called.yml, with: {zone: a}", "the secret KEY is required"),
        ("uses: ./.github/workflows/w.yml", "it has no `on: workflow_call`"),
        ("uses: ./.github/workflows/wrong.yml", "wrong.yml:1:1: `on` must name"),
    ],
)
def test_a_call_that_cannot_be_is_a_failed_job_that_says_why(tmp_path: Path, about: str, message: str) -> None:
    files = {".github/workflows/called.yml": CALLED, ".github/workflows/wrong.yml": "jobs: {}\n"}
    run = FakeRun(tmp_path / "r", jobs(f"call: {{{about}}}"), files=files)
    assert execute(run) == "failure"
    assert message in run.jobs["call"].annotations[0][1]


def test_only_what_is_not_kept_is_run_again_and_has_the_kept_outputs(tmp_path: Path) -> None:
    text = """\
a:
  runs-on: x
  outputs: {n: "${{ steps.s.outputs.n }}"}
  steps: [{id: s, run: "echo n=$RANDOM$RANDOM | tee -a $GITHUB_OUTPUT"}]
b: {needs: a, runs-on: x, steps: [{run: "echo 'n=${{ needs.a.outputs.n }}'; exit 1"}]}
"""
    runner = WorkflowRunner(folder=tmp_path / "jobs")
    first = FakeRun(tmp_path / "r", jobs(text))
    assert asyncio.run(runner.run(first)) == "failure"
    again = FakeRun(tmp_path / "r", jobs(text), kept={"a": "success"})
    assert asyncio.run(runner.run(again)) == "failure"
    assert list(again.jobs) == ["b"]
    (told,) = [line for line in first.jobs["a"].steps[0].lines if line.startswith("n=")]
    assert told in again.jobs["b"].steps[0].lines


@pytest.mark.parametrize(
    "about, message",
    [
        ("strategy: {matrix: {n: []}}", "at least one value"),
        ("strategy: {matrix: '${{ fromJSON(needs.x) }}'}", "an empty text"),
        ("timeout-minutes: '${{ matrix.none.x.y || nothing }}'", "there is no 'nothing'"),
        ("container: debian", "this runner has no containers"),
    ],
)
def test_a_job_that_cannot_begin_says_why(tmp_path: Path, about: str, message: str) -> None:
    run = FakeRun(tmp_path / "r", jobs(job("a", about)))
    assert execute(run) == "failure"
    assert any(message in one[1] for one in run.jobs["a"].annotations)
