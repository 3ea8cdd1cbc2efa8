"""Workflow files that GitHub's own parser takes are taken, and its errors in a head are errors or doubts here too."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.links.forge.workflows.test_against_github import ask, reference

from seatrial.errors import UsageError
from seatrial.links.forge.workflows.reading import read_workflow

__all__ = ["reference"]

pytestmark = pytest.mark.backend("npm")

JOB = "{runs-on: x, steps: [{run: a}]}"
HEADS = """
    on: push
    on: [push, workflow_dispatch]
    on: {push: {branches: [main, 'v*'], paths-ignore: [docs/**]}, pull_request: }
    on: {schedule: [{cron: '0 5 * * 1'}]}
    on: {workflow_dispatch: {inputs: {a: {type: choice, options: [x, y], default: x, required: true, description: d}}}}
    on: {workflow_dispatch: {inputs: {a: {type: boolean, default: true}, b: {type: number, default: 1.5}}}}
    on: {workflow_dispatch: {inputs: {e: {type: environment}}}}
    on: {workflow_call: {inputs: {a: {type: string, required: false}}, secrets: {s: {required: true}}, outputs: {o: {value: x}}}}
    on: {workflow_run: {workflows: [build], types: [completed]}}
    on: {repository_dispatch: {types: [go]}}
    on: {push: {tags: ['v[0-9]+']}, release: {types: [published]}}
    {on: push, concurrency: g}
    {on: push, concurrency: {group: 'a-${{ github.ref }}', cancel-in-progress: '${{ github.ref != ''x'' }}'}}
    {on: push, run-name: 'Deploy ${{ inputs.a }} by @${{ github.actor }}'}
    {on: push, permissions: {contents: read}}
    {on: push, permissions: read-all}
    {on: push, env: {A: 1, B: true, C: '${{ github.sha }}'}}
    {on: push, defaults: {run: {shell: bash, working-directory: x}}}
""".strip().split("\n")  # noqa: E501 - one file a line
JOBS = """
    {runs-on: [self-hosted, linux], steps: [{uses: a/b@v1, with: {x: 1}}]}
    {runs-on: {group: g, labels: [l]}, steps: [{run: a}]}
    {runs-on: '${{ matrix.os }}', strategy: {matrix: {os: [a, b], include: [{os: c, x: 1}], exclude: [{os: a}]}, fail-fast: false, max-parallel: 2}, steps: [{run: a}]}
    {runs-on: x, strategy: {matrix: '${{ fromJSON(vars.M) }}'}, steps: [{run: a}]}
    {runs-on: x, if: always(), timeout-minutes: 5, continue-on-error: true, steps: [{run: a, if: 'failure() && github.ref == ''x'''}]}
    {runs-on: x, environment: prod, steps: [{run: a, id: s, shell: sh, working-directory: w, env: {A: b}}]}
    {runs-on: x, environment: {name: '${{ inputs.e }}', url: 'https://x'}, outputs: {o: '${{ steps.s.outputs.o }}'}, steps: [{run: a, id: s}]}
    {runs-on: x, container: node:20, services: {db: {image: postgres, ports: ['5432:5432'], env: {A: b}, options: o}}, steps: [{run: a}]}
    {runs-on: x, container: {image: i, credentials: {username: u, password: p}, volumes: [a:b]}, steps: [{run: a}]}
    {uses: ./.github/workflows/o.yml, with: {a: 1}, secrets: inherit}
    {uses: o/r/.github/workflows/o.yml@main, secrets: {s: '${{ secrets.S }}'}}
    {runs-on: x, concurrency: {group: j, cancel-in-progress: true}, defaults: {run: {shell: sh}}, permissions: write-all, steps: [{run: a, continue-on-error: true, timeout-minutes: 1}]}
""".strip().split("\n")  # noqa: E501
WRONG = """
    {on: push, concurrency: {cancel-in-progress: true}}
    {on: push, concurrency: [a]}
    on: {workflow_dispatch: {inputs: {a: {type: list}}}}
    on: {workflow_dispatch: {inputs: {a: {type: choice}}}}
    on: {workflow_dispatch: {inputs: [a]}}
    {on: push, run-name: '${{ nope }'}
    {on: push, run-name: '${{ github.ref == }}'}
    {on: push, run-name: [a]}
    {name: no triggers}
""".strip().split("\n")


def head(text: str) -> str:
    text = text.strip()
    inner = text[1:-1] if text.startswith("{") else f"on: {text.removeprefix('on: ')}"
    return f"{{{inner}, jobs: {{j: {JOB}}}}}"


def taken(text: str) -> bool:
    try:
        return not read_workflow(text, "w.yml").doubts
    except UsageError:
        return False


def test_what_github_takes_is_taken(reference: Path) -> None:
    texts = [*map(head, HEADS), *(f"{{on: push, jobs: {{j: {job.strip()}}}}}" for job in JOBS)]
    answers = ask(reference, [{"kind": "workflow", "text": text} for text in texts])
    assert [(text, answer) for text, answer in zip(texts, answers, strict=True) if answer != {"value": []}] == []
    assert [text for text in texts if not taken(text)] == []


def test_what_github_refuses_in_a_head_is_refused(reference: Path) -> None:
    texts = list(map(head, WRONG))
    answers = ask(reference, [{"kind": "workflow", "text": text} for text in texts])
    assert [text for text, answer in zip(texts, answers, strict=True) if answer.get("value") and taken(text)] == []
    assert sum(1 for answer in answers if answer.get("value")) > len(texts) // 2
