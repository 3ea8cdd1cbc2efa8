"""The system `processes`: one service per node of the provider."""

from seatrial.systems.processes.system import Processes as Processes
