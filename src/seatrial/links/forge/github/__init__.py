"""GitHub, github.com and Enterprise Server: its REST API as a `links.forge.Forge`."""

from seatrial.links.forge.github.actions import GitHub
from seatrial.links.forge.github.token import find_token

__all__ = ["GitHub", "find_token"]
