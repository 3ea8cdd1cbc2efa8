"""Limits of a cloud's settings refuse a run before anything is made."""

from __future__ import annotations

import pytest
from tests.loading.conftest import Planner

from seatrial.errors import SuitesOverBudget

DOCUMENT = """\
provider: aws
system: {kind: processes, service: {command: [x]}, health: {http: 'http://x'}}
test_suites:
  small: {parameters: {cluster_size: 2}, workflow: [{step: init}]}
  large: {parameters: {cluster_size: 3}, workflow: [{step: init}]}
"""
PRICED = 'prices = {"t3.small" = 0.02}\n'


def files(limits: str) -> dict[str, str]:
    return {
        "suite.yaml": DOCUMENT,
        "seatrial.toml": f'[providers.aws]\nimage = "ami-1"\nsize = "t3.small"\n{limits}',
    }


@pytest.mark.parametrize(
    ("limits", "parallel", "said"),
    [
        ("max_machines = 2\n", 1, "the suite 'large': 3 machines at a time; `max_machines` of .providers.aws. is 2"),
        ("max_machines = 4\n", 2, "the suite 'small': 5 machines at a time"),
        ("max_cost_per_hour = 0.05\n" + PRICED, 1, "the suite 'large': 0.06 per hour"),
    ],
)
def test_a_run_over_a_limit_is_refused(plan_of: Planner, limits: str, parallel: int, said: str) -> None:
    with pytest.raises(SuitesOverBudget, match=said):
        plan_of(files(limits), flags={"parallel": parallel})


@pytest.mark.parametrize("limits", ["max_machines = 3\n", "max_cost_per_hour = 0.06\n" + PRICED, ""])
def test_a_run_within_its_limits_is_planned(plan_of: Planner, limits: str) -> None:
    assert not [warning for warning in plan_of(files(limits)).warnings if "cost" in warning]


def test_a_size_without_a_price_is_said(plan_of: Planner) -> None:
    warnings = plan_of(files("max_cost_per_hour = 1\n")).warnings
    assert [warning for warning in warnings if "the cost of 3 machines 't3.small' is unknown" in warning]
