"""A runner for the GitHub server for tests: it really executes the jobs of workflows on this host."""

from seatrial_stand_ins.github.runner.calls import ActionCall, ActionFailed, ActionFunction
from seatrial_stand_ins.github.runner.running import WorkflowRunner
from seatrial_stand_ins.github.runner.settings import Grace

__all__ = ["ActionCall", "ActionFailed", "ActionFunction", "Grace", "WorkflowRunner"]
