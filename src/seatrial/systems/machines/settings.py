"""Settings of every system on machines that another program made."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.values import Duration, Rule, WaitFor
from seatrial.systems.settings import DataSettings, Probe


@dataclass(frozen=True, kw_only=True)
class MachineSettings:
    """The keys that such systems share."""

    nodes: tuple[str, ...] = ()
    """The names of the nodes, if known before deploy."""
    proof: Probe | None = None
    """A real request to each node beside its probe under `health`; it must succeed too, to detect a service with a
    wrong health report."""
    rule: Rule = Rule("majority")
    """`majority`, `all`, `any`, or CEL over `healthy` and `total`: whether the whole still works."""
    poll: Duration = Duration(1.0)
    """The first pause between looks while something is waited for; the pauses grow to ten times this."""
    wait_for: WaitFor = "service"
    """What has to answer before a started node is up, for steps without their own `wait_for`. A service that nothing
    measures counts as its link."""
    admin: str = ""
    """The URL of the admin UI on a node."""
    data: DataSettings | None = None
    """How `data_integrity` writes and reads its records; an inventory's `client_port` is `${{ node.ports.client }}`."""
