"""Resolves names to steps, checks and systems, and rejects impossible combinations."""
