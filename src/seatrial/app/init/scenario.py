"""The text of a first scenario, with the steps for which a system has the powers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from seatrial.model.frozen import frozen
from seatrial.spi import Recognised

SAMPLE = """\
# yaml-language-server: $schema=../{schema}
test_suites:
  first:
    provider: local
    test_type: workflow
    description: One of three nodes crashes; the service degrades, continues, recovers, and loses no data
    parameters:
      cluster_size: 3
    workflow:
      - step: init
      - step: deploy
      - step: validate
        description: Everything is up
        checks: [cluster_status, ssh_connectivity, database_running]
      - step: crash_node
        target_node: n11
        method: destroy
      - step: validate
        description: Two nodes continue without it
        checks: [cluster_degraded, "node_status:n11:stopped", data_integrity]
        retry: {{max_attempts: 10, delay_seconds: 0.5}}
      - step: start_node
        target_node: n11
      - step: validate
        description: The node is back, and no acknowledged record is lost
        checks: [cluster_status, data_integrity]
        retry: {{max_attempts: 20, delay_seconds: 0.5}}
"""
"""The first scenario where no deployment is recognised: it deploys the sample."""


@frozen
class Outage:
    """A way to take one node away and to bring it back."""

    away: tuple[str, ...]
    """The keys of the step that takes it away."""
    words: str
    """What that does, for the user."""
    back: tuple[str, ...] = ()
    """The keys of the step that brings it back; empty: it comes back by itself."""


OUTAGES = (
    Outage(away=("step: stop_node",), words="stops", back=("step: start_node",)),
    Outage(away=("step: crash_node", "method: destroy"), words="crashes", back=("step: start_node",)),
    Outage(away=("step: restart_node",), words="reboots"),
)
"""From the one that tells most to the one that tells least; the first for which there are powers is written."""

NO_POWER = """\
# No step takes a node away: this system has no power over its nodes yet.
# Its page in the documentation names the settings for it, such as `stop_node` and `start_node`.
"""


def scenario(kind: str, found: Recognised, outage: Outage | None, schema: str, *, whole: bool = True) -> str:
    """The whole document; `whole`: the system can say how the whole is, else only how its nodes are."""
    head = (
        f"# yaml-language-server: $schema=../{schema}\n"
        f"# Written by `seatrial init` for {', '.join(found.files)}. It is yours: init never changes it again.\n"
    )
    system = "system:\n" + textwrap.indent(f"kind: {kind}\n{found.settings}", "  ")
    suite = textwrap.indent(found.suite, " " * 4)
    steps = textwrap.indent("".join(_steps(found, outage, whole)), " " * 6)
    return f"{head}{system}\ntest_suites:\n  first:\n{suite}    workflow:\n{steps}"


def _steps(found: Recognised, outage: Outage | None, whole: bool) -> Iterator[str]:
    if found.prepare:
        yield _step("step: init")
    yield _step("step: deploy")
    yield _up("Everything is up", whole)
    if outage is None:
        yield NO_POWER
    else:
        yield from _outage(found, outage, whole)
    yield _step("step: destroy")


def _up(description: str, whole: bool) -> str:
    return _step(
        "step: validate",
        f"description: {description}",
        f"checks: [{'cluster_status' if whole else 'ssh_connectivity'}, all_nodes_running]",
        *(() if whole else ("# With `health:` above, `cluster_status` says how the whole is.",)),
        "retry: {timeout: 60s}",
    )


def _outage(found: Recognised, outage: Outage, whole: bool) -> Iterator[str]:
    node = found.node or '"${{ steps.away.outputs.node }}"'
    yield _step(*outage.away, *(() if found.node else ("id: away",)), f"target_node: {found.node or 'any'}")
    if not outage.back:
        yield _up("It is back", whole)
        return
    yield _step(
        "step: validate",
        "description: The loss is noticed",
        "checks:",
        f"  - {{check: node_status, node: {node}, state: stopped}}",
        *(("  - cluster_status!=running",) if whole else ()),
        "  # Does your service still answer without this node? Ask it:",
        '  # - {check: http, url: "http://…/"}',
        "retry: {timeout: 60s}",
    )
    yield _step(*outage.back, f"target_node: {node}")


def _step(*keys: str) -> str:
    return "".join(f"{'- ' if at == 0 else '  '}{key}\n" for at, key in enumerate(keys))
