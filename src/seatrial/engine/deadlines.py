"""The deadlines of a trial's long work: the suite's, else the system's, else the provider's, else these."""

from __future__ import annotations

from seatrial.engine.trial import Trial
from seatrial.errors import NotSupported, nearest
from seatrial.spi import DefaultsDeadlines, SetsDeadlines

DEADLINES = {"deploy": 600.0, "start": 300.0, "stop": 120.0, "restart": 300.0, "destroy": 120.0}
"""Seconds, unless the suite, the system or the provider sets a deadline."""

NODES = 10
"""Nodes for which the default deadlines are long enough; a larger system gets its multiple of them."""


def deadline_of(trial: Trial, what: str) -> float:
    """Seconds for `deploy`, `start`, `stop`, `restart` or `destroy`."""
    own = trial.system.deadlines if isinstance(trial.system, SetsDeadlines) else {}
    default = trial.system.default_deadlines if isinstance(trial.system, DefaultsDeadlines) else {}
    for said in (trial.suite.deadlines, own, default):
        if what in said:
            return float(said[what])
    for said in (trial.provider.deadlines, DEADLINES):
        if what in said:
            return float(said[what]) * max(1.0, trial.suite.nodes / NODES)
    raise NotSupported(f"invalid deadline name {what!r}: {nearest(what, DEADLINES)}")
