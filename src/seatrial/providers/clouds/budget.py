"""What the machines of a run may cost, judged before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.errors import UsageError
from seatrial.model.scenario import Suite
from seatrial.providers.clouds.settings import CloudSettings, size_of
from seatrial.spi import OverLimit


def over_limits(provider: str, suites: Sequence[Suite], at_once: int, settings: CloudSettings) -> Iterator[OverLimit]:
    """The suites with which the run passes `max_machines` or `max_cost_per_hour`: the `at_once` largest ones may run at
    the same time. A size without a price is a warning."""
    table = f"[providers.{provider}]"
    if (most := settings.max_machines) is not None:
        machines = [(float(suite.nodes), suite) for suite in suites]
        for count, suite in _beyond(machines, at_once, most):
            yield OverLimit(suite=suite, why=f"{count:g} machines at a time; `max_machines` of {table} is {most}")
    if (limit := settings.max_cost_per_hour) is not None:
        costs = []
        for suite in suites:
            try:
                size = size_of(provider, suite.parameters, settings).size
            except UsageError:
                continue  # refused where the machine is made, with its own words
            if size in settings.prices:
                costs.append((suite.nodes * settings.prices[size], suite))
            else:
                why = f"the cost of {suite.nodes} machines {size!r} is unknown: `prices` of {table} has no such size"
                yield OverLimit(suite=suite, why=why, certain=False)
        for cost, suite in _beyond(costs, at_once, limit):
            yield OverLimit(suite=suite, why=f"{cost:g} per hour; `max_cost_per_hour` of {table} is {limit:g}")


def _beyond(shares: list[tuple[float, Suite]], at_once: int, limit: float) -> Iterator[tuple[float, Suite]]:
    """Each suite that passes the limit, alone or with the larger ones beside it, and the sum."""
    total = 0.0
    for share, suite in sorted(shares, key=lambda pair: -pair[0])[: max(at_once, 1)]:
        total += share
        if total > limit:
            yield total, suite
