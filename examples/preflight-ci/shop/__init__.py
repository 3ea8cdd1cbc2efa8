"""A minimal shop."""
