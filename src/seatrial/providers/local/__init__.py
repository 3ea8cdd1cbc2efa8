"""The local provider: nodes made of real processes on loopback."""
