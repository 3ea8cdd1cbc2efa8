"""Reads YAML, JSON and TOML, and keeps the position of every value."""
