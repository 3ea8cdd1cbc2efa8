"""The system `command`: any deployer's command line."""

from seatrial.systems.command.system import Command as Command
