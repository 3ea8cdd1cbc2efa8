"""Resolves names to steps, checks and systems, and refuses what cannot work."""
